package io.github.tfcompress.demo

/**
 * An image in memory: rows of pixels, each `0xAARRGGBB` as Android and Java have them; alpha is not looked at.
 *
 * @param pixels of length `width * height`; not copied, not changed
 */
class PixelImage(val width: Int, val height: Int, val pixels: IntArray) {
    init {
        require(width >= 1 && height >= 1 && pixels.size.toLong() == width.toLong() * height) {
            "An image of $width x $height has ${width.toLong() * height} pixels; here are ${pixels.size}."
        }
    }

    /** The image turned clockwise by 0, 90, 180 or 270 degrees, as cameras ask for. */
    fun rotated(degrees: Int): PixelImage = when (degrees) {
        0 -> this
        90 -> turned(height, width) { x, y -> (height - 1 - x) * width + y }
        180 -> turned(width, height) { x, y -> (height - 1 - y) * width + (width - 1 - x) }
        270 -> turned(height, width) { x, y -> x * width + (width - 1 - y) }
        else -> throw IllegalArgumentException("An image is turned by 0, 90, 180 or 270 degrees, not by $degrees.")
    }

    private inline fun turned(newWidth: Int, newHeight: Int, source: (x: Int, y: Int) -> Int): PixelImage {
        val turned = IntArray(pixels.size)
        for (y in 0 until newHeight) {
            for (x in 0 until newWidth) {
                turned[y * newWidth + x] = pixels[source(x, y)]
            }
        }
        return PixelImage(newWidth, newHeight, turned)
    }
}
