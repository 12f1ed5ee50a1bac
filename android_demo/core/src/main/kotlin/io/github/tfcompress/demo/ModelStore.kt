package io.github.tfcompress.demo

import io.github.tfcompress.tfz.TfzDecoder
import io.github.tfcompress.tfz.TfzException
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.security.DigestInputStream

/**
 * The models of a demo, unpacked on this device.
 *
 * @param files where the `.tfz` files are
 * @param folder where the `.tflite` files are kept from one start of the app to the next
 */
class ModelStore(private val files: DemoFiles, private val folder: File) {
    /**
     * The `.tflite` of [model], unpacked if it is not there yet, and checked.
     *
     * Its hash is in its name, so the files of another demo are never taken for it; the bytes are hashed each time.
     *
     * @throws DemoProblem if the packed file is missing or damaged, or a hash is not the one of `demo.json`, or the file
     *     cannot be run
     * @throws IOException if the folder cannot be written
     */
    @Throws(IOException::class)
    fun file(model: DemoModel): File {
        if (!folder.isDirectory && !folder.mkdirs()) throw IOException("The folder $folder cannot be made.")
        val file = File(folder, "${model.id}-${model.file.sha256.take(HASH_IN_NAME)}.tflite")
        if (!file.isFile || sha256(file) != model.file.sha256) unpack(model, file)
        TfliteFile.read(file, model.file.path).requireFitting(model)
        return file
    }

    private fun unpack(model: DemoModel, file: File) {
        val packedHash = unpackTo(file, model.packed.path)
        val hash = sha256(file)
        try {
            requireHash(model.packed, packedHash)
            requireHash(model.file, hash)
        } catch (e: WrongHash) {
            file.delete()
            throw e
        }
    }

    /** Returns the hash of what was read. */
    private fun unpackTo(file: File, packed: String): String {
        val digest = sha256Digest()
        val input = try {
            files.open(packed)
        } catch (e: FileNotFoundException) {
            throw MissingFile(packed, e)
        }
        try {
            DigestInputStream(input, digest).use { TfzDecoder.unpack(it, file) }
        } catch (e: TfzException) {
            throw DamagedFile(packed, decoderSays(e), e)
        }
        return digest.hexadecimal()
    }

    private fun requireHash(bytes: ModelBytes, received: String) {
        if (received != bytes.sha256) throw WrongHash(bytes.path, bytes.sha256, received)
    }

    /** The decoder's first sentence; what it names is a temporary file, and what it advises follows anyway. */
    private fun decoderSays(problem: TfzException): String =
        problem.message.orEmpty().substringAfter(".packed: ").substringBefore(". ")

    private companion object {
        const val HASH_IN_NAME = 12
    }
}
