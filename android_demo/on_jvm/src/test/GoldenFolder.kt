package io.github.tfcompress.demo

import io.github.tfcompress.tfz.TfzDecoder
import org.json.JSONObject
import java.io.File
import java.io.InputStream
import javax.imageio.ImageIO

/** A demo folder on this computer; counts how often each file was opened. */
internal class FolderFiles(val folder: File) : DemoFiles {
    val opened = mutableMapOf<String, Int>()

    override fun open(path: String): InputStream {
        opened.merge(path, 1, Int::plus)
        return File(folder, path).inputStream()
    }

    override fun image(path: String): PixelImage {
        val image = open(path).use { ImageIO.read(it) } ?: throw UnreadableImage(path)
        return PixelImage(image.width, image.height, image.getRGB(0, 0, image.width, image.height, null, 0, image.width))
    }
}

/** The demo that tools/make_golden_demo.py made. */
internal val GOLDEN = folder("demo.golden")

/** The models that tools/make_refused_models.py made. */
internal val REFUSED = folder("demo.refused")

private fun folder(property: String) =
    File(System.getProperty(property) ?: error("The property $property must name a folder."))

/** A copy of the golden demo in [folder], its `demo.json` changed. */
internal fun copyOfGolden(folder: File, change: JSONObject.() -> Unit = {}): FolderFiles {
    GOLDEN.copyRecursively(folder, overwrite = true)
    val contract = File(folder, "demo.json")
    contract.writeText(JSONObject(contract.readText()).apply(change).toString())
    return FolderFiles(folder)
}

/** The keys of the int8 model of `demo.json`. */
internal fun JSONObject.model(): JSONObject = getJSONArray("models").getJSONObject(INT8)

/** A copy of the golden demo in [folder] whose int8 model is another one, with its right hashes. */
internal fun withRefused(folder: File, name: String): FolderFiles {
    val packed = File(REFUSED, "$name.tfz").copyTo(File(folder, "models/$name.tfz"))
    val original = File(folder, "original.tflite")
    TfzDecoder.unpack(packed, original)
    return copyOfGolden(folder) {
        model().put("packed_file", "models/$name.tfz").put("packed_sha256", sha256(packed))
        model().put("sha256", sha256(original))
    }
}

/** Which of the golden models is float32 throughout, and which int8. */
internal const val FLOAT32 = 0
internal const val INT8 = 1
