package io.github.tfcompress.tfz;

/** Codebook, relative index and two Huffman codes, as Han, Mao and Dally have it (section 8 of docs/container.md). */
final class DeepCompressionStream extends Stream {
    private static final int MOST_INDEX_BITS = 12;

    private final Elements elements;
    private final int pairs;
    private final PrefixCode values;
    private final PrefixCode distances;
    private final int valueBytes;
    private final int distanceBytes;

    DeepCompressionStream(Numbers numbers, int size) throws TfzException {
        super(size);
        elements = new Elements(numbers, size);
        if (!elements.isCodebook()) {
            throw TfzException.damaged("A Deep Compression stream has no codebook");
        }
        int bits = 1 + numbers.limited(Numbers.STRUCTURE, MOST_INDEX_BITS - 1, "The width of a relative index less 1");
        pairs = numbers.limited(Numbers.LENGTH, elements.symbols, "The number of pairs");
        values = new PrefixCode(numbers, elements.alphabet);
        distances = new PrefixCode(numbers, 1 << bits);
        valueBytes = numbers.limited(Numbers.LENGTH, 2L * size + 1, "The payload of values");
        distanceBytes = numbers.limited(Numbers.LENGTH, 2L * size + 1, "The payload of distances");
    }

    @Override
    int payload() {
        return valueBytes + distanceBytes;
    }

    @Override
    byte[] decode(byte[] body, int at) throws TfzException {
        byte[] stream = new byte[size];
        for (int position = 0; position < elements.symbols; position++) {
            elements.put(stream, 0, position, 0);
        }
        BitInput valueBits = new BitInput(body, at, at + valueBytes);
        BitInput distanceBits = new BitInput(body, at + valueBytes, at + payload());
        int position = -1;
        for (int pair = 0; pair < pairs; pair++) {
            position += distances.symbol(distanceBits) + 1;
            if (position >= elements.symbols) {
                throw TfzException.damaged("A relative index leads beyond its stream");
            }
            elements.put(stream, 0, position, values.symbol(valueBits));
        }
        valueBits.verifyEnd();
        distanceBits.verifyEnd();
        return stream;
    }
}
