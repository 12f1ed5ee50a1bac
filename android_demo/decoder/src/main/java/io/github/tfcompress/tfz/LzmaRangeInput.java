package io.github.tfcompress.tfz;

import java.util.Arrays;

/** LZMA's range coder: bits with probabilities that learn, and trees of them. */
final class LzmaRangeInput {
    private static final int PROBABILITY_BITS = 11;
    private static final int SHIFT = 5;
    private static final int TOP = 1 << 24;

    private final byte[] bytes;
    private final int end;
    private int at;
    private int range = -1;
    private int code;

    LzmaRangeInput(byte[] bytes, int from, int end) throws TfzException {
        this.bytes = bytes;
        this.at = from;
        this.end = end;
        if (nextByte() != 0) {
            throw TfzException.damaged("An LZMA stream does not begin with a byte of 0");
        }
        for (int i = 0; i < 4; i++) {
            code = code << 8 | nextByte();
        }
    }

    /** So many probabilities of one half. */
    static short[] probabilities(int count) {
        short[] probabilities = new short[count];
        Arrays.fill(probabilities, (short) (1 << PROBABILITY_BITS - 1));
        return probabilities;
    }

    int bit(short[] probabilities, int index) throws TfzException {
        normalize();
        int probability = probabilities[index];
        int bound = (range >>> PROBABILITY_BITS) * probability;
        // Adding the lowest int compares as unsigned numbers do; Integer.compareUnsigned is missing on old Androids.
        if (code + Integer.MIN_VALUE < bound + Integer.MIN_VALUE) {
            range = bound;
            probabilities[index] = (short) (probability + ((1 << PROBABILITY_BITS) - probability >> SHIFT));
            return 0;
        }
        range -= bound;
        code -= bound;
        probabilities[index] = (short) (probability - (probability >> SHIFT));
        return 1;
    }

    /** Bits of one half each, the highest first. */
    int plainBits(int count) throws TfzException {
        int value = 0;
        for (int i = 0; i < count; i++) {
            normalize();
            range >>>= 1;
            int bit = code + Integer.MIN_VALUE < range + Integer.MIN_VALUE ? 0 : 1;
            code -= range & -bit;
            value = value << 1 | bit;
        }
        return value;
    }

    /** So many bits, the highest first, each with a probability for all that came before; the tree lies at {@code from}. */
    int tree(short[] probabilities, int from, int bits) throws TfzException {
        int node = 1;
        for (int i = 0; i < bits; i++) {
            node = node << 1 | bit(probabilities, from + node);
        }
        return node - (1 << bits);
    }

    /** As {@link #tree}, with the lowest bit first. */
    int reverseTree(short[] probabilities, int from, int bits) throws TfzException {
        int node = 1;
        int value = 0;
        for (int i = 0; i < bits; i++) {
            int bit = bit(probabilities, from + node);
            node = node << 1 | bit;
            value |= bit << i;
        }
        return value;
    }

    /** Checks that the stream ends here, as an encoder leaves it. */
    void verifyEnd() throws TfzException {
        normalize();
        if (code != 0 || at != end) {
            throw TfzException.damaged("An LZMA stream does not end where its payload ends");
        }
    }

    private void normalize() throws TfzException {
        if ((range & -TOP) == 0) {
            range <<= 8;
            code = code << 8 | nextByte();
        }
    }

    private int nextByte() throws TfzException {
        if (at == end) {
            throw TfzException.damaged("An LZMA stream is cut off");
        }
        return bytes[at++] & 0xFF;
    }
}
