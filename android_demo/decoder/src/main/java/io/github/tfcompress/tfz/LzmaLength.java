package io.github.tfcompress.tfz;

/** LZMA's lengths of matches: 2 to 273, in three ranges with trees of their own. */
final class LzmaLength {
    private static final int SHORTEST = 2;
    private static final int SHORT_BITS = 3;
    private static final int LONG_BITS = 8;

    private final short[] choice = LzmaRangeInput.probabilities(2);
    private final short[] low = LzmaRangeInput.probabilities(16 << SHORT_BITS);
    private final short[] middle = LzmaRangeInput.probabilities(16 << SHORT_BITS);
    private final short[] high = LzmaRangeInput.probabilities(1 << LONG_BITS);

    int decode(LzmaRangeInput in, int positionState) throws TfzException {
        int tree = positionState << SHORT_BITS;
        if (in.bit(choice, 0) == 0) {
            return SHORTEST + in.tree(low, tree, SHORT_BITS);
        }
        if (in.bit(choice, 1) == 0) {
            return SHORTEST + (1 << SHORT_BITS) + in.tree(middle, tree, SHORT_BITS);
        }
        return SHORTEST + (2 << SHORT_BITS) + in.tree(high, 0, LONG_BITS);
    }
}
