package io.github.tfcompress.demo

/** What the app refuses to show or run, one class a reason; an app in another language than English words them anew. */
sealed class DemoProblem(message: String, cause: Throwable? = null) : Exception(message, cause)

/** `demo.json` is missing, no JSON, or not what docs/demo_contract.md says. */
class UnreadableContract(val detail: String, cause: Throwable? = null) :
    DemoProblem("demo.json cannot be used: $detail. Export the demo again: tfcompress export-demo.", cause)

/** `demo.json` has a schema that this app does not know. */
class UnknownSchema(val received: String) :
    DemoProblem(
        "demo.json has schema $received, and this app reads schema ${Demo.SCHEMA}. " +
            "Export the demo with the tfcompress of this app, or take a newer app.",
    )

/** A file that `demo.json` names is not in the folder. */
class MissingFile(val file: String, cause: Throwable? = null) :
    DemoProblem("$file is missing. Export the demo again, and copy the whole folder.", cause)

/** A `.tfz` that cannot be unpacked, or a `.tflite` that cannot be read. */
class DamagedFile(val file: String, val detail: String, cause: Throwable? = null) :
    DemoProblem("$file is damaged: $detail. Copy it again, or export the demo again.", cause)

/** A file with other bytes than those that were exported. */
class WrongHash(val file: String, val expected: String, val received: String) :
    DemoProblem(
        "$file has the SHA-256 $received, and demo.json says $expected: " +
            "it is not the file that was exported. Copy it again, or export the demo again.",
    )

/** Which end of a model a tensor is. */
enum class Role { INPUT, OUTPUT }

/** A model with several inputs or outputs, or with none. */
class WrongTensorCount(val file: String, val role: Role, val received: Int) :
    DemoProblem("$file has $received ${role.name.lowercase()} tensors, and the demo needs one. Export another model.")

/** An input or output of another type than float32, int8 for instance. */
class WrongType(val file: String, val role: Role, val received: String) :
    DemoProblem(
        "The ${role.name.lowercase()} of $file is $received, and the demo needs float32. " +
            "Convert the model with float32 inputs and outputs; inside it can stay int8.",
    )

/** An input or output with an axis of free length, a dynamic batch for instance. */
class FreeAxis(val file: String, val role: Role, val received: List<Int>) :
    DemoProblem(
        "The ${role.name.lowercase()} of $file has the shape $received: the axis of length -1 is free. " +
            "Convert the model with its batch fixed to 1.",
    )

/** An input or output of another shape than `demo.json` says. */
class WrongShape(val file: String, val role: Role, val received: List<Int>, val expected: List<Int>) :
    DemoProblem(
        "The ${role.name.lowercase()} of $file has the shape $received, and demo.json says $expected. " +
            "Export the demo again.",
    )

/** The storage of the device failed. */
class FileFailure(val detail: String, cause: Throwable) :
    DemoProblem("A file cannot be read or written: $detail. Free some storage and try again.", cause)

/** An image that the platform cannot decode. */
class UnreadableImage(val name: String, cause: Throwable? = null) :
    DemoProblem("$name is no image that this device can read. Choose a JPEG, PNG or WebP image.", cause)

/** The runtime refused a model that looked right, or failed while it ran. */
class RuntimeFailure(val file: String, val accelerator: Accelerator, val detail: String, cause: Throwable? = null) :
    DemoProblem("LiteRT cannot run $file on the $accelerator: $detail. Choose another accelerator or model.", cause)
