package io.github.tfcompress.tfz;

/** Bytes as a raw LZMA stream with an end marker. */
final class LzmaStream extends Stream {
    private static final int MOST = 4;

    private final int literalContextBits;
    private final int literalPositionBits;
    private final int positionBits;
    private final int payload;

    LzmaStream(Numbers numbers, int size) throws TfzException {
        super(size);
        literalContextBits = numbers.limited(Numbers.STRUCTURE, MOST, "lc of LZMA");
        literalPositionBits = numbers.limited(Numbers.STRUCTURE, MOST, "lp of LZMA");
        positionBits = numbers.limited(Numbers.STRUCTURE, MOST, "pb of LZMA");
        payload = numbers.limited(Numbers.LENGTH, 2L * size + 64, "The payload of an LZMA stream");
        if (literalContextBits + literalPositionBits > MOST) {
            throw TfzException.damaged("lc and lp of LZMA are more than " + MOST + " together");
        }
    }

    @Override
    int payload() {
        return payload;
    }

    @Override
    byte[] decode(byte[] body, int at) throws TfzException {
        LzmaRangeInput in = new LzmaRangeInput(body, at, at + payload);
        byte[] stream = new byte[size];
        new Lzma(in, stream, literalContextBits, literalPositionBits, positionBits).decode();
        return stream;
    }
}
