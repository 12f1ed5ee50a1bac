package io.github.tfcompress.demo

import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream

/** Where the files of a demo are read from: the assets of an app, or a folder. */
interface DemoFiles {
    /**
     * Opens the file at [path] in the demo's folder.
     *
     * @throws FileNotFoundException if there is none
     */
    @Throws(IOException::class)
    fun open(path: String): InputStream

    /**
     * The pixels of the image at [path] as they are in the file, neither scaled nor turned.
     *
     * @throws FileNotFoundException if there is none
     * @throws UnreadableImage if it cannot be decoded
     */
    @Throws(IOException::class)
    fun image(path: String): PixelImage
}

/** The demo that `demo.json` of these files describes. */
fun DemoFiles.demo(): Demo {
    val text = try {
        open("demo.json").use { it.readBytes().decodeToString(throwOnInvalidSequence = true) }
    } catch (e: FileNotFoundException) {
        throw UnreadableContract("the file is missing", e)
    } catch (e: CharacterCodingException) {
        throw UnreadableContract("it is no UTF-8", e)
    } catch (e: IOException) {
        throw UnreadableContract("it cannot be read (${e.message})", e)
    }
    return ContractReader.read(text)
}

/** A bundled image; its size is checked, since a platform may scale what it decodes. */
fun DemoFiles.bundled(image: BundledImage): PixelImage {
    val pixels = try {
        image(image.path)
    } catch (e: FileNotFoundException) {
        throw MissingFile(image.path, e)
    }
    if (pixels.width != image.width || pixels.height != image.height) {
        throw DamagedFile(
            image.path,
            "it is ${pixels.width} x ${pixels.height}, and demo.json says ${image.width} x ${image.height}",
        )
    }
    return pixels
}
