package io.github.tfcompress.demo

import java.io.File
import java.security.MessageDigest

private const val CHUNK = 1 shl 16

/** The SHA-256 of a file, in lower-case hexadecimal digits. */
internal fun sha256(file: File): String {
    val digest = sha256Digest()
    file.inputStream().use { input ->
        val chunk = ByteArray(CHUNK)
        while (true) {
            val got = input.read(chunk)
            if (got < 0) break
            digest.update(chunk, 0, got)
        }
    }
    return digest.hexadecimal()
}

internal fun sha256Digest(): MessageDigest = MessageDigest.getInstance("SHA-256")

internal fun MessageDigest.hexadecimal(): String = digest().joinToString("") { "%02x".format(it) }
