package io.github.tfcompress.demo

import java.io.File

/** What a model is computed on. */
enum class Accelerator { CPU, GPU }

/** A loaded model that turns one input into one output; used by one thread at a time. */
interface ModelRunner : AutoCloseable {
    /** What the whole model was compiled for. */
    val accelerator: Accelerator

    /** How many threads compute on the CPU; null where that is not known. */
    val threads: Int?

    /**
     * Copies [input] in, computes, and copies the output out.
     *
     * @throws RuntimeFailure if the runtime fails
     */
    fun run(input: FloatArray): FloatArray
}

/** Loads models into a runtime. */
fun interface RunnerFactory {
    /**
     * Loads [file] so that the whole model runs on [accelerator].
     *
     * @throws RuntimeFailure if it does not
     */
    fun open(file: File, accelerator: Accelerator): ModelRunner
}

/** A loaded model, and why a preferred accelerator does not run it. */
class Loaded(val runner: ModelRunner, val refusal: RuntimeFailure?)

/**
 * Loads [file] on the [preferred] accelerator, or where that refuses it, on the CPU.
 *
 * One accelerator at a time is asked for: asked for both, LiteRT may leave any part of a model to the CPU and not say so.
 *
 * @throws RuntimeFailure if the CPU refuses it as well
 */
fun RunnerFactory.openPreferring(preferred: Accelerator, file: File): Loaded {
    if (preferred == Accelerator.CPU) return Loaded(open(file, Accelerator.CPU), refusal = null)
    return try {
        Loaded(open(file, preferred), refusal = null)
    } catch (refusal: RuntimeFailure) {
        Loaded(open(file, Accelerator.CPU), refusal)
    }
}
