package io.github.tfcompress.tfz;

/** A row of bytes of the original as a description gives it: its coding and all that its payload needs (section 4). */
abstract class Stream {
    private static final int RAW = 0;
    private static final int DEFLATE = 1;
    private static final int HUFFMAN = 2;
    private static final int DEEP_COMPRESSION = 3;
    private static final int MODELLED = 4;
    private static final int LZMA = 5;

    final int size;

    Stream(int size) {
        this.size = size;
    }

    /** Reads the description of a stream, which may have at most {@code most} bytes. */
    static Stream read(Numbers numbers, int most) throws TfzException {
        int coding = numbers.limited(Numbers.STRUCTURE, LZMA, "The coding of a stream");
        int size = numbers.limited(Numbers.LENGTH, most, "The size of a stream");
        switch (coding) {
            case RAW:
                return new RawStream(size);
            case DEFLATE:
                return new DeflateStream(numbers, size);
            case HUFFMAN:
                return new HuffmanStream(numbers, size);
            case DEEP_COMPRESSION:
                return new DeepCompressionStream(numbers, size);
            case MODELLED:
                return new ModelledStream(numbers, size);
            default:
                return new LzmaStream(numbers, size);
        }
    }

    /** How many bytes of the body are this stream's own. */
    abstract int payload();

    /** Decodes what the payload, from {@code at} on, holds: all but the modelled rows, which stay zero. */
    abstract byte[] decode(byte[] body, int at) throws TfzException;
}
