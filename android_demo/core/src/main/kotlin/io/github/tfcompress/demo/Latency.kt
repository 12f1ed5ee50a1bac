package io.github.tfcompress.demo

import kotlin.math.floor

/** How long single runs took, in milliseconds; warm-up runs are not among the [runs]. */
data class Latency(val median: Double, val p90: Double, val runs: Int) {
    companion object {
        /** The figures of [milliseconds], one entry a run, in any order. */
        fun of(milliseconds: List<Double>): Latency {
            require(milliseconds.isNotEmpty()) { "A latency needs one run at least." }
            val sorted = milliseconds.sorted()
            return Latency(median = quantile(sorted, 0.5), p90 = quantile(sorted, 0.9), runs = sorted.size)
        }
    }
}

/** The value at position `q * (n - 1)` of [sorted] values, between the two nearest in proportion. */
internal fun quantile(sorted: List<Double>, q: Double): Double {
    val position = q * (sorted.size - 1)
    val below = floor(position).toInt()
    val above = minOf(below + 1, sorted.size - 1)
    return sorted[below] + (position - below) * (sorted[above] - sorted[below])
}

/**
 * Times [run] alone, [runs] times after [warmUp] runs that do not count.
 *
 * @param nanoTime a clock in nanoseconds
 * @param between called before each run, outside of what is timed: shows progress, or ends the measuring by throwing
 */
inline fun measured(
    warmUp: Int,
    runs: Int,
    nanoTime: () -> Long,
    between: (finished: Int) -> Unit,
    run: () -> Unit,
): Latency {
    val milliseconds = ArrayList<Double>(runs)
    for (number in 0 until warmUp + runs) {
        between(number)
        val start = nanoTime()
        run()
        val end = nanoTime()
        if (number >= warmUp) milliseconds += (end - start) / 1e6
    }
    return Latency.of(milliseconds)
}
