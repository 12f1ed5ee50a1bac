package io.github.tfcompress.tfz;

/**
 * Decodes a raw LZMA stream (LZMA1) into an array of known size, which is its dictionary as well.
 *
 * <p>Reference: Igor Pavlov, LZMA specification, in the LZMA SDK (public domain).
 */
final class Lzma {
    private static final int STATES = 12;
    private static final int FIRST_STATE_AFTER_MATCH = 7;
    private static final int MOST_POSITION_STATES = 16;
    private static final int LITERAL_PROBABILITIES = 0x300;
    private static final int LENGTH_STATES = 4;
    private static final int SLOT_BITS = 6;
    private static final int FIRST_SLOT_OF_PLAIN_BITS = 14;
    private static final int ALIGN_BITS = 4;

    private final LzmaRangeInput in;
    private final byte[] out;
    private final int literalContextBits;
    private final int literalPositionMask;
    private final int positionMask;

    private final short[] literals;
    private final short[] isMatch = LzmaRangeInput.probabilities(STATES * MOST_POSITION_STATES);
    private final short[] isRepeat = LzmaRangeInput.probabilities(STATES);
    private final short[] isRepeat0 = LzmaRangeInput.probabilities(STATES);
    private final short[] isRepeat1 = LzmaRangeInput.probabilities(STATES);
    private final short[] isRepeat2 = LzmaRangeInput.probabilities(STATES);
    private final short[] isRepeat0Long = LzmaRangeInput.probabilities(STATES * MOST_POSITION_STATES);
    private final short[] slots = LzmaRangeInput.probabilities(LENGTH_STATES << SLOT_BITS);
    private final short[] specialDistances = LzmaRangeInput.probabilities(128);
    private final short[] aligned = LzmaRangeInput.probabilities(1 << ALIGN_BITS);
    private final LzmaLength matchLength = new LzmaLength();
    private final LzmaLength repeatLength = new LzmaLength();

    private int at;
    private int state;
    // Distances of the last four matches, less 1.
    private int distance0;
    private int distance1;
    private int distance2;
    private int distance3;

    Lzma(LzmaRangeInput in, byte[] out, int literalContextBits, int literalPositionBits, int positionBits) {
        this.in = in;
        this.out = out;
        this.literalContextBits = literalContextBits;
        this.literalPositionMask = (1 << literalPositionBits) - 1;
        this.positionMask = (1 << positionBits) - 1;
        this.literals = LzmaRangeInput.probabilities(LITERAL_PROBABILITIES << literalContextBits + literalPositionBits);
    }

    void decode() throws TfzException {
        while (true) {
            int positionState = at & positionMask;
            if (in.bit(isMatch, state * MOST_POSITION_STATES + positionState) == 0) {
                literal();
            } else if (in.bit(isRepeat, state) == 1) {
                repeat(positionState);
            } else if (!match(positionState)) {
                break;
            }
        }
        in.verifyEnd();
        if (at != out.length) {
            throw TfzException.damaged("An LZMA stream ends before its " + out.length + " bytes");
        }
    }

    private void literal() throws TfzException {
        verifyRoom(1);
        int previous = at > 0 ? out[at - 1] & 0xFF : 0;
        int context = (at & literalPositionMask) << literalContextBits | previous >> 8 - literalContextBits;
        int from = LITERAL_PROBABILITIES * context;
        int node = 1;
        if (state >= FIRST_STATE_AFTER_MATCH) {
            int matched = out[at - distance0 - 1] & 0xFF;
            int bit;
            int expected;
            do {
                expected = matched >> 7 & 1;
                matched <<= 1;
                bit = in.bit(literals, from + (1 + expected << 8) + node);
                node = node << 1 | bit;
            } while (node < 0x100 && bit == expected);
        }
        while (node < 0x100) {
            node = node << 1 | in.bit(literals, from + node);
        }
        out[at++] = (byte) node;
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
    }

    private void repeat(int positionState) throws TfzException {
        if (at == 0) {
            throw TfzException.damaged("An LZMA stream begins with a repetition");
        }
        if (in.bit(isRepeat0, state) == 0) {
            if (in.bit(isRepeat0Long, state * MOST_POSITION_STATES + positionState) == 0) {
                state = state < FIRST_STATE_AFTER_MATCH ? 9 : 11;
                copy(1);
                return;
            }
        } else {
            int distance;
            if (in.bit(isRepeat1, state) == 0) {
                distance = distance1;
            } else {
                if (in.bit(isRepeat2, state) == 0) {
                    distance = distance2;
                } else {
                    distance = distance3;
                    distance3 = distance2;
                }
                distance2 = distance1;
            }
            distance1 = distance0;
            distance0 = distance;
        }
        int length = repeatLength.decode(in, positionState);
        state = state < FIRST_STATE_AFTER_MATCH ? 8 : 11;
        copy(length);
    }

    /** Copies a match, or finds the end marker: then there is nothing to copy, and no more to come. */
    private boolean match(int positionState) throws TfzException {
        distance3 = distance2;
        distance2 = distance1;
        distance1 = distance0;
        int length = matchLength.decode(in, positionState);
        distance0 = distance(Math.min(length - 2, LENGTH_STATES - 1));
        if (distance0 == -1) {
            return false;
        }
        state = state < FIRST_STATE_AFTER_MATCH ? 7 : 10;
        copy(length);
        return true;
    }

    /** A distance less 1; -1 is the end marker. */
    private int distance(int lengthState) throws TfzException {
        int slot = in.tree(slots, lengthState << SLOT_BITS, SLOT_BITS);
        if (slot < 4) {
            return slot;
        }
        int bits = (slot >> 1) - 1;
        int distance = (2 | slot & 1) << bits;
        if (slot < FIRST_SLOT_OF_PLAIN_BITS) {
            return distance + in.reverseTree(specialDistances, distance - slot, bits);
        }
        return distance + (in.plainBits(bits - ALIGN_BITS) << ALIGN_BITS) + in.reverseTree(aligned, 0, ALIGN_BITS);
    }

    private void copy(int length) throws TfzException {
        if (distance0 < 0 || distance0 >= at) {
            throw TfzException.damaged("An LZMA stream refers to what lies before its beginning");
        }
        verifyRoom(length);
        for (int end = at + length; at < end; at++) {
            out[at] = out[at - distance0 - 1];
        }
    }

    private void verifyRoom(int length) throws TfzException {
        if (length > out.length - at) {
            throw TfzException.damaged("An LZMA stream has more than its " + out.length + " bytes");
        }
    }
}
