package io.github.tfcompress.tfz;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;

/** The bytes that go in, of a known length, so that no claim of theirs is believed beyond it. */
final class PackedInput {
    private final InputStream in;
    private final long length;
    private long left;

    PackedInput(InputStream in, long length) {
        this.in = in;
        this.length = length;
        this.left = length;
    }

    long length() {
        return length;
    }

    long left() {
        return left;
    }

    /** The next bytes; their number is checked before room is made for them. */
    byte[] read(long count, String what) throws IOException {
        if (count > left) {
            throw TfzException.damaged(what + " needs " + count + " bytes, and " + left + " are left in the file");
        }
        byte[] bytes = new byte[(int) count];
        int got = 0;
        while (got < bytes.length) {
            int more = in.read(bytes, got, bytes.length - got);
            if (more < 0) {
                throw new EOFException("The packed file became shorter than " + length + " bytes while it was read.");
            }
            got += more;
        }
        left -= count;
        return bytes;
    }

    /** An unsigned little-endian integer of so many bytes; negative where it is 2**63 or more. */
    static long integer(byte[] bytes, int at, int count) {
        long value = 0;
        for (int i = count - 1; i >= 0; i--) {
            value = value << 8 | bytes[at + i] & 0xFF;
        }
        return value;
    }
}
