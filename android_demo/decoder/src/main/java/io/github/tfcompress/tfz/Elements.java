package io.github.tfcompress.tfz;

/** How symbols become bytes (section 5 of docs/container.md). */
final class Elements {
    static final int BYTES = 0;
    static final int NIBBLES = 1;
    static final int CODEBOOK = 2;
    static final int PLANES = 3;

    private static final int MOST_ENTRIES = 4096;

    final int alphabet;
    /** Symbols of one row. */
    final int symbols;
    /** Rows of symbols. */
    final int rows;

    private final int transform;
    private final int width;
    private final long[] codebook;

    Elements(Numbers numbers, int size) throws TfzException {
        transform = numbers.limited(Numbers.STRUCTURE, PLANES, "The transform of a stream");
        width = transform < CODEBOOK ? 1 : 1 << numbers.limited(Numbers.STRUCTURE, 3, "The width of elements");
        if (transform == CODEBOOK && width == 8 || transform == PLANES && width == 1) {
            throw TfzException.damaged("Elements of transform " + transform + " have a width of " + width + " bytes");
        }
        if (size % width != 0) {
            throw TfzException.damaged("A stream of " + size + " bytes has elements of " + width + " bytes");
        }
        codebook = transform == CODEBOOK ? codebook(numbers, width) : null;
        alphabet = transform == CODEBOOK ? codebook.length : transform == NIBBLES ? 16 : 256;
        rows = transform == PLANES ? width : 1;
        symbols = transform == NIBBLES ? 2 * size : size / width;
    }

    boolean isCodebook() {
        return transform == CODEBOOK;
    }

    boolean isPlanes() {
        return transform == PLANES;
    }

    /** Writes the symbol at a position of a row to the stream's bytes, which were all zero. */
    void put(byte[] stream, int row, int position, int symbol) {
        switch (transform) {
            case BYTES:
                stream[position] = (byte) symbol;
                break;
            case NIBBLES:
                stream[position >> 1] |= (byte) (symbol << 4 * (position & 1));
                break;
            case CODEBOOK:
                int entry = (int) codebook[symbol];
                stream[position * width] = (byte) entry;
                for (int i = 1; i < width; i++) {
                    stream[position * width + i] = (byte) (entry >> 8 * i);
                }
                break;
            default:
                stream[position * width + row] = (byte) symbol;
        }
    }

    private static long[] codebook(Numbers numbers, int width) throws TfzException {
        long[] entries = new long[1 + numbers.limited(Numbers.LENGTH, MOST_ENTRIES - 1, "The size of a codebook")];
        long previous = -1;
        for (int i = 0; i < entries.length; i++) {
            long number = numbers.number(Numbers.CODEBOOK);
            entries[i] = i == 0 ? number : previous + 1 + number;
            previous = i == 0 ? -1 : entries[i];
            if (entries[i] >>> 8 * width != 0) {
                throw TfzException.damaged("A codebook has " + entries[i] + " for elements of " + width + " bytes");
            }
        }
        return entries;
    }
}
