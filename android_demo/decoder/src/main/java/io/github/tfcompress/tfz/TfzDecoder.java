package io.github.tfcompress.tfz;

import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/**
 * Unpacks {@code .tfz} files: gives back the {@code .tflite} they hold, byte for byte, or throws.
 *
 * <p>Every size is checked before memory is taken for it, and the SHA-256 of the original before it appears. From a file
 * into a file, no more than one pool (4 MiB of the original and its tables) is in memory. Needs nothing but Java 8 or Android.
 */
public final class TfzDecoder {
    private static final int LARGEST_ARRAY = Integer.MAX_VALUE - 8;

    private TfzDecoder() {}

    /**
     * Unpacks a file into another one, which appears whole or not at all; a file that was there is replaced.
     *
     * @throws TfzException if the file is no {@code .tfz} or is damaged; the message names it
     * @throws IOException if a file cannot be read or written
     */
    public static void unpack(File packed, File original) throws IOException {
        File unfinished = fileBeside(original, ".unfinished");
        try {
            unpackInto(packed, unfinished);
            if (!unfinished.renameTo(original)) {
                throw new IOException("Cannot write " + original + ": a folder or a file of somebody else has this name.");
            }
        } finally {
            unfinished.delete();
        }
    }

    /**
     * Unpacks a stream, an Android asset for instance, into a file. How much may come out depends on how much goes in, so the
     * stream is first copied to a file beside the original, which is deleted again.
     *
     * @throws TfzException if the stream is no {@code .tfz} or is damaged
     * @throws IOException if the stream cannot be read or a file not be written
     */
    public static void unpack(InputStream packed, File original) throws IOException {
        File copy = fileBeside(original, ".packed");
        try {
            copy(packed, copy);
            unpack(copy, original);
        } finally {
            copy.delete();
        }
    }

    /**
     * Unpacks in memory.
     *
     * @throws TfzException if the bytes are no {@code .tfz} or are damaged
     */
    public static byte[] unpack(byte[] packed) throws TfzException {
        return unpack(packed, LARGEST_ARRAY);
    }

    /**
     * Unpacks in memory no more than {@code most} bytes: a few bytes of a hostile file can claim 256 times as many.
     *
     * @throws TfzException if the bytes are no {@code .tfz}, are damaged, or hold more
     */
    public static byte[] unpack(byte[] packed, int most) throws TfzException {
        try {
            Unpacking unpacking = new Unpacking(new PackedInput(new ByteArrayInputStream(packed), packed.length));
            if (unpacking.size() > most) {
                throw new TfzException("The .tfz holds " + unpacking.size() + " bytes, and " + most
                        + " were allowed. Unpack it into a file, or allow more.");
            }
            ArrayOutput original = new ArrayOutput((int) unpacking.size());
            unpacking.write(original);
            return original.bytes();
        } catch (TfzException e) {
            throw e;
        } catch (IOException impossible) {
            throw new IllegalStateException("Arrays are read and written without failing", impossible);
        }
    }

    private static File fileBeside(File original, String ending) throws IOException {
        // A name of one letter alone would be too short a prefix for Java.
        return File.createTempFile("tfz-" + original.getName(), ending, original.getAbsoluteFile().getParentFile());
    }

    private static void unpackInto(File packed, File unfinished) throws IOException {
        try (InputStream in = new BufferedInputStream(new FileInputStream(packed));
                OutputStream out = new FileOutputStream(unfinished)) {
            new Unpacking(new PackedInput(in, packed.length())).write(out);
        } catch (TfzException e) {
            throw new TfzException(packed + ": " + e.getMessage());
        }
    }

    private static void copy(InputStream in, File to) throws IOException {
        try (OutputStream out = new FileOutputStream(to)) {
            byte[] chunk = new byte[1 << 16];
            for (int got = in.read(chunk); got >= 0; got = in.read(chunk)) {
                out.write(chunk, 0, got);
            }
        }
    }
}
