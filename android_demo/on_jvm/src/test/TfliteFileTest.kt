package io.github.tfcompress.demo

import io.github.tfcompress.tfz.TfzDecoder
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File
import java.nio.ByteBuffer
import kotlin.random.Random

class TfliteFileTest {
    private val content = TfzDecoder.unpack(File(GOLDEN, "models/patterns-int8.tfz").readBytes())

    @Test
    fun `inputs and outputs are read with their types and shapes`() {
        val file = read(content)
        assertEquals(listOf(TfliteTensor("float32", listOf(1, 16, 16, 1))), file.inputs)
        assertEquals(listOf(TfliteTensor("float32", listOf(1, 4))), file.outputs)
    }

    @Test
    fun `what is no tflite is refused`() {
        for (other in listOf(ByteArray(0), "TFL3".toByteArray(), ByteArray(100), "    TFL3".toByteArray())) {
            val problem = assertThrows(DamagedFile::class.java) { read(other) }
            assertTrue(problem.message!!, problem.message!!.startsWith("model.tflite is damaged: "))
        }
    }

    @Test
    fun `a part of a file is refused or read, and nothing else happens`() {
        for (length in content.indices step 7) readOrRefused(content.copyOf(length))
    }

    @Test
    fun `a file with changed bytes is refused or read, and nothing else happens`() {
        val random = Random(5)
        repeat(3000) {
            val changed = content.copyOf()
            repeat(1 + random.nextInt(4)) {
                // Half of the changes at the begin, where the tables are.
                val at = random.nextInt(if (random.nextBoolean()) 600 else changed.size)
                changed[at] = random.nextInt().toByte()
            }
            readOrRefused(changed)
        }
    }

    private fun read(bytes: ByteArray) = TfliteFile.read(ByteBuffer.wrap(bytes), "model.tflite")

    private fun readOrRefused(bytes: ByteArray) {
        try {
            read(bytes)
        } catch (_: DamagedFile) {
            return
        }
    }
}
