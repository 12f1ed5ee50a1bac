package io.github.tfcompress.tfz;

/** A canonical Huffman code, given by its code lengths (section 7 of docs/container.md). */
final class PrefixCode {
    private static final int LONGEST = 15;
    // Codes of up to so many bits are looked up, longer ones searched: small enough to be made for every tiny stream.
    private static final int LOOKED_UP = 10;

    private final char[] symbols;
    private final int[] counts = new int[LONGEST + 1];
    private final char[] table = new char[1 << LOOKED_UP];

    PrefixCode(Numbers numbers, int alphabet) throws TfzException {
        byte[] lengths = new byte[alphabet];
        for (int symbol = 0; symbol < alphabet; symbol++) {
            lengths[symbol] = (byte) numbers.limited(Numbers.CODE_LENGTH, LONGEST, "A code length");
            counts[lengths[symbol]]++;
        }
        counts[0] = 0;
        int[] next = new int[LONGEST + 2];
        int space = 0;
        for (int length = 1; length <= LONGEST; length++) {
            next[length + 1] = next[length] + counts[length];
            space += counts[length] << LONGEST - length;
        }
        if (space > 1 << LONGEST) {
            throw TfzException.damaged("Code lengths claim more than all codes");
        }
        symbols = new char[next[LONGEST + 1]];
        for (int symbol = 0; symbol < alphabet; symbol++) {
            if (lengths[symbol] > 0) {
                symbols[next[lengths[symbol]]++] = (char) symbol;
            }
        }
        fillTable();
    }

    /** The next symbol of the bits. */
    int symbol(BitInput bits) throws TfzException {
        int window = bits.peek(LONGEST);
        int entry = table[window >> LONGEST - LOOKED_UP];
        if (entry != 0) {
            bits.skip(entry & 0xF);
            return symbols[entry >> 4];
        }
        int first = 0;
        int index = 0;
        for (int length = 1; length <= LONGEST; length++) {
            int offset = (window >> LONGEST - length) - first;
            if (offset < counts[length]) {
                bits.skip(length);
                return symbols[index + offset];
            }
            index += counts[length];
            first = first + counts[length] << 1;
        }
        throw TfzException.damaged("Huffman data have a code that belongs to no symbol");
    }

    // An entry has the place of the symbol (below 2**12) and the length of its code; 0 where the code is longer.
    private void fillTable() {
        int at = 0;
        int place = 0;
        for (int length = 1; length <= LOOKED_UP; length++) {
            for (int code = 0; code < counts[length]; code++, place++) {
                for (int i = 0; i < 1 << LOOKED_UP - length; i++) {
                    table[at++] = (char) (place << 4 | length);
                }
            }
        }
    }
}
