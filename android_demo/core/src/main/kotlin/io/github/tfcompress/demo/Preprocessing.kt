package io.github.tfcompress.demo

private const val CHANNELS = 3

/** A rectangle of an image. */
internal data class Crop(val left: Int, val top: Int, val width: Int, val height: Int)

/** How far the columns from [first] on of an image lie in one column of a smaller or larger one; rows likewise. */
internal class Overlap(val first: Int, val weights: LongArray)

/**
 * The input for [image]: cropped to the middle, resampled by area, made grey for one channel, scaled.
 *
 * All is exact in integers up to the last division, as docs/demo_contract.md has it, so the bytes are those of Python.
 *
 * @return float32 values in the order height, width, channel
 */
fun ModelInput.of(image: PixelImage): FloatArray {
    val colours = resampled(image, middle(image, width, height), width, height)
    val values = FloatArray(height * width * channels)
    for (pixel in 0 until height * width) {
        for (channel in 0 until channels) {
            val value = if (channels == 1) grey(colours, pixel) else colours[pixel * CHANNELS + channel]
            values[pixel * channels + channel] = ((value - mean[channel]) / std[channel]).toFloat()
        }
    }
    return values
}

/** The largest part in the middle of [image] that has the proportions of [width] x [height]. */
internal fun middle(image: PixelImage, width: Int, height: Int): Crop {
    val (w, h) = image.width.toLong() to image.height.toLong()
    val tooWide = w * height > h * width
    val cropWidth = if (tooWide) maxOf(1, h * width / height) else w
    val cropHeight = if (tooWide) h else maxOf(1, w * height / width)
    return Crop(
        left = ((w - cropWidth) / 2).toInt(),
        top = ((h - cropHeight) / 2).toInt(),
        width = cropWidth.toInt(),
        height = cropHeight.toInt(),
    )
}

/** For each of [target] columns, in units of 1 / target of a column, how far each of [source] columns lies in it. */
internal fun overlaps(source: Int, target: Int): List<Overlap> = List(target) { column ->
    val begin = column.toLong() * source
    val end = begin + source
    val first = (begin / target).toInt()
    val last = ((end - 1) / target).toInt()
    Overlap(
        first,
        LongArray(last - first + 1) { index ->
            val left = (first + index).toLong() * target
            minOf(left + target, end) - maxOf(left, begin)
        },
    )
}

/** Red, green and blue of each pixel of the [crop] resampled to [width] x [height], rounded to the nearest. */
internal fun resampled(image: PixelImage, crop: Crop, width: Int, height: Int): IntArray {
    val columns = overlaps(crop.width, width)
    val rows = overlaps(crop.height, height)
    val area = crop.width.toLong() * crop.height
    val target = IntArray(width * height * CHANNELS)
    val sums = LongArray(width * CHANNELS)
    for (y in 0 until height) {
        sums.fill(0)
        rows[y].weights.forEachIndexed { index, weight ->
            addRow(image, crop.left, crop.top + rows[y].first + index, columns, weight, sums)
        }
        for (index in sums.indices) {
            target[y * sums.size + index] = ((sums[index] + area / 2) / area).toInt()
        }
    }
    return target
}

private fun addRow(image: PixelImage, left: Int, row: Int, columns: List<Overlap>, rowWeight: Long, sums: LongArray) {
    for (x in columns.indices) {
        var source = row * image.width + left + columns[x].first
        for (columnWeight in columns[x].weights) {
            val weight = rowWeight * columnWeight
            val pixel = image.pixels[source++]
            sums[x * CHANNELS] += weight * (pixel shr 16 and 0xFF)
            sums[x * CHANNELS + 1] += weight * (pixel shr 8 and 0xFF)
            sums[x * CHANNELS + 2] += weight * (pixel and 0xFF)
        }
    }
}

private fun grey(colours: IntArray, pixel: Int): Int {
    val at = pixel * CHANNELS
    return (299 * colours[at] + 587 * colours[at + 1] + 114 * colours[at + 2] + 500) / 1000
}
