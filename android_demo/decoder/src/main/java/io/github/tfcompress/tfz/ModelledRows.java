package io.github.tfcompress.tfz;

import java.util.ArrayList;
import java.util.List;

/** All modelled rows of a pool, whose symbols share the lanes at the end of its body (section 6 of docs/container.md). */
final class ModelledRows {
    private static final int MOST_LANES = 1 << 14;
    private static final int MOST_BYTES = 1 << 24;
    private static final int FEWEST_BITS = 12;

    private final List<ModelledRow> rows;
    private final int mostFlagLanes;
    private final int mostValueLanes;
    private final int bits;
    private final int flagBytes;
    private final int valueBytes;

    /** Reads the lane numbers, which stand behind the descriptions of the streams if there are modelled rows. */
    ModelledRows(Numbers numbers, Stream[] streams) throws TfzException {
        rows = new ArrayList<>();
        for (Stream stream : streams) {
            if (stream instanceof ModelledStream) {
                for (ModelledRow row : ((ModelledStream) stream).rows) {
                    if (row != null) {
                        rows.add(row);
                    }
                }
            }
        }
        boolean any = !rows.isEmpty();
        mostFlagLanes = any ? 1 + numbers.limited(Numbers.LENGTH, MOST_LANES - 1, "The number of flag lanes less 1") : 1;
        mostValueLanes = any ? 1 + numbers.limited(Numbers.LENGTH, MOST_LANES - 1, "The number of value lanes less 1") : 1;
        bits = FEWEST_BITS + (any ? numbers.limited(Numbers.STRUCTURE, 2, "The bits of frequencies less 12") : 0);
        flagBytes = any ? numbers.limited(Numbers.LENGTH, MOST_BYTES, "The size of the flags' lanes") : 0;
        valueBytes = any ? numbers.limited(Numbers.LENGTH, MOST_BYTES, "The size of the values' lanes") : 0;
    }

    /** Decodes the lanes, which are the body from {@code at} to its end, into the streams. */
    void decode(byte[] body, int at, Stream[] streams, byte[][] decoded) throws TfzException {
        if (flagBytes > body.length - at) {
            throw TfzException.damaged("The flags' lanes are longer than the body");
        }
        FlagModel flagModel = new FlagModel(rows);
        ValueModel valueModel = new ValueModel(rows, bits);
        char[] symbols = new char[symbols() + 1];
        byte[] flags = new byte[flagModel.symbols];
        flagModel.fill(symbols);
        Lanes flagLanes = new Lanes(flags.length, mostFlagLanes);
        flagLanes.decodeFlags(body, at, at + flagBytes, symbols, flagModel, flags);
        Lanes valueLanes = new Lanes(ValueModel.fill(rows, flags, symbols), mostValueLanes);
        int from = putEndWords(flagLanes, body, at + flagBytes);
        if (body.length - from != valueBytes) {
            throw TfzException.damaged("The values' lanes have not the " + valueBytes + " bytes they should have");
        }
        valueLanes.decodeValues(body, from, body.length, symbols, valueModel);
        for (int lane = 0; lane < valueLanes.count; lane++) {
            if (valueLanes.endWord(lane) != 0) {
                throw TfzException.damaged("A lane of values ends in a state it cannot have begun with");
            }
        }
        place(flags, symbols, streams, decoded);
    }

    private int symbols() {
        int symbols = 0;
        for (ModelledRow row : rows) {
            symbols += row.symbols;
        }
        return symbols;
    }

    /**
     * Puts the end words of the flags' lanes in front of the rest of the values' data, so that these lie in one piece. What
     * they overwrite are the flags' lanes, which are longer and have been read. Returns where the values' data begin.
     */
    private int putEndWords(Lanes lanes, byte[] body, int end) throws TfzException {
        int words = Math.min(lanes.count, valueBytes / 2);
        for (int lane = 0; lane < lanes.count; lane++) {
            int word = lanes.endWord(lane);
            if (lane < words) {
                int at = end - 2 * (words - lane);
                body[at] = (byte) word;
                body[at + 1] = (byte) (word >> 8);
            } else if (word != 0) {
                throw TfzException.damaged("A lane of flags ends in a state it cannot have begun with");
            }
        }
        return end - 2 * words;
    }

    private void place(byte[] flags, char[] symbols, Stream[] streams, byte[][] decoded) {
        int flag = 0;
        int at = 0;
        for (int stream = 0; stream < streams.length; stream++) {
            if (streams[stream] instanceof ModelledStream) {
                ModelledStream modelled = (ModelledStream) streams[stream];
                for (int i = 0; i < modelled.rows.length; i++) {
                    ModelledRow row = modelled.rows[i];
                    if (row != null) {
                        at = row.place(flags, flag, symbols, at, modelled.elements, i, decoded[stream]);
                        flag += row.split ? row.symbols : 0;
                    }
                }
            }
        }
    }
}
