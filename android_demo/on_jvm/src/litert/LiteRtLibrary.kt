package com.google.ai.edge.litert

import com.sun.jna.NativeLibrary
import com.sun.jna.Pointer
import com.sun.jna.ptr.PointerByReference

/**
 * The C library of LiteRT 2.3, libLiteRt.so of the package ai-edge-litert, called through JNA.
 *
 * This folder has the signatures of LiteRT's Kotlin API, as far as the app uses them, over that library: what is tested with
 * it is the app's own code on the real runtime, and not that the code fits the archive that Gradle would fetch.
 */
internal object LiteRtLibrary {
    private val library = NativeLibrary.getInstance(
        System.getProperty("litert.library") ?: error("The property litert.library must name libLiteRt.so."),
    )

    fun call(function: String, vararg arguments: Any?) {
        val status = library.getFunction(function).invokeInt(arguments)
        if (status != 0) throw LiteRtException(status, "$function returned status $status")
    }

    /** Calls a function whose last argument receives the new object. */
    fun create(function: String, vararg arguments: Any?): Pointer {
        val created = PointerByReference()
        call(function, *arguments, created)
        return created.value
    }

    /** Calls a function whose last argument receives a size, which fits into a pointer; JNA has 0 as null. */
    fun size(function: String, vararg arguments: Any?): Int {
        val size = PointerByReference()
        call(function, *arguments, size)
        return Pointer.nativeValue(size.value).toInt()
    }

    fun destroy(function: String, pointer: Pointer) {
        library.getFunction(function).invokeVoid(arrayOf<Any?>(pointer))
    }
}
