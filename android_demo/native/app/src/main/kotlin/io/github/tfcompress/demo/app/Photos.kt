package io.github.tfcompress.demo.app

import android.content.ContentResolver
import android.graphics.BitmapFactory
import android.net.Uri
import androidx.exifinterface.media.ExifInterface
import io.github.tfcompress.demo.PixelImage
import io.github.tfcompress.demo.UnreadableImage
import java.io.IOException
import java.io.InputStream

/** Images that the user chose in the gallery. */
class Photos(private val resolver: ContentResolver) {
    /**
     * The photo upright, its longer side at most twice [LONGEST_SIDE].
     *
     * @throws UnreadableImage if it is gone or no image
     */
    fun read(uri: Uri): PixelImage {
        try {
            val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
            opened(uri) { BitmapFactory.decodeStream(it, null, bounds) }
            val options = BitmapFactory.Options().apply {
                inSampleSize = sampleSize(maxOf(bounds.outWidth, bounds.outHeight))
            }
            val bitmap = opened(uri) { BitmapFactory.decodeStream(it, null, options) } ?: throw UnreadableImage("$uri")
            val turned = opened(uri) { ExifInterface(it).rotationDegrees }
            return bitmap.toPixelImage().rotated(turned)
        } catch (e: IOException) {
            throw UnreadableImage("$uri", e)
        } catch (e: SecurityException) {
            // The photo was shared with an earlier start of the app only.
            throw UnreadableImage("$uri", e)
        }
    }

    private fun <T> opened(uri: Uri, read: (InputStream) -> T): T =
        resolver.openInputStream(uri)?.use(read) ?: throw UnreadableImage("$uri")

    /** A power of two, which decoders are quick at. */
    private fun sampleSize(side: Int): Int = Integer.highestOneBit(maxOf(1, side / LONGEST_SIDE))

    private companion object {
        /** Models take less; and a whole photo would need 200 MB. */
        const val LONGEST_SIDE = 1024
    }
}
