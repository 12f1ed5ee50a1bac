package io.github.tfcompress.demo

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.withContext
import java.io.IOException
import kotlin.coroutines.coroutineContext

/**
 * One demo in use: the chosen model, the image, and what came out.
 *
 * Models run on the dispatcher [worker] alone, which must be one thread: no two run at once, and none on the main thread.
 *
 * @param nanoTime the clock that latencies are measured with
 */
class DemoSession(
    private val demo: Demo,
    private val files: DemoFiles,
    private val store: ModelStore,
    private val runners: RunnerFactory,
    private val worker: CoroutineDispatcher,
    private val nanoTime: () -> Long = System::nanoTime,
) {
    private val mutableState = MutableStateFlow(DemoState(demo, demo.models.first()))

    /** What to show. */
    val state: StateFlow<DemoState> = mutableState.asStateFlow()

    // Touched by the worker only.
    private var runner: ModelRunner? = null

    /** Loads [model], on the CPU where [preferred] refuses it, and classifies the image again if there is one. */
    suspend fun choose(model: DemoModel, preferred: Accelerator) = working(Work.Loading) {
        runner?.close()
        runner = null
        mutableState.update {
            it.copy(model = model, preferred = preferred, runsOn = null, answer = null, check = null)
        }
        val loaded = runners.openPreferring(preferred, store.file(model))
        runner = loaded.runner
        mutableState.update {
            it.copy(runsOn = RunsOn(loaded.runner.accelerator, loaded.runner.threads, loaded.refusal))
        }
        mutableState.value.image?.let { answer(it, loaded.runner) }
    }

    /** Shows and classifies one of the bundled images. */
    suspend fun classify(bundled: BundledImage) = classify { files.bundled(bundled) }

    /** Shows and classifies the image that [read] gives; it is called by the worker. */
    suspend fun classify(read: () -> PixelImage) = working(Work.Classifying) { show(read()) }

    /** Compares the chosen model's outputs on the bundled images with those of Python. */
    suspend fun check() = working(Work.Checking) {
        val check = runner?.let { goldenCheck(demo, mutableState.value.model, files, it) }
        mutableState.update { it.copy(check = check) }
    }

    /** Measures the chosen model on the image, or on the first bundled one where none is shown. */
    suspend fun measure(warmUp: Int = WARM_UP, runs: Int = RUNS) =
        working(Work.Measuring(finished = 0, all = warmUp + runs)) {
            val current = runner ?: return@working
            val model = mutableState.value.model
            val input = model.input.of(mutableState.value.image ?: files.bundled(demo.images.first()))
            val context = coroutineContext
            val latency = measured(
                warmUp,
                runs,
                nanoTime,
                between = { finished ->
                    context.ensureActive()
                    mutableState.update { it.copy(work = Work.Measuring(finished, warmUp + runs)) }
                },
                run = { current.run(input) },
            )
            val measurement = Measurement(latency, current.accelerator, current.threads)
            mutableState.update { it.copy(measurements = it.measurements + (model.id to measurement)) }
        }

    /** Lets go of the loaded model; the session is not used after it. */
    suspend fun close() = withContext(worker) {
        runner?.close()
        runner = null
    }

    private fun show(image: PixelImage) {
        mutableState.update { it.copy(image = image, answer = null) }
        runner?.let { answer(image, it) }
    }

    private fun answer(image: PixelImage, runner: ModelRunner) {
        val model = mutableState.value.model
        val answer = model.answer(runner.run(model.input.of(image)))
        mutableState.update { it.copy(answer = answer) }
    }

    /** Runs [body] on the worker; a problem is shown instead of thrown, until the next work begins. */
    private suspend fun working(work: Work, body: suspend () -> Unit) = withContext(worker) {
        mutableState.update { it.copy(work = work, problem = null) }
        try {
            body()
        } catch (problem: DemoProblem) {
            mutableState.update { it.copy(problem = problem) }
        } catch (failure: IOException) {
            mutableState.update { it.copy(problem = FileFailure(failure.message ?: "$failure", failure)) }
        } finally {
            mutableState.update { it.copy(work = Work.Idle) }
        }
    }

    companion object {
        /** Runs before a measurement that do not count. */
        const val WARM_UP = 10

        /** Runs of a measurement. */
        const val RUNS = 50
    }
}
