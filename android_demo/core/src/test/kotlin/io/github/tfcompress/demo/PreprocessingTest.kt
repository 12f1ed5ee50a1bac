package io.github.tfcompress.demo

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test
import java.math.BigInteger
import kotlin.random.Random

class PreprocessingTest {
    @Test
    fun `the crop is the largest middle part of the model's proportions`() {
        assertEquals(Crop(left = 1, top = 0, width = 4, height = 4), middle(image(7, 4), 8, 8))
        assertEquals(Crop(left = 0, top = 1, width = 6, height = 3), middle(image(6, 5), 20, 10))
        assertEquals(Crop(left = 0, top = 0, width = 5, height = 9), middle(image(5, 9), 10, 18))
        assertEquals(Crop(left = 49, top = 0, width = 1, height = 1), middle(image(100, 1), 1, 3))
    }

    @Test
    fun `an image of the model's size stays as it is`() {
        val image = image(5, 4)
        val colours = resampled(image, middle(image, 5, 4), 5, 4)
        assertArrayEquals(IntArray(60) { image.pixels[it / 3] shr (16 - it % 3 * 8) and 0xFF }, colours)
    }

    @Test
    fun `half the size is the mean of four, rounded up from the half`() {
        // Red: (0 + 1 + 0 + 1) / 4 = 0.5 -> 1; green: (10 + 20 + 30 + 41) / 4 = 25.25 -> 25; blue: 255.
        val image = PixelImage(2, 2, intArrayOf(0x000AFF, 0x0114FF, 0x001EFF, 0x0129FF))
        assertArrayEquals(intArrayOf(1, 25, 255), resampled(image, middle(image, 1, 1), 1, 1))
    }

    @Test
    fun `three columns become two by thirds`() {
        // Column 0 covers all of 0 and half of 1: (2 * 0 + 1 * 90) / 3 = 30; column 1: (1 * 90 + 2 * 240) / 3 = 190.
        val image = PixelImage(3, 1, intArrayOf(0x000000, 0x5A5A5A, 0xF0F0F0))
        assertArrayEquals(intArrayOf(30, 30, 30, 190, 190, 190), resampled(image, Crop(0, 0, 3, 1), 2, 1))
    }

    @Test
    fun `resampling is the rounded mean over the area in unbounded integers`() {
        val random = Random(7)
        repeat(200) {
            val image = image(1 + random.nextInt(30), 1 + random.nextInt(30), random)
            val (width, height) = 1 + random.nextInt(12) to 1 + random.nextInt(12)
            val crop = middle(image, width, height)
            assertArrayEquals(byDefinition(image, crop, width, height), resampled(image, crop, width, height))
        }
    }

    @Test
    fun `sums of a large photo do not overflow`() {
        val white = PixelImage(3000, 3000, IntArray(9_000_000) { -1 })
        assertArrayEquals(IntArray(12) { 255 }, resampled(white, middle(white, 2, 2), 2, 2))
    }

    @Test
    fun `one channel is grey, scaled in float64 and rounded to float32`() {
        val input = ModelInput(height = 1, width = 2, channels = 1, mean = listOf(33.3), std = listOf(78.6))
        // (299 * 200 + 587 * 100 + 114 * 50 + 500) / 1000 = 124; a grey pixel stays as it is.
        val image = PixelImage(2, 1, intArrayOf(0xC86432, 0x4D4D4D))
        assertArrayEquals(
            floatArrayOf(((124 - 33.3) / 78.6).toFloat(), ((77 - 33.3) / 78.6).toFloat()),
            input.of(image),
            0f,
        )
    }

    @Test
    fun `three channels are scaled one by one and written pixel after pixel`() {
        val input = ModelInput(1, 2, 3, mean = listOf(0.0, 1.0, 2.0), std = listOf(1.0, 2.0, 4.0))
        val image = PixelImage(2, 1, intArrayOf(0x030303, 0x0A0B0C))
        assertArrayEquals(floatArrayOf(3f, 1f, 0.25f, 10f, 5f, 2.5f), input.of(image), 0f)
    }

    private fun image(width: Int, height: Int, random: Random = Random(3)) =
        PixelImage(width, height, IntArray(width * height) { random.nextInt() })

    private fun byDefinition(image: PixelImage, crop: Crop, width: Int, height: Int): IntArray {
        val area = crop.width.toLong() * crop.height
        return IntArray(width * height * 3) { index ->
            val (x, y, shift) = Triple(index / 3 % width, index / 3 / width, 16 - index % 3 * 8)
            var sum = BigInteger.ZERO
            for (v in 0 until crop.height) {
                for (u in 0 until crop.width) {
                    val pixel = image.pixels[(crop.top + v) * image.width + crop.left + u] shr shift and 0xFF
                    val weight = overlap(v, height, y, crop.height) * overlap(u, width, x, crop.width)
                    sum += BigInteger.valueOf(weight * pixel)
                }
            }
            ((sum + BigInteger.valueOf(area / 2)) / BigInteger.valueOf(area)).toInt()
        }
    }

    /** How long the intervals [i * a, (i + 1) * a) and [j * b, (j + 1) * b) overlap. */
    private fun overlap(i: Int, a: Int, j: Int, b: Int): Long =
        maxOf(0L, minOf((i + 1L) * a, (j + 1L) * b) - maxOf(i.toLong() * a, j.toLong() * b))
}
