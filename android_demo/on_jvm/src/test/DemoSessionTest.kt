package io.github.tfcompress.demo

import io.github.tfcompress.demo.app.LiteRt
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.util.concurrent.Executors

class DemoSessionTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val worker = Executors.newSingleThreadExecutor { Thread(it, "inference") }.asCoroutineDispatcher()

    @After
    fun end() = worker.close()

    @Test
    fun `a session begins with the first model and nothing else`() {
        val state = session().state.value
        assertEquals("patterns-float32", state.model.id)
        assertEquals(listOf(null, null, null, null), listOf(state.runsOn, state.image, state.answer, state.problem))
    }

    @Test
    fun `a chosen model answers for a bundled image, and another model for the same image`() = runBlocking {
        val session = session()
        val demo = session.state.value.demo
        session.choose(demo.models[FLOAT32], Accelerator.CPU)
        session.classify(demo.images[2])
        assertEquals(demo.images[2].label, session.state.value.answer?.best?.label)
        val before = session.state.value
        session.choose(demo.models[INT8], Accelerator.CPU)
        val after = session.state.value
        assertEquals(demo.images[2].label, after.answer?.best?.label)
        assertEquals(before.image, after.image)
        assertEquals(RunsOn(Accelerator.CPU, threads = 1, refusal = null), after.runsOn)
        assertEquals(Work.Idle, after.work)
        session.close()
    }

    @Test
    fun `what the preferred accelerator refuses runs on the CPU, and the refusal is shown`() = runBlocking {
        // Whether LiteRT finds a GPU here depends on the computer.
        val withoutGpu = RunnerFactory { file, accelerator ->
            if (accelerator == Accelerator.GPU) throw RuntimeFailure(file.name, accelerator, "there is none")
            LiteRt(threads = 1).open(file, accelerator)
        }
        val session = session(runners = withoutGpu)
        session.choose(session.state.value.model, Accelerator.GPU)
        val runsOn = session.state.value.runsOn!!
        assertEquals(Accelerator.CPU, runsOn.accelerator)
        assertEquals("there is none", runsOn.refusal?.detail)
        assertNull(session.state.value.problem)
        session.close()
    }

    @Test
    fun `a measurement names its runs and what it ran on`() = runBlocking {
        var now = 0L
        val session = session(nanoTime = { now.also { now += 1_500_000 } })
        session.choose(session.state.value.model, Accelerator.CPU)
        session.measure(warmUp = 2, runs = 5)
        val measurement = session.state.value.measurement(session.state.value.model)!!
        assertEquals(Measurement(Latency(1.5, 1.5, 5), Accelerator.CPU, threads = 1), measurement)
        session.close()
    }

    @Test
    fun `a measurement ends when its coroutine is cancelled, and leaves none`() = runBlocking {
        var clock = 0L
        lateinit var stop: () -> Unit
        val session = session(nanoTime = { if (clock == 40L) stop(); clock++ })
        session.choose(session.state.value.model, Accelerator.CPU)
        val measuring = launch { session.measure(warmUp = 0, runs = 1_000_000) }
        stop = { measuring.cancel(CancellationException("the user left")) }
        measuring.join()
        assertTrue("$clock", clock in 41..60)
        assertEquals(emptyMap<String, Measurement>(), session.state.value.measurements)
        assertEquals(Work.Idle, session.state.value.work)
        session.close()
    }

    @Test
    fun `the check counts equal outputs`() = runBlocking {
        val session = session()
        session.choose(session.state.value.demo.models[INT8], Accelerator.CPU)
        session.check()
        val check = session.state.value.check!!
        assertTrue("$check", check.holds)
        assertEquals(check.outputs, check.equalOutputs)
        session.close()
    }

    @Test
    fun `a problem is shown, no model is left loaded, and the next work clears it`() = runBlocking {
        val session = session(withRefused(temporary.newFolder(), "dynamic-batch"))
        val (good, bad) = session.state.value.demo.models.let { it[FLOAT32] to it[INT8] }
        session.choose(good, Accelerator.CPU)
        session.choose(bad, Accelerator.CPU)
        assertTrue(session.state.value.problem is FreeAxis)
        assertNull(session.state.value.runsOn)
        session.choose(good, Accelerator.CPU)
        assertNull(session.state.value.problem)
        assertNotNull(session.state.value.runsOn)
        session.close()
    }

    @Test
    fun `storage that fails is shown as a problem`() = runBlocking {
        val session = session(kept = File(temporary.newFile(), "models"))
        session.choose(session.state.value.model, Accelerator.CPU)
        assertTrue(session.state.value.problem is FileFailure)
    }

    @Test
    fun `models run on the worker alone`() = runBlocking {
        val threads = mutableSetOf<String>()
        val runtime = LiteRt(threads = 1)
        val session = session(runners = { file, accelerator ->
            threads += Thread.currentThread().name
            runtime.open(file, accelerator)
        })
        session.choose(session.state.value.model, Accelerator.CPU)
        session.classify { PixelImage(9, 9, IntArray(81)).also { threads += Thread.currentThread().name } }
        assertEquals(setOf("inference"), threads.map { it.substringBefore(" @") }.toSet())
        session.close()
    }

    private fun session(
        files: FolderFiles = FolderFiles(GOLDEN),
        kept: File = temporary.newFolder(),
        runners: RunnerFactory = LiteRt(threads = 1),
        nanoTime: () -> Long = System::nanoTime,
    ) = DemoSession(files.demo(), files, ModelStore(files, kept), runners, worker, nanoTime)
}
