package io.github.tfcompress.demo.app

import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import io.github.tfcompress.demo.Accelerator
import io.github.tfcompress.demo.ModelStore
import io.github.tfcompress.demo.demo
import io.github.tfcompress.demo.goldenCheck
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import java.io.File

/** On a device: the models that the app ships give what they gave in Python. */
@RunWith(AndroidJUnit4::class)
class GoldenOutputsTest {
    private val context = InstrumentationRegistry.getInstrumentation().targetContext
    private val files = AssetFiles(context.assets)

    @Test
    fun outputsOnTheCpuAreThoseOfPython() {
        val demo = files.demo()
        val store = ModelStore(files, File(context.cacheDir, "models"))
        for (model in demo.models) {
            LiteRt(threads = 1).open(store.file(model), Accelerator.CPU).use { runner ->
                val check = goldenCheck(demo, model, files, runner)
                assertEquals("inputs of ${model.name}", check.images, check.sameInputs)
                assertTrue("${model.name}: $check", check.holds)
            }
        }
    }
}
