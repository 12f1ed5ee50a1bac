package io.github.tfcompress.demo.app.ui

import android.content.Context
import androidx.camera.compose.CameraXViewfinder
import androidx.camera.core.CameraInfoUnavailableException
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import androidx.camera.core.InitializationException
import androidx.camera.core.Preview
import androidx.camera.core.SurfaceRequest
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.camera.lifecycle.awaitInstance
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.rememberUpdatedState
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.LocalContext
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.semantics
import androidx.lifecycle.LifecycleOwner
import androidx.lifecycle.compose.LocalLifecycleOwner
import io.github.tfcompress.demo.PixelImage
import io.github.tfcompress.demo.app.R
import io.github.tfcompress.demo.app.toPixelImage
import kotlinx.coroutines.awaitCancellation
import java.util.concurrent.Executors

/** What the camera sees; the permission has been given. Each frame goes to [onFrame], upright, on a thread of its own. */
@Composable
fun CameraPane(onFrame: (PixelImage) -> Unit) {
    val context = LocalContext.current
    val owner = LocalLifecycleOwner.current
    val latestOnFrame by rememberUpdatedState(onFrame)
    var request by remember { mutableStateOf<SurfaceRequest?>(null) }
    var missing by remember { mutableStateOf(false) }
    LaunchedEffect(owner) {
        missing = !showCamera(context.applicationContext, owner, { request = it }, { latestOnFrame(it) })
    }
    if (missing) Text(stringResource(R.string.no_camera))
    val description = stringResource(R.string.camera_image)
    request?.let {
        CameraXViewfinder(it, Modifier.fillMaxSize().semantics { contentDescription = description })
    }
}

/** Shows the camera until it is cancelled; returns false at once where the device has none that works. */
private suspend fun showCamera(
    context: Context,
    owner: LifecycleOwner,
    onRequest: (SurfaceRequest) -> Unit,
    onFrame: (PixelImage) -> Unit,
): Boolean {
    val provider = try {
        ProcessCameraProvider.awaitInstance(context)
    } catch (_: InitializationException) {
        return false
    }
    val selector = firstCamera(provider) ?: return false
    val executor = Executors.newSingleThreadExecutor()
    try {
        val preview = Preview.Builder().build().apply { setSurfaceProvider { onRequest(it) } }
        val analysis = ImageAnalysis.Builder()
            .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
            .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
            .build()
        analysis.setAnalyzer(executor) { frame -> frame.use { onFrame(upright(it)) } }
        provider.bindToLifecycle(owner, selector, preview, analysis)
        awaitCancellation()
    } finally {
        provider.unbindAll()
        executor.shutdown()
    }
}

private fun firstCamera(provider: ProcessCameraProvider): CameraSelector? =
    listOf(CameraSelector.DEFAULT_BACK_CAMERA, CameraSelector.DEFAULT_FRONT_CAMERA).firstOrNull {
        try {
            provider.hasCamera(it)
        } catch (_: CameraInfoUnavailableException) {
            false
        }
    }

private fun upright(frame: ImageProxy): PixelImage =
    frame.toBitmap().toPixelImage().rotated(frame.imageInfo.rotationDegrees)
