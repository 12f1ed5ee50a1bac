package io.github.tfcompress.demo

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

class PixelImageTest {
    // 1 2 3
    // 4 5 6
    private val image = PixelImage(width = 3, height = 2, intArrayOf(1, 2, 3, 4, 5, 6))

    @Test
    fun `a quarter turn clockwise puts the left column on top`() {
        check(image.rotated(90), width = 2, height = 3, 4, 1, 5, 2, 6, 3)
    }

    @Test
    fun `half a turn reverses the pixels`() = check(image.rotated(180), width = 3, height = 2, 6, 5, 4, 3, 2, 1)

    @Test
    fun `three quarter turns put the right column on top`() {
        check(image.rotated(270), width = 2, height = 3, 3, 6, 2, 5, 1, 4)
    }

    @Test
    fun `other angles and wrong numbers of pixels are refused`() {
        assertThrows(IllegalArgumentException::class.java) { image.rotated(45) }
        assertThrows(IllegalArgumentException::class.java) { PixelImage(2, 2, IntArray(3)) }
    }

    private fun check(image: PixelImage, width: Int, height: Int, vararg pixels: Int) {
        assertEquals(width to height, image.width to image.height)
        assertArrayEquals(pixels, image.pixels)
    }
}
