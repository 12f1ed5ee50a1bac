package io.github.tfcompress.demo

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test
import kotlin.math.exp

class AnswerTest {
    @Test
    fun `probabilities are shown as they are, the largest first`() {
        val answer = demoModel(Scores.PROBABILITIES).answer(floatArrayOf(0.25f, 0.5f, 0.25f))
        assertEquals(listOf("dog", "cat", "owl"), answer.shares.map { it.label })
        assertEquals(listOf(0.5, 0.25, 0.25), answer.shares.map { it.share })
    }

    @Test
    fun `logits are shown after softmax`() {
        val sum = 1 + exp(-1.0) + exp(-3.0)
        val answer = demoModel(Scores.LOGITS).answer(floatArrayOf(-1f, 2f, 1f))
        assertEquals(listOf("dog", "owl", "cat"), answer.shares.map { it.label })
        assertEquals(1 / sum, answer.best.share, 1e-15)
        assertEquals(exp(-3.0) / sum, answer.shares.last().share, 1e-15)
    }

    @Test
    fun `softmax of large logits is finite`() {
        assertEquals(listOf(0.5, 0.5, 0.0), shares(floatArrayOf(3e38f, 3e38f, -3e38f), Scores.LOGITS))
    }

    @Test
    fun `of equal outputs the first one is the answer`() {
        assertEquals("cat", demoModel(Scores.LOGITS).answer(floatArrayOf(-0f, 0f, -1f)).best.label)
    }

    @Test
    fun `another number of outputs is refused`() {
        assertThrows(IllegalArgumentException::class.java) { demoModel(Scores.LOGITS).answer(FloatArray(2)) }
    }

    private fun demoModel(scores: Scores) = ContractReader.read(contract()).models[0].let {
        it.copy(output = it.output.copy(scores = scores))
    }
}
