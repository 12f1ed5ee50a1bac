package io.github.tfcompress.tfz;

/** A description and a body: some streams of the original (sections 1 and 4 of docs/container.md). */
final class Pool {
    private static final int MOST_STREAMS = 1 << 16;
    private static final int MOST_BYTES = 1 << 22;

    private final Stream[] streams;
    private final ModelledRows modelled;

    Pool(Numbers numbers) throws TfzException {
        streams = new Stream[numbers.limited(Numbers.LENGTH, MOST_STREAMS, "The number of streams")];
        int left = MOST_BYTES;
        for (int i = 0; i < streams.length; i++) {
            streams[i] = Stream.read(numbers, left);
            left -= streams[i].size;
        }
        modelled = new ModelledRows(numbers, streams);
    }

    /** How many bytes all streams have together. */
    int size() {
        int size = 0;
        for (Stream stream : streams) {
            size += stream.size;
        }
        return size;
    }

    /** Decodes a body; it is overwritten. */
    byte[][] decode(byte[] body) throws TfzException {
        byte[][] decoded = new byte[streams.length][];
        int at = 0;
        for (int i = 0; i < streams.length; i++) {
            if (streams[i].payload() > body.length - at) {
                throw TfzException.damaged("The payloads of a pool are longer than its body");
            }
            decoded[i] = streams[i].decode(body, at);
            at += streams[i].payload();
        }
        modelled.decode(body, at, streams, decoded);
        return decoded;
    }
}
