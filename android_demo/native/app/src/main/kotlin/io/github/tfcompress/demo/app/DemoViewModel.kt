package io.github.tfcompress.demo.app

import android.app.Application
import android.net.Uri
import androidx.lifecycle.AndroidViewModel
import androidx.lifecycle.viewModelScope
import io.github.tfcompress.demo.Accelerator
import io.github.tfcompress.demo.BundledImage
import io.github.tfcompress.demo.DemoModel
import io.github.tfcompress.demo.DemoProblem
import io.github.tfcompress.demo.DemoSession
import io.github.tfcompress.demo.DemoState
import io.github.tfcompress.demo.ModelStore
import io.github.tfcompress.demo.PixelImage
import io.github.tfcompress.demo.demo
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import java.io.File
import java.util.concurrent.Executors

/** What the screen shows as a whole. */
sealed interface Screen {
    data object Starting : Screen

    /** Without a demo there is nothing to choose from. */
    data class Unusable(val problem: DemoProblem) : Screen

    data class Running(val state: DemoState) : Screen
}

/** Keeps the demo over changes of the configuration, and brings what the user does to it. */
class DemoViewModel(application: Application) : AndroidViewModel(application) {
    private val inference = Executors.newSingleThreadExecutor { Thread(it, "inference") }.asCoroutineDispatcher()
    private val files = AssetFiles(application.assets)
    private val photos = Photos(application.contentResolver)
    private val frames = Channel<PixelImage>(Channel.CONFLATED)
    private var session: DemoSession? = null

    private val mutableScreen = MutableStateFlow<Screen>(Screen.Starting)
    val screen: StateFlow<Screen> = mutableScreen.asStateFlow()

    private val mutableCameraOn = MutableStateFlow(false)
    val cameraOn: StateFlow<Boolean> = mutableCameraOn.asStateFlow()

    init {
        viewModelScope.launch { start(application) }
    }

    fun choose(model: DemoModel, preferred: Accelerator) = inSession { it.choose(model, preferred) }

    fun classify(image: BundledImage) {
        mutableCameraOn.value = false
        inSession { it.classify(image) }
    }

    fun classify(photo: Uri) {
        mutableCameraOn.value = false
        inSession { it.classify { photos.read(photo) } }
    }

    /** Takes a frame of the camera, from any thread; while one is classified, only the latest of the others is kept. */
    fun classify(frame: PixelImage) {
        frames.trySend(frame)
    }

    fun showCamera(on: Boolean) {
        mutableCameraOn.value = on
    }

    /** The camera is switched off: it would compete for the processor. */
    fun measure() {
        mutableCameraOn.value = false
        inSession { it.measure() }
    }

    fun check() {
        mutableCameraOn.value = false
        inSession { it.check() }
    }

    override fun onCleared() {
        // The scope of this view model is cancelled already. The dispatcher ends after what it has been given.
        session?.let { CoroutineScope(inference).launch { it.close() } }
        inference.close()
    }

    private suspend fun start(application: Application) {
        val demo = try {
            withContext(inference) { files.demo() }
        } catch (problem: DemoProblem) {
            mutableScreen.value = Screen.Unusable(problem)
            return
        }
        val store = ModelStore(files, File(application.filesDir, "models"))
        val started = DemoSession(demo, files, store, LiteRt(THREADS), inference)
        session = started
        viewModelScope.launch { started.state.collect { mutableScreen.value = Screen.Running(it) } }
        viewModelScope.launch {
            for (frame in frames) {
                if (cameraOn.value) started.classify { frame }
            }
        }
        started.choose(demo.models.first(), Accelerator.CPU)
        started.classify(demo.images.first())
    }

    private fun inSession(body: suspend (DemoSession) -> Unit) {
        val started = session ?: return
        viewModelScope.launch { body(started) }
    }

    private companion object {
        /** As many as most phones have fast cores. */
        const val THREADS = 4
    }
}
