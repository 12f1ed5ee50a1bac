package io.github.tfcompress.tfz;

/** One Huffman code over the symbols of a stream (section 7 of docs/container.md). */
final class HuffmanStream extends Stream {
    private final Elements elements;
    private final PrefixCode code;
    private final int payload;

    HuffmanStream(Numbers numbers, int size) throws TfzException {
        super(size);
        elements = new Elements(numbers, size);
        if (elements.isPlanes()) {
            throw TfzException.damaged("A stream of Huffman codes has planes");
        }
        code = new PrefixCode(numbers, elements.alphabet);
        payload = numbers.limited(Numbers.LENGTH, 2L * size, "The payload of a Huffman stream");
    }

    @Override
    int payload() {
        return payload;
    }

    @Override
    byte[] decode(byte[] body, int at) throws TfzException {
        byte[] stream = new byte[size];
        BitInput bits = new BitInput(body, at, at + payload);
        for (int position = 0; position < elements.symbols; position++) {
            elements.put(stream, 0, position, code.symbol(bits));
        }
        bits.verifyEnd();
        return stream;
    }
}
