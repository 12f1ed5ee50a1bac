package io.github.tfcompress.demo.app

import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import io.github.tfcompress.demo.Accelerator
import io.github.tfcompress.demo.ModelRunner
import io.github.tfcompress.demo.RunnerFactory
import io.github.tfcompress.demo.RuntimeFailure
import java.io.File
import com.google.ai.edge.litert.Accelerator as LiteRtAccelerator

/**
 * Loads models into LiteRT through its CompiledModel API.
 *
 * @param threads how many compute on the CPU
 */
class LiteRt(private val threads: Int) : RunnerFactory {
    override fun open(file: File, accelerator: Accelerator): ModelRunner = orFailure(file.name, accelerator) {
        val model = CompiledModel.create(file.absolutePath, options(accelerator), null)
        // What has been made so far is let go of where the rest cannot be made: the next try may be another accelerator.
        val made = mutableListOf<AutoCloseable>(model)
        try {
            val inputs = model.createInputBuffers().also(made::addAll)
            val outputs = model.createOutputBuffers().also(made::addAll)
            LiteRtRunner(file.name, model, inputs, outputs, accelerator, threads)
        } catch (failure: LiteRtException) {
            made.asReversed().forEach(AutoCloseable::close)
            throw failure
        }
    }

    private fun options(accelerator: Accelerator): CompiledModel.Options = when (accelerator) {
        Accelerator.CPU -> CompiledModel.Options(LiteRtAccelerator.CPU).apply {
            cpuOptions = CompiledModel.CpuOptions(numThreads = threads)
        }
        Accelerator.GPU -> CompiledModel.Options(LiteRtAccelerator.GPU)
    }
}

private class LiteRtRunner(
    private val name: String,
    private val model: CompiledModel,
    private val inputs: List<TensorBuffer>,
    private val outputs: List<TensorBuffer>,
    override val accelerator: Accelerator,
    cpuThreads: Int,
) : ModelRunner {
    override val threads: Int? = cpuThreads.takeIf { accelerator == Accelerator.CPU }

    // On a GPU `run` only queues the work; reading the output waits for it.
    override fun run(input: FloatArray): FloatArray = orFailure(name, accelerator) {
        inputs.single().writeFloat(input)
        model.run(inputs, outputs)
        outputs.single().readFloat()
    }

    override fun close() {
        outputs.forEach(AutoCloseable::close)
        inputs.forEach(AutoCloseable::close)
        model.close()
    }
}

private inline fun <T> orFailure(file: String, accelerator: Accelerator, body: () -> T): T = try {
    body()
} catch (failure: LiteRtException) {
    throw RuntimeFailure(file, accelerator, failure.message ?: "no reason given", failure)
}
