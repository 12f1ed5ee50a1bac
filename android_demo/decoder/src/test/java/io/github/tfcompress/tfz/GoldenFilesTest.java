package io.github.tfcompress.tfz;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;

/**
 * The golden files of the format are unpacked, which their own SHA-256 proves, and damaged they are refused. More, against
 * the decoder in Python: tests/packing/test_java_decoder.py.
 */
final class GoldenFilesTest {
    private GoldenFilesTest() {}

    public static void main(String[] arguments) throws IOException {
        File[] files = new File(arguments[0]).listFiles((folder, name) -> name.endsWith(".tfz"));
        if (files == null || files.length == 0) {
            throw new IOException("There are no golden files in " + arguments[0]);
        }
        Arrays.sort(files);
        for (File file : files) {
            byte[] packed = Files.readAllBytes(file.toPath());
            byte[] original = TfzDecoder.unpack(packed);
            unpacksAsFileAndStream(file, original);
            refusesParts(packed);
            refusesFlippedBits(packed, original);
        }
        System.out.println("android_demo/test: " + files.length + " golden files unpacked, and refused when damaged");
    }

    private static void unpacksAsFileAndStream(File packed, byte[] original) throws IOException {
        File target = File.createTempFile("golden", ".tflite");
        try {
            TfzDecoder.unpack(packed, target);
            check(Arrays.equals(Files.readAllBytes(target.toPath()), original), packed + " as a file");
            TfzDecoder.unpack(Files.newInputStream(packed.toPath()), target);
            check(Arrays.equals(Files.readAllBytes(target.toPath()), original), packed + " as a stream");
        } finally {
            Files.delete(target.toPath());
        }
    }

    private static void refusesParts(byte[] packed) {
        // What is cut off from the end may be zeros that only fill up the file; so the first half is tried.
        for (int length = 0; length < packed.length / 2; length += 1 + packed.length / 50) {
            check(!gives(Arrays.copyOf(packed, length), null), "a part of " + length + " bytes");
        }
    }

    private static void refusesFlippedBits(byte[] packed, byte[] original) {
        for (int at = 0; at < packed.length; at += 1 + packed.length / 100) {
            byte[] changed = packed.clone();
            changed[at] ^= 1 << at % 8;
            check(!gives(changed, original), "other bytes after a flipped bit at " + at);
        }
    }

    /** Whether anything is unpacked but what is right anyway. */
    private static boolean gives(byte[] packed, byte[] right) {
        try {
            return !Arrays.equals(TfzDecoder.unpack(packed), right);
        } catch (TfzException expected) {
            return false;
        }
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException("Wrong: " + what);
        }
    }
}
