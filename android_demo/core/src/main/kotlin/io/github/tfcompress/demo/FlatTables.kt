package io.github.tfcompress.demo

import java.nio.BufferUnderflowException
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A FlatBuffers table at a place in a buffer; every place that is read is checked to lie in the buffer. */
internal class FlatTable(private val bytes: ByteBuffer, private val at: Int) {
    private val fields = at - read(at, Int.SIZE_BYTES) { getInt(it) }

    /** The table that the [index]th field refers to. */
    fun table(index: Int): FlatTable? = place(index)?.let { FlatTable(bytes, followed(it)) }

    /** The tables that the [index]th field lists. */
    fun tables(index: Int): List<FlatTable> = vector(index).map { FlatTable(bytes, followed(it)) }

    fun integers(index: Int): List<Int> = vector(index).map { place -> read(place, Int.SIZE_BYTES) { getInt(it) } }

    fun byte(index: Int): Byte = place(index)?.let { place -> read(place, 1) { get(it) } } ?: 0

    fun has(index: Int): Boolean = place(index) != null

    /** The places of the entries of a vector, each of four bytes. */
    private fun vector(index: Int): List<Int> {
        val start = followed(place(index) ?: return emptyList())
        val length = read(start, Int.SIZE_BYTES) { getInt(it) }
        if (length < 0 || length > bytes.limit() / Int.SIZE_BYTES) throw BufferUnderflowException()
        return List(length) { start + Int.SIZE_BYTES * (1 + it) }
    }

    /** Where the [index]th field is, or null where the table leaves it out. */
    private fun place(index: Int): Int? {
        val size = read(fields, Short.SIZE_BYTES) { getShort(it) }.toInt() and 0xFFFF
        val entry = 2 * Short.SIZE_BYTES + Short.SIZE_BYTES * index
        if (entry + Short.SIZE_BYTES > size) return null
        val offset = read(fields + entry, Short.SIZE_BYTES) { getShort(it) }.toInt() and 0xFFFF
        return if (offset == 0) null else at + offset
    }

    private fun followed(place: Int): Int = place + read(place, Int.SIZE_BYTES) { getInt(it) }

    private inline fun <T> read(place: Int, size: Int, decode: ByteBuffer.(Int) -> T): T {
        // An offset of a damaged file can be anything; sums that overflowed are negative.
        if (place < 0 || place > bytes.limit() - size) throw BufferUnderflowException()
        return bytes.decode(place)
    }

    companion object {
        /**
         * The table that a buffer begins with.
         *
         * @throws BufferUnderflowException here and in all functions of tables, if an offset leads out of the buffer
         */
        fun root(content: ByteBuffer): FlatTable {
            val bytes = content.duplicate().order(ByteOrder.LITTLE_ENDIAN)
            if (bytes.limit() < Int.SIZE_BYTES) throw BufferUnderflowException()
            return FlatTable(bytes, bytes.getInt(0))
        }
    }
}
