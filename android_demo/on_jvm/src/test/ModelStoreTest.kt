package io.github.tfcompress.demo

import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.io.IOException

class ModelStoreTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val kept by lazy { temporary.newFolder("kept") }
    private val copy by lazy { temporary.newFolder("demo") }

    @Test
    fun `a model is unpacked once and found again`() {
        val files = copyOfGolden(copy)
        val model = files.demo().models[INT8]
        val first = ModelStore(files, kept).file(model)
        assertEquals(first, ModelStore(files, kept).file(model))
        assertEquals(1, files.opened[model.packed.path])
        assertEquals(model.file.size, first.length())
        assertEquals(listOf(first.name), kept.list()!!.toList())
    }

    @Test
    fun `a model that was changed on the device is unpacked anew`() {
        val files = copyOfGolden(copy)
        val model = files.demo().models[INT8]
        val file = ModelStore(files, kept).file(model)
        val right = file.readBytes()
        file.writeBytes(right.copyOf().also { it[right.size / 2]++ })
        assertArrayEquals(right, ModelStore(files, kept).file(model).readBytes())
    }

    @Test
    fun `a damaged packed file is refused by name`() {
        val files = copyOfGolden(copy)
        val model = files.demo().models[INT8]
        val packed = File(copy, model.packed.path)
        packed.writeBytes(packed.readBytes().copyOf(packed.length().toInt() / 2))
        val problem = refused<DamagedFile>(files)
        assertTrue(problem.message!!, problem.message!!.startsWith("models/patterns-int8.tfz is damaged: "))
        assertTrue(problem.message!!, kept.path !in problem.message!! && "tfz-" !in problem.message!!)
        assertEquals(0, kept.list()!!.size)
    }

    @Test
    fun `a file with another hash is refused, and none is kept`() {
        val other = "0".repeat(64)
        assertEquals("models/patterns-int8.tflite", refused<WrongHash> { model().put("sha256", other) }.file)
        val problem = refused<WrongHash> { model().put("packed_sha256", other) }
        assertTrue(problem.message!!, "models/patterns-int8.tfz has the SHA-256 " in problem.message!!)
        assertTrue(problem.message!!, "and demo.json says $other" in problem.message!!)
        assertEquals(0, kept.list()!!.size)
    }

    @Test
    fun `a missing packed file is refused by name`() {
        val problem = refused<MissingFile> { model().put("packed_file", "models/none.tfz") }
        assertTrue(problem.message!!, problem.message!!.startsWith("models/none.tfz is missing."))
    }

    @Test
    fun `a dynamic batch is refused`() {
        val problem = refused<FreeAxis>(withRefused(copy, "dynamic-batch"))
        assertEquals(listOf(-1, 16, 16, 1), problem.received)
        assertTrue(problem.message!!, "Convert the model with its batch fixed to 1." in problem.message!!)
    }

    @Test
    fun `int8 inputs are refused`() {
        val problem = refused<WrongType>(withRefused(copy, "int8-input"))
        assertEquals(Role.INPUT, problem.role)
        assertTrue(problem.message!!, "The input of models/patterns-int8.tflite is int8, and the demo needs float32." in problem.message!!)
    }

    @Test
    fun `two outputs are refused`() {
        val problem = refused<WrongTensorCount>(withRefused(copy, "two-outputs"))
        assertEquals(Role.OUTPUT to 2, problem.role to problem.received)
    }

    @Test
    fun `a model of another shape than the contract says is refused`() {
        val problem = refused<WrongShape> { model().getJSONObject("input").put("shape", JSONArray("[1, 16, 15, 1]")) }
        assertEquals(listOf(1, 16, 16, 1) to listOf(1, 16, 15, 1), problem.received to problem.expected)
    }

    @Test
    fun `a folder that cannot be made is a failure of the storage`() {
        val files = copyOfGolden(copy)
        val store = ModelStore(files, File(temporary.newFile(), "models"))
        assertThrows(IOException::class.java) { store.file(files.demo().models[INT8]) }
    }

    @Test
    fun `an unknown schema and a missing contract are refused`() {
        assertThrows(UnknownSchema::class.java) { copyOfGolden(copy) { put("schema", 2) }.demo() }
        val problem = assertThrows(UnreadableContract::class.java) { FolderFiles(temporary.newFolder()).demo() }
        assertTrue(problem.message!!, "demo.json cannot be used: the file is missing." in problem.message!!)
    }

    @Test
    fun `a bundled image of another size is refused`() {
        val files = copyOfGolden(copy) { getJSONArray("images").getJSONObject(0).put("width", 31) }
        val problem = assertThrows(DamagedFile::class.java) { files.bundled(files.demo().images[0]) }
        assertTrue(problem.message!!, "it is 30 x 24, and demo.json says 31 x 24" in problem.message!!)
    }

    private inline fun <reified T : DemoProblem> refused(noinline change: JSONObject.() -> Unit): T =
        refused(copyOfGolden(copy, change))

    private inline fun <reified T : DemoProblem> refused(files: FolderFiles): T =
        assertThrows(T::class.java) { ModelStore(files, kept).file(files.demo().models[INT8]) }
}
