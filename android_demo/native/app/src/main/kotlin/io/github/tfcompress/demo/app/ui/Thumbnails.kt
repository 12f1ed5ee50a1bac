package io.github.tfcompress.demo.app.ui

import android.content.res.AssetManager
import androidx.compose.ui.graphics.ImageBitmap
import androidx.compose.ui.graphics.asImageBitmap
import io.github.tfcompress.demo.BundledImage
import io.github.tfcompress.demo.UnreadableImage
import io.github.tfcompress.demo.app.AssetFiles
import io.github.tfcompress.demo.app.toBitmap
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.io.IOException

/** A bundled image for the screen, decoded off the main thread; null where it cannot be read, which a tap on it tells. */
suspend fun thumbnail(assets: AssetManager, image: BundledImage): ImageBitmap? = withContext(Dispatchers.IO) {
    try {
        AssetFiles(assets).image(image.path).toBitmap().asImageBitmap()
    } catch (_: IOException) {
        null
    } catch (_: UnreadableImage) {
        null
    }
}
