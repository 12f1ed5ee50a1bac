package io.github.tfcompress.demo

/** What `demo.json` holds; docs/demo_contract.md says what its keys mean. */
data class Demo(
    val title: String,
    val credits: String,
    val models: List<DemoModel>,
    val images: List<BundledImage>,
    val versions: Map<String, String>,
) {
    companion object {
        /** The one schema of `demo.json` that is read. */
        const val SCHEMA = 1
    }
}

/** One model, packed as it ships and unpacked as it runs. */
data class DemoModel(
    val id: String,
    val name: String,
    val file: ModelBytes,
    val packed: ModelBytes,
    val arithmetic: String,
    val accuracy: Double?,
    val input: ModelInput,
    val output: ModelOutput,
    val labels: List<String>,
    val golden: Golden,
)

/** A file of a model: its path in the demo's folder, SHA-256 in hexadecimal digits, and size in bytes. */
data class ModelBytes(val path: String, val sha256: String, val size: Long)

/** The float32 input [1, height, width, channels]; a pixel enters it as `(pixel - mean) / std`, channel by channel. */
data class ModelInput(
    val height: Int,
    val width: Int,
    val channels: Int,
    val mean: List<Double>,
    val std: List<Double>,
) {
    val shape: List<Int> get() = listOf(1, height, width, channels)
}

/** What the outputs of a model are. */
enum class Scores { PROBABILITIES, LOGITS }

/** The float32 output [1, classes]. */
data class ModelOutput(val classes: Int, val scores: Scores) {
    val shape: List<Int> get() = listOf(1, classes)
}

/** What LiteRT answered in Python on each bundled image; an output here may differ from it by [tolerance] at most. */
data class Golden(val tolerance: Double, val inputsSha256: List<String>, val outputs: List<List<Float>>)

/** A bundled image and its right label. */
data class BundledImage(val path: String, val sha256: String, val width: Int, val height: Int, val label: String)
