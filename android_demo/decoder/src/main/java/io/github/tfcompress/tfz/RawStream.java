package io.github.tfcompress.tfz;

import java.util.Arrays;

/** Bytes as they are. */
final class RawStream extends Stream {
    RawStream(int size) {
        super(size);
    }

    @Override
    int payload() {
        return size;
    }

    @Override
    byte[] decode(byte[] body, int at) {
        return Arrays.copyOfRange(body, at, at + size);
    }
}
