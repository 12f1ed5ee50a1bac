package com.google.ai.edge.litert

import com.sun.jna.Memory
import com.sun.jna.NativeLong
import com.sun.jna.Pointer

/** What a model is compiled for; [bit] is the C library's. */
enum class Accelerator(internal val bit: Int) { NONE(0), CPU(1), GPU(2), NPU(4) }

/** Not used by the app: it leaves the environment to LiteRT. */
class Environment private constructor()

/** A model that is ready to run. */
class CompiledModel private constructor(
    private val environment: Pointer,
    private val model: Pointer,
    private val compiled: Pointer,
) : AutoCloseable {
    /** Threads are not handed on: one is what the golden outputs were made with. */
    data class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    class Options(internal val accelerators: Set<Accelerator>) {
        constructor(vararg accelerators: Accelerator) : this(accelerators.toSet())

        var cpuOptions: CpuOptions? = null
    }

    fun createInputBuffers(): List<TensorBuffer> = buffers("Input")

    fun createOutputBuffers(): List<TensorBuffer> = buffers("Output")

    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>) = LiteRtLibrary.call(
        "LiteRtRunCompiledModel",
        compiled,
        FIRST,
        NativeLong(inputs.size.toLong()),
        inputs.map { it.pointer }.toTypedArray(),
        NativeLong(outputs.size.toLong()),
        outputs.map { it.pointer }.toTypedArray(),
    )

    override fun close() {
        LiteRtLibrary.destroy("LiteRtDestroyCompiledModel", compiled)
        LiteRtLibrary.destroy("LiteRtDestroyModel", model)
        LiteRtLibrary.destroy("LiteRtDestroyEnvironment", environment)
    }

    private fun buffers(side: String): List<TensorBuffer> {
        val signature = LiteRtLibrary.create("LiteRtGetModelSignature", model, FIRST)
        val count = LiteRtLibrary.size("LiteRtGetNumSignature${side}s", signature)
        return List(count) { buffer(side, signature, NativeLong(it.toLong())) }
    }

    private fun buffer(side: String, signature: Pointer, index: NativeLong): TensorBuffer {
        val tensor = LiteRtLibrary.create("LiteRtGetSignature${side}TensorByIndex", signature, index)
        val type = Memory(RANKED_TENSOR_TYPE_BYTES).also { it.clear() }
        LiteRtLibrary.call("LiteRtGetRankedTensorType", tensor, type)
        val needs = LiteRtLibrary.create("LiteRtGetCompiledModel${side}BufferRequirements", compiled, FIRST, index)
        return TensorBuffer(
            LiteRtLibrary.create("LiteRtCreateManagedTensorBufferFromRequirements", environment, type, needs),
        )
    }

    companion object {
        private val FIRST = NativeLong(0)

        // sizeof(LiteRtRankedTensorType) in 2.3.
        private const val RANKED_TENSOR_TYPE_BYTES = 72L

        fun create(filePath: String, options: Options, optionalEnv: Environment? = null): CompiledModel {
            require(optionalEnv == null) { "No environment can be made here." }
            val environment = LiteRtLibrary.create("LiteRtCreateEnvironment", 0, Pointer.NULL)
            val model = LiteRtLibrary.create("LiteRtCreateModelFromFile", environment, filePath)
            val native = LiteRtLibrary.create("LiteRtCreateOptions")
            val accelerators = options.accelerators.fold(0) { set, each -> set or each.bit }
            LiteRtLibrary.call("LiteRtSetOptionsHardwareAccelerators", native, accelerators)
            val compiled = LiteRtLibrary.create("LiteRtCreateCompiledModel", environment, model, native)
            return CompiledModel(environment, model, compiled)
        }
    }
}
