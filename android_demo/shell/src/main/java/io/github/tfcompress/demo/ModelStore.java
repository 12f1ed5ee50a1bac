package io.github.tfcompress.demo;

import io.github.tfcompress.tfz.TfzDecoder;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/**
 * Models unpacked into the app's storage, each once. A file is called like the SHA-256 that the {@code .tfz} promises, and is
 * used again only if it has it.
 */
final class ModelStore {
    private static final int HASH_FROM = 12; // docs/container.md, section 1
    private static final int HASH_TO = 44;

    private final File folder;

    /** The folder is made when it is needed. */
    ModelStore(File folder) {
        this.folder = folder;
    }

    /** The unpacked content of a {@code .tfz} among the assets. */
    synchronized InputStream open(Assets assets, String packed) throws IOException {
        byte[] hash;
        try (InputStream in = assets.open(packed)) {
            hash = promisedHash(in);
        }
        File model = new File(folder, hexadecimal(hash) + ".tflite");
        if (!model.isFile() || !Arrays.equals(sha256(model), hash)) {
            if (!folder.isDirectory() && !folder.mkdirs()) {
                throw new IOException("The folder " + folder + " cannot be made. Free some storage.");
            }
            try (InputStream in = assets.open(packed)) {
                TfzDecoder.unpack(in, model);
            }
        }
        return new FileInputStream(model);
    }

    /** Zeros where the file ends too early: the decoder then says what is wrong with it. */
    private static byte[] promisedHash(InputStream packed) throws IOException {
        byte[] header = new byte[HASH_TO];
        for (int got = 0, more; got < header.length; got += more) {
            more = packed.read(header, got, header.length - got);
            if (more < 0) {
                break;
            }
        }
        return Arrays.copyOfRange(header, HASH_FROM, HASH_TO);
    }

    private static byte[] sha256(File file) throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException("Every Java and Android platform has SHA-256", impossible);
        }
        try (InputStream in = new FileInputStream(file)) {
            byte[] chunk = new byte[1 << 16];
            for (int got = in.read(chunk); got >= 0; got = in.read(chunk)) {
                digest.update(chunk, 0, got);
            }
        }
        return digest.digest();
    }

    private static String hexadecimal(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte each : bytes) {
            text.append(String.format("%02x", each));
        }
        return text.toString();
    }
}
