package io.github.tfcompress.tfz;

import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;

/** Reads the frame of a {@code .tfz} from its first byte to its last (section 1 of docs/container.md). */
final class Unpacking {
    private static final int HEADER_BYTES = 44;
    private static final int VERSION = 1;
    private static final long LARGEST_GROWTH = 256;
    private static final long ALWAYS_ALLOWED = 1 << 20;
    private static final int LONGEST_DESCRIPTION = 1 << 20;
    private static final int LONGEST_BODY = 1 << 24;
    private static final int LENGTH_BYTES = 4;
    private static final int CHUNK = 1 << 16;

    private final PackedInput in;
    private final long size;
    private final byte[] hash;

    /** Reads the header, which says how large the original is. */
    Unpacking(PackedInput in) throws IOException {
        this.in = in;
        byte[] header = in.read(Math.min(HEADER_BYTES, in.left()), "The header");
        if (header.length < 4 || header[0] != 'T' || header[1] != 'F' || header[2] != 'Z') {
            throw new TfzException("This is no .tfz file: it does not begin with TFZ. Only what tfcompress packed is unpacked.");
        }
        if (header[3] != VERSION) {
            throw new TfzException("The .tfz has version " + (header[3] & 0xFF) + ", and this decoder reads version "
                    + VERSION + ". Take a newer decoder.");
        }
        if (header.length < HEADER_BYTES) {
            throw TfzException.damaged("The header of a .tfz has " + HEADER_BYTES + " bytes; here are " + header.length);
        }
        size = PackedInput.integer(header, 4, 8);
        hash = Arrays.copyOfRange(header, 12, HEADER_BYTES);
        if (size < 0 || size > LARGEST_GROWTH * in.length() + ALWAYS_ALLOWED) {
            throw TfzException.damaged("The header promises " + (size < 0 ? "more than 2**63" : size)
                    + " bytes, which " + in.length() + " packed bytes cannot hold");
        }
    }

    /** The size of the original as the header has it. */
    long size() {
        return size;
    }

    /** Writes the original; what has been written when an exception is thrown is worth nothing. */
    void write(OutputStream out) throws IOException {
        Original original = new Original(out, size, hash);
        if (size > 0) {
            writePools(original);
        }
        verifyZeros();
        original.verify();
    }

    private void writePools(Original original) throws IOException {
        Layout layout = null;
        long left = size;
        byte[] length = in.read(LENGTH_BYTES, "A pool");
        do {
            if (left <= 0) {
                throw TfzException.damaged("There is a pool after the " + size + " bytes that the header promises");
            }
            long described = PackedInput.integer(length, 0, LENGTH_BYTES);
            long behind = PackedInput.integer(in.read(LENGTH_BYTES, "A pool"), 0, LENGTH_BYTES);
            if (described > LONGEST_DESCRIPTION || behind > LONGEST_BODY) {
                throw TfzException.damaged("A pool claims a description of " + described + " bytes, a body of " + behind);
            }
            Numbers numbers = new Numbers(in.read(described, "The description of a pool"));
            boolean first = layout == null;
            layout = first ? new Layout(numbers) : layout;
            Pool pool = new Pool(numbers);
            left -= pool.size();
            byte[][] streams = pool.decode(in.read(behind, "The body of a pool"));
            if (first) {
                layout.share(streams);
            }
            layout.write(streams, first ? layout.shared() : 0, original);
            length = in.left() > 0 ? in.read(LENGTH_BYTES, "A pool") : new byte[LENGTH_BYTES];
        } while (!isZero(length));
        layout.verify();
    }

    private void verifyZeros() throws IOException {
        while (in.left() > 0) {
            if (!isZero(in.read(Math.min(CHUNK, in.left()), "The end"))) {
                throw TfzException.damaged("Something follows the last pool");
            }
        }
    }

    private static boolean isZero(byte[] bytes) {
        for (byte each : bytes) {
            if (each != 0) {
                return false;
            }
        }
        return true;
    }
}
