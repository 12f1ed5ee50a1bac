package io.github.tfcompress.demo

import java.io.File
import java.io.RandomAccessFile
import java.nio.BufferUnderflowException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel

/** One input or output of a `.tflite`: its type by name, and its shape with -1 for each axis of free length. */
data class TfliteTensor(val type: String, val shape: List<Int>)

/**
 * The inputs and outputs of a `.tflite`, read from its bytes.
 *
 * Runtimes are not asked: they take files apart that are hostile or damaged in native code, and some compile a model with
 * a free axis and then fail in the first run.
 */
class TfliteFile private constructor(val inputs: List<TfliteTensor>, val outputs: List<TfliteTensor>) {
    companion object {
        // Places of fields in schema.fbs of TensorFlow Lite: Model, SubGraph, Tensor.
        private const val SUBGRAPHS = 2
        private const val TENSORS = 0
        private const val INPUTS = 1
        private const val OUTPUTS = 2
        private const val SHAPE = 0
        private const val TYPE = 1
        private const val SHAPE_SIGNATURE = 7

        private const val IDENTIFIER_AT = 4
        private val IDENTIFIER = "TFL3".toByteArray()
        private val TYPES = listOf(
            "float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8", "float64",
        )

        /**
         * Reads [file], which is called [name] in messages.
         *
         * @throws DamagedFile if it is no `.tflite`, or its tables lead out of it
         */
        fun read(file: File, name: String): TfliteFile = RandomAccessFile(file, "r").use {
            if (it.length() == 0L) throw DamagedFile(name, "it is empty")
            read(it.channel.map(FileChannel.MapMode.READ_ONLY, 0, it.length()), name)
        }

        internal fun read(content: ByteBuffer, name: String): TfliteFile {
            if (!isTflite(content)) throw DamagedFile(name, "it is no .tflite: its bytes 4 to 8 are not TFL3")
            try {
                val graph = FlatTable.root(content).tables(SUBGRAPHS).firstOrNull()
                    ?: throw DamagedFile(name, "it has no graph")
                val tensors = graph.tables(TENSORS)
                return TfliteFile(
                    inputs = graph.integers(INPUTS).map { tensor(tensors.getOrNull(it), name) },
                    outputs = graph.integers(OUTPUTS).map { tensor(tensors.getOrNull(it), name) },
                )
            } catch (e: BufferUnderflowException) {
                throw DamagedFile(name, "its tables lead out of the file", e)
            }
        }

        private fun isTflite(content: ByteBuffer): Boolean =
            content.limit() >= IDENTIFIER_AT + IDENTIFIER.size &&
                IDENTIFIER.indices.all { content.get(IDENTIFIER_AT + it) == IDENTIFIER[it] }

        private fun tensor(table: FlatTable?, name: String): TfliteTensor {
            if (table == null) throw DamagedFile(name, "an input or output is no tensor of its graph")
            val type = table.byte(TYPE).toInt()
            return TfliteTensor(
                type = TYPES.getOrElse(type) { "of type $type" },
                shape = table.integers(if (table.has(SHAPE_SIGNATURE)) SHAPE_SIGNATURE else SHAPE),
            )
        }
    }
}

/**
 * Refuses a file that this app cannot run as [model] says.
 *
 * @throws DemoProblem of the class that names what is wrong
 */
fun TfliteFile.requireFitting(model: DemoModel) {
    requireFitting(inputs, Role.INPUT, model.file.path, model.input.shape)
    requireFitting(outputs, Role.OUTPUT, model.file.path, model.output.shape)
}

private fun requireFitting(tensors: List<TfliteTensor>, role: Role, file: String, expected: List<Int>) {
    val tensor = tensors.singleOrNull() ?: throw WrongTensorCount(file, role, tensors.size)
    if (tensor.type != "float32") throw WrongType(file, role, tensor.type)
    if (tensor.shape.any { it < 0 }) throw FreeAxis(file, role, tensor.shape)
    if (tensor.shape != expected) throw WrongShape(file, role, tensor.shape, expected)
}
