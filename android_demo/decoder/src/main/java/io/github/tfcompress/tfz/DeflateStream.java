package io.github.tfcompress.tfz;

import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/** Bytes deflated as RFC 1951 says, without a header. */
final class DeflateStream extends Stream {
    private final int payload;

    DeflateStream(Numbers numbers, int size) throws TfzException {
        super(size);
        payload = numbers.limited(Numbers.LENGTH, 2L * size + 64, "The payload of a deflated stream");
    }

    @Override
    int payload() {
        return payload;
    }

    @Override
    byte[] decode(byte[] body, int at) throws TfzException {
        Inflater inflater = new Inflater(true);
        try {
            inflater.setInput(body, at, payload);
            byte[] stream = new byte[size];
            int got = 0;
            int more = -1;
            // One call may stop before all is done; one that gives nothing will never give more.
            while (got < size && more != 0) {
                more = inflater.inflate(stream, got, size - got);
                got += more;
            }
            boolean longer = !inflater.finished() && inflater.inflate(new byte[1]) > 0;
            if (got < size || longer || !inflater.finished() || inflater.getRemaining() > 0) {
                throw TfzException.damaged("A deflated stream has not the " + size + " bytes and the end it should have");
            }
            return stream;
        } catch (DataFormatException e) {
            throw TfzException.damaged("A deflated stream is no deflated data");
        } finally {
            inflater.end();
        }
    }
}
