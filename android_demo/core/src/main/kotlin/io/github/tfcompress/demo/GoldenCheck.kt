package io.github.tfcompress.demo

import kotlin.math.abs

/**
 * How the outputs on the bundled images compare with those of Python, `golden` in `demo.json`.
 *
 * @param sameInputs images whose input has the bytes that Python gave the model
 * @param rightAnswers images whose answer is their label
 * @param equalOutputs outputs that are equal, bit for bit
 * @param largestDifference infinite where an output is no number
 */
data class GoldenCheck(
    val images: Int,
    val sameInputs: Int,
    val rightAnswers: Int,
    val outputs: Int,
    val equalOutputs: Int,
    val largestDifference: Double,
    val tolerance: Double,
) {
    val holds: Boolean get() = sameInputs == images && largestDifference <= tolerance
}

/** Runs [model] on every bundled image of [demo]. */
fun goldenCheck(demo: Demo, model: DemoModel, files: DemoFiles, runner: ModelRunner): GoldenCheck {
    var (sameInputs, rightAnswers, equal) = listOf(0, 0, 0)
    var largest = 0.0
    demo.images.forEachIndexed { index, image ->
        val input = model.input.of(files.bundled(image))
        if (inputSha256(input) == model.golden.inputsSha256[index]) sameInputs++
        val outputs = runner.run(input)
        if (model.answer(outputs).best.label == image.label) rightAnswers++
        outputs.zip(model.golden.outputs[index]).forEach { (received, expected) ->
            if (received.toRawBits() == expected.toRawBits()) equal++
            val difference = abs(received.toDouble() - expected)
            largest = if (difference.isNaN()) Double.POSITIVE_INFINITY else maxOf(largest, difference)
        }
    }
    return GoldenCheck(
        images = demo.images.size,
        sameInputs = sameInputs,
        rightAnswers = rightAnswers,
        outputs = demo.images.size * model.output.classes,
        equalOutputs = equal,
        largestDifference = largest,
        tolerance = model.golden.tolerance,
    )
}

/** The SHA-256 of an input as Python has it: float32, little-endian. */
internal fun inputSha256(input: FloatArray): String {
    val digest = sha256Digest()
    for (value in input) {
        val bits = value.toRawBits()
        for (shift in 0 until Int.SIZE_BITS step Byte.SIZE_BITS) digest.update((bits ushr shift).toByte())
    }
    return digest.hexadecimal()
}
