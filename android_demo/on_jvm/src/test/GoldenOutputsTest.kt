package io.github.tfcompress.demo

import io.github.tfcompress.demo.app.LiteRt
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

class GoldenOutputsTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val files = FolderFiles(GOLDEN)
    private val demo = files.demo()
    private val store by lazy { ModelStore(files, temporary.newFolder()) }

    @Test
    fun `every model gives on the bundled images what it gave in Python`() {
        assertEquals(listOf("float32 throughout", "int8 throughout"), demo.models.map { it.arithmetic })
        for (model in demo.models) {
            val check = checked(model)
            assertEquals(check.images, check.sameInputs)
            assertEquals(check.images, check.rightAnswers)
            assertTrue("$check", check.holds)
        }
    }

    @Test
    fun `the int8 model gives it bit for bit`() {
        val check = checked(demo.models[INT8])
        assertEquals(0.0, check.tolerance, 0.0)
        assertEquals(32, check.equalOutputs)
        assertEquals(32, check.outputs)
    }

    @Test
    fun `a wrong golden output is noticed`() {
        val model = demo.models[INT8]
        val first = model.golden.outputs[0].toMutableList().also { it[0] = it[0] + 0.5f }
        val golden = model.golden.copy(outputs = listOf(first) + model.golden.outputs.drop(1))
        val check = checked(model.copy(golden = golden))
        assertEquals(false, check.holds)
        assertEquals(check.outputs - 1, check.equalOutputs)
        assertEquals(0.5, check.largestDifference, 1e-6)
    }

    @Test
    fun `an input of another size is a failure of the runtime`() {
        LiteRt(threads = 1).open(store.file(demo.models[INT8]), Accelerator.CPU).use { runner ->
            val failure = assertThrows(RuntimeFailure::class.java) { runner.run(FloatArray(5)) }
            assertTrue(failure.message!!, "on the CPU: The buffer has 1024 bytes" in failure.message!!)
        }
    }

    private fun checked(model: DemoModel): GoldenCheck =
        LiteRt(threads = 1).open(store.file(model), Accelerator.CPU).use { goldenCheck(demo, model, files, it) }
}
