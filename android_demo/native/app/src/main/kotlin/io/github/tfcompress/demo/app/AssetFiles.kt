package io.github.tfcompress.demo.app

import android.content.res.AssetManager
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import io.github.tfcompress.demo.DemoFiles
import io.github.tfcompress.demo.PixelImage
import io.github.tfcompress.demo.UnreadableImage
import java.io.InputStream

/** The demo that the app ships among its assets. */
class AssetFiles(private val assets: AssetManager) : DemoFiles {
    override fun open(path: String): InputStream = assets.open("$FOLDER/$path")

    override fun image(path: String): PixelImage = open(path).use {
        val asInFile = BitmapFactory.Options().apply { inScaled = false }
        BitmapFactory.decodeStream(it, null, asInFile)?.toPixelImage() ?: throw UnreadableImage(path)
    }

    private companion object {
        const val FOLDER = "demo"
    }
}

/** The pixels in sRGB. */
fun Bitmap.toPixelImage(): PixelImage {
    val pixels = IntArray(width * height)
    getPixels(pixels, 0, width, 0, 0, width, height)
    return PixelImage(width, height, pixels)
}

/** For the screen; alpha is left out. */
fun PixelImage.toBitmap(): Bitmap {
    val opaque = IntArray(pixels.size) { pixels[it] or OPAQUE }
    return Bitmap.createBitmap(opaque, width, height, Bitmap.Config.ARGB_8888)
}

private const val OPAQUE = 0xFF shl 24
