package io.github.tfcompress.demo

import kotlin.math.exp

/** What a model says of an image: the share of each label, the largest first; equal ones in the order of the labels. */
data class Answer(val shares: List<LabelShare>) {
    val best: LabelShare get() = shares.first()
}

/** How sure a model is of a label, from 0 to 1. */
data class LabelShare(val label: String, val share: Double)

/** The answer that the [outputs] of a model stand for. */
fun DemoModel.answer(outputs: FloatArray): Answer {
    require(outputs.size == labels.size) { "$name has ${labels.size} labels; here are ${outputs.size} outputs." }
    val shares = shares(outputs, output.scores)
    // Sorted by the outputs: two shares can be equal after softmax where the outputs still differ.
    // 0 is added since Kotlin sorts -0 below 0, which are equal.
    return Answer(labels.indices.sortedByDescending { outputs[it] + 0f }.map { LabelShare(labels[it], shares[it]) })
}

/** Outputs as shares that add up to 1: as they are, or after softmax in float64. */
internal fun shares(outputs: FloatArray, scores: Scores): List<Double> = when (scores) {
    Scores.PROBABILITIES -> outputs.map(Float::toDouble)
    Scores.LOGITS -> {
        val largest = outputs.max().toDouble()
        val powers = outputs.map { exp(it - largest) }
        val sum = powers.sum()
        powers.map { it / sum }
    }
}
