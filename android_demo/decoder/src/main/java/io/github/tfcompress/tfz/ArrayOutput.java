package io.github.tfcompress.tfz;

import java.io.OutputStream;
import java.util.Arrays;

/** Collects bytes up to a size that was only claimed: room is made as they arrive. */
final class ArrayOutput extends OutputStream {
    private static final int FIRST = 1 << 16;

    private final int size;
    private byte[] bytes;
    private int count;

    ArrayOutput(int size) {
        this.size = size;
        this.bytes = new byte[Math.min(size, FIRST)];
    }

    @Override
    public void write(int value) {
        write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] more, int from, int length) {
        if (length > bytes.length - count) {
            long twice = 2L * bytes.length;
            bytes = Arrays.copyOf(bytes, (int) Math.min(size, Math.max(twice, (long) count + length)));
        }
        System.arraycopy(more, from, bytes, count, length);
        count += length;
    }

    /** All that has arrived. */
    byte[] bytes() {
        return count == bytes.length ? bytes : Arrays.copyOf(bytes, count);
    }
}
