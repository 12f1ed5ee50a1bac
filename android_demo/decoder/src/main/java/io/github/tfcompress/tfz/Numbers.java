package io.github.tfcompress.tfz;

import java.util.Arrays;

/** The non-negative integers of a description, coded by an adaptive binary range coder (section 2 of docs/container.md). */
final class Numbers {
    static final int STRUCTURE = 0;
    static final int LENGTH = 1;
    static final int RUN = 2;
    static final int CODEBOOK = 3;
    static final int CLASS = 4;
    static final int WEIGHT = 5;
    static final int WEIGHT_CHANGE = 6;
    static final int CODE_LENGTH = 7;

    private static final int FAMILIES = 8;
    private static final int LONGEST = 40;
    private static final int MODELLED_BITS = 3;
    private static final int MOST_NUMBERS = 1 << 20;
    private static final int ZEROS_PAST_THE_END = 4;
    private static final int FASTEST_SHIFT = 1;
    private static final int SLOWEST_SHIFT = 5;

    private final byte[] bytes;
    private int at;
    private int past;
    private long range = 0xFFFFFFFFL;
    private long code;
    private int count;

    // The contexts: first those of lengths, then those of the first bits of values.
    private final short[] probabilities = new short[FAMILIES * (LONGEST + 1) * (1 + (1 << MODELLED_BITS))];
    private final byte[] shifts = new byte[probabilities.length];

    Numbers(byte[] bytes) throws TfzException {
        this.bytes = bytes;
        Arrays.fill(probabilities, (short) 2048);
        Arrays.fill(shifts, (byte) (FASTEST_SHIFT - 1));
        for (int i = 0; i < 4; i++) {
            code = code << 8 | nextByte();
        }
    }

    /** One number of a family, whatever its size: below 2**41. */
    long number(int family) throws TfzException {
        if (++count > MOST_NUMBERS) {
            throw TfzException.damaged("A description has more than " + MOST_NUMBERS + " numbers");
        }
        int length = 0;
        while (bit(family * (LONGEST + 1) + length) == 1) {
            if (++length > LONGEST) {
                throw TfzException.damaged("A description has a number of more than " + LONGEST + " bits");
            }
        }
        long value = 1;
        for (int place = 0; place < length; place++) {
            if (place < MODELLED_BITS) {
                int context = FAMILIES * (LONGEST + 1) + ((family * (LONGEST + 1) + length) << MODELLED_BITS);
                value = value << 1 | bit(context + (int) value);
            } else {
                value = value << 1 | plainBit();
            }
        }
        return value - 1;
    }

    long signed(int family) throws TfzException {
        long number = number(family);
        return (number & 1) == 0 ? number >> 1 : -((number + 1) >> 1);
    }

    /** A number that may be at most {@code most}; {@code what} names it in the message. */
    int limited(int family, long most, String what) throws TfzException {
        long number = number(family);
        if (number > most) {
            throw TfzException.damaged(what + " is " + number + ", where at most " + most + " can be");
        }
        return (int) number;
    }

    boolean yes(String what) throws TfzException {
        return limited(STRUCTURE, 1, what) == 1;
    }

    private int bit(int context) throws TfzException {
        int probability = probabilities[context];
        int shift = Math.min(shifts[context] + 1, SLOWEST_SHIFT);
        shifts[context] = (byte) shift;
        long bound = (range >>> 12) * probability;
        int bit = code < bound ? 0 : 1;
        if (bit == 0) {
            range = bound;
            probabilities[context] = (short) (probability + ((4096 - probability) >> shift));
        } else {
            code -= bound;
            range -= bound;
            probabilities[context] = (short) (probability - (probability >> shift));
        }
        normalize();
        return bit;
    }

    private int plainBit() throws TfzException {
        range >>>= 1;
        int bit = code >= range ? 1 : 0;
        if (bit == 1) {
            code -= range;
        }
        normalize();
        return bit;
    }

    private void normalize() throws TfzException {
        while (range < 1 << 24) {
            range <<= 8;
            code = code << 8 | nextByte();
        }
    }

    private int nextByte() throws TfzException {
        if (at < bytes.length) {
            return bytes[at++] & 0xFF;
        }
        if (++past > ZEROS_PAST_THE_END) {
            throw TfzException.damaged("A description ends before its last number");
        }
        return 0;
    }
}
