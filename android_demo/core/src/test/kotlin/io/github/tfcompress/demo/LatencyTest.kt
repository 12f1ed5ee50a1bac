package io.github.tfcompress.demo

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

class LatencyTest {
    @Test
    fun `median and p90 lie between the two nearest runs in proportion`() {
        // Positions 0.5 * 3 = 1.5 and 0.9 * 3 = 2.7 of 1, 2, 4, 8.
        assertEquals(Latency(median = 3.0, p90 = 6.8, runs = 4), rounded(Latency.of(listOf(8.0, 1.0, 4.0, 2.0))))
    }

    @Test
    fun `one run is its own median and p90`() = assertEquals(Latency(5.0, 5.0, 1), Latency.of(listOf(5.0)))

    @Test
    fun `no run has no latency`() {
        assertThrows(IllegalArgumentException::class.java) { Latency.of(emptyList()) }
    }

    @Test
    fun `warm-up runs and what happens between runs do not count`() {
        var now = 0L
        var run = 0
        val asked = mutableListOf<Int>()
        val latency = measured(
            warmUp = 2,
            runs = 3,
            nanoTime = { now },
            between = { asked += it; now += 1_000_000_000 },
            run = { now += if (run++ < 2) 50_000_000 else 4_000_000 },
        )
        assertEquals(Latency(median = 4.0, p90 = 4.0, runs = 3), latency)
        assertEquals(listOf(0, 1, 2, 3, 4), asked)
    }

    private fun rounded(latency: Latency) = latency.copy(p90 = Math.round(latency.p90 * 1e9) / 1e9)
}
