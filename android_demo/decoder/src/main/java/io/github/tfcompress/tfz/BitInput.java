package io.github.tfcompress.tfz;

/** Bits of a part of a body, from the highest of each byte on. */
final class BitInput {
    private final byte[] bytes;
    private final int end;
    private int at;
    private long bits;
    private int count;

    BitInput(byte[] bytes, int from, int end) {
        this.bytes = bytes;
        this.at = from;
        this.end = end;
    }

    /** The next bits, at most 32, which stay where they are; zeros behind the end. */
    int peek(int wanted) {
        while (count < wanted) {
            bits = bits << 8 | (at < end ? bytes[at] & 0xFF : 0);
            at++;
            count += 8;
        }
        return (int) (bits >>> count - wanted) & (1 << wanted) - 1;
    }

    void skip(int taken) {
        count -= taken;
    }

    /** Checks that the last taken bit lies in the last byte. */
    void verifyEnd() throws TfzException {
        long left = 8L * (end - at) + count;
        if (left < 0 || left > 7) {
            throw TfzException.damaged("Huffman data end " + (left < 0 ? "after" : "before") + " their payload");
        }
    }
}
