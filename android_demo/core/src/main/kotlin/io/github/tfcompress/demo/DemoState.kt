package io.github.tfcompress.demo

/** What the app is doing. */
sealed interface Work {
    data object Idle : Work

    data object Loading : Work

    data object Classifying : Work

    data object Checking : Work

    /** @param finished runs so far, warm-up runs included */
    data class Measuring(val finished: Int, val all: Int) : Work
}

/** What really runs the chosen model; [refusal] says why it is not the accelerator that was asked for. */
data class RunsOn(val accelerator: Accelerator, val threads: Int?, val refusal: RuntimeFailure?)

/** A latency and what it was measured on. */
data class Measurement(val latency: Latency, val accelerator: Accelerator, val threads: Int?)

/** All that a screen shows; a new one for each change. */
data class DemoState(
    val demo: Demo,
    val model: DemoModel,
    val preferred: Accelerator = Accelerator.CPU,
    val runsOn: RunsOn? = null,
    val image: PixelImage? = null,
    val answer: Answer? = null,
    val check: GoldenCheck? = null,
    val measurements: Map<String, Measurement> = emptyMap(),
    val work: Work = Work.Idle,
    val problem: DemoProblem? = null,
) {
    /** The latest measurement of [model], if there is one. */
    fun measurement(model: DemoModel): Measurement? = measurements[model.id]
}
