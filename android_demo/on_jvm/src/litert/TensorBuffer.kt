package com.google.ai.edge.litert

import com.sun.jna.Pointer
import com.sun.jna.ptr.PointerByReference

/** The memory of an input or output. */
class TensorBuffer internal constructor(internal val pointer: Pointer) : AutoCloseable {
    fun writeFloat(data: FloatArray) = locked(WRITE) { address, bytes ->
        if (data.size * Float.SIZE_BYTES != bytes) {
            throw LiteRtException(INVALID_ARGUMENT, "The buffer has $bytes bytes; here are ${data.size} floats")
        }
        address.write(0, data, 0, data.size)
    }

    fun readFloat(): FloatArray = locked(READ) { address, bytes -> address.getFloatArray(0, bytes / Float.SIZE_BYTES) }

    override fun close() = LiteRtLibrary.destroy("LiteRtDestroyTensorBuffer", pointer)

    private fun <T> locked(mode: Int, use: (Pointer, Int) -> T): T {
        val bytes = LiteRtLibrary.size("LiteRtGetTensorBufferPackedSize", pointer)
        val address = PointerByReference()
        LiteRtLibrary.call("LiteRtLockTensorBuffer", pointer, address, mode)
        try {
            return use(address.value, bytes)
        } finally {
            LiteRtLibrary.call("LiteRtUnlockTensorBuffer", pointer)
        }
    }

    private companion object {
        const val READ = 0
        const val WRITE = 1
        const val INVALID_ARGUMENT = 1
    }
}
