package io.github.tfcompress.tfz;

import java.io.IOException;

/** How the streams of all pools make up the original (section 3 of docs/container.md). */
final class Layout {
    private static final int MOST_SHARED = 16;
    private static final int MOST_RUNS = 1 << 18;
    private static final long LONGEST_RUN = 1 << 22;

    private final byte[][] shared;
    private final int[] used;
    private final byte[] streams;
    private final int[] lengths;
    private int next;

    Layout(Numbers numbers) throws TfzException {
        shared = new byte[numbers.limited(Numbers.STRUCTURE, MOST_SHARED, "The number of shared streams")][];
        used = new int[shared.length];
        streams = new byte[numbers.limited(Numbers.LENGTH, MOST_RUNS, "The number of runs")];
        lengths = new int[streams.length];
        for (int run = 0; run < streams.length; run++) {
            streams[run] = (byte) numbers.limited(Numbers.STRUCTURE, shared.length, "The stream of a run");
            if (streams[run] > 0) {
                lengths[run] = 1 + numbers.limited(Numbers.RUN, LONGEST_RUN - 1, "The length of a run");
            }
        }
    }

    int shared() {
        return shared.length;
    }

    /** Takes the shared streams, which are the first ones of the first pool. */
    void share(byte[][] pool) throws TfzException {
        if (pool.length < shared.length) {
            throw TfzException.damaged("The first pool has " + pool.length + " streams, and " + shared.length + " are shared");
        }
        System.arraycopy(pool, 0, shared, 0, shared.length);
    }

    /** Writes the runs up to the first whose stream lies in a later pool; the pool's streams count from {@code from}. */
    void write(byte[][] pool, int from, Original original) throws IOException {
        int stream = from;
        for (; next < streams.length; next++) {
            if (streams[next] > 0) {
                writePiece(streams[next] - 1, lengths[next], original);
            } else if (stream < pool.length) {
                original.write(pool[stream], 0, pool[stream].length);
                stream++;
            } else {
                return;
            }
        }
        if (stream < pool.length) {
            throw TfzException.damaged("A pool has streams that no run uses");
        }
    }

    void verify() throws TfzException {
        if (next < streams.length) {
            throw TfzException.damaged("The streams are used up before the last run");
        }
        for (int stream = 0; stream < shared.length; stream++) {
            if (used[stream] != shared[stream].length) {
                throw TfzException.damaged("A shared stream is longer than its runs");
            }
        }
    }

    private void writePiece(int stream, int length, Original original) throws IOException {
        if (length > shared[stream].length - used[stream]) {
            throw TfzException.damaged("The runs of a shared stream are longer than it");
        }
        original.write(shared[stream], used[stream], length);
        used[stream] += length;
    }
}
