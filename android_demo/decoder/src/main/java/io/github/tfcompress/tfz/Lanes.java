package io.github.tfcompress.tfz;

/** Interleaved rANS coders that share one row of words (section 6 of docs/container.md, "Lanes"). */
final class Lanes {
    private static final int LOWEST = 1 << 16;

    /** How many lanes there are. */
    final int count;

    private final int symbols;
    private final int steps;
    private final int[] states;

    /** So many symbols on at most {@code most} lanes. */
    Lanes(int symbols, int most) {
        this.symbols = symbols;
        steps = (int) (((long) symbols + most - 1) / most);
        count = symbols == 0 ? 0 : (symbols + steps - 1) / steps;
        states = new int[count];
    }

    /** Decodes flags, given the number of each one's context. */
    void decodeFlags(byte[] data, int from, int end, char[] ids, FlagModel model, byte[] flags) throws TfzException {
        int at = begin(data, from, end);
        Tile tile = new Tile(count, steps, symbols);
        int[] history = new int[count];
        for (int first = 0; first < steps; first += tile.steps) {
            tile.load(ids, first);
            for (int step = first; step < Math.min(steps, first + tile.steps); step++) {
                at = decodeFlags(data, at, end, model, history, tile, (step - first) * tile.pitch, tile.active(step));
            }
            tile.store(flags, first);
        }
        verifyEnd(at, end);
    }

    /** Decodes values: puts each symbol in the place of the number of its table. */
    void decodeValues(byte[] data, int from, int end, char[] values, ValueModel model) throws TfzException {
        int at = begin(data, from, end);
        Tile tile = new Tile(count, steps, symbols);
        for (int first = 0; first < steps; first += tile.steps) {
            tile.load(values, first);
            for (int step = first; step < Math.min(steps, first + tile.steps); step++) {
                at = decodeValues(data, at, end, model, tile, (step - first) * tile.pitch, tile.active(step));
            }
            tile.store(values, first);
        }
        verifyEnd(at, end);
    }

    // One step of all lanes. Without branches on the flag: it is what the coder knows least about.
    private int decodeFlags(
            byte[] data, int from, int end, FlagModel model, int[] history, Tile tile, int row, int active)
            throws TfzException {
        char[] cells = tile.cells;
        int[] contexts = model.contexts;
        char[] zeros = model.zeros;
        int at = from;
        for (int lane = 0; lane < active; lane++) {
            int context = contexts[cells[row + lane]];
            int before = history[lane] & context & 7;
            int zero = zeros[(context >>> 3) + before];
            int state = states[lane];
            int slot = state & (1 << FlagModel.BITS) - 1;
            int flag = (zero - 1 - slot) >>> 31;
            int frequency = zero + (-flag & (1 << FlagModel.BITS) - 2 * zero);
            state = frequency * (state >>> FlagModel.BITS) + slot - (-flag & zero);
            if (state >>> 16 == 0) {
                state = state << 16 | word(data, at, end);
                at += 2;
            }
            states[lane] = state;
            history[lane] = before << 1 | flag;
            cells[row + lane] = (char) flag;
        }
        return at;
    }

    private int decodeValues(byte[] data, int from, int end, ValueModel model, Tile tile, int row, int active)
            throws TfzException {
        char[] cells = tile.cells;
        int bits = model.bits;
        int at = from;
        for (int lane = 0; lane < active; lane++) {
            int table = cells[row + lane];
            int state = states[lane];
            int slot = state & (1 << bits) - 1;
            int symbol = model.symbols[table << bits | slot];
            int part = model.parts[model.firsts[table] + symbol];
            state = (part & 0xFFFF) * (state >>> bits) + slot - (part >>> 16);
            if (state >>> 16 == 0) {
                state = state << 16 | word(data, at, end);
                at += 2;
            }
            states[lane] = state;
            cells[row + lane] = (char) symbol;
        }
        return at;
    }

    private static int word(byte[] data, int at, int end) throws TfzException {
        if (at + 2 > end) {
            throw endsEarly();
        }
        return data[at] & 0xFF | (data[at + 1] & 0xFF) << 8;
    }

    /** What is left in a lane's state: 0, or a word that belongs to somebody else. */
    int endWord(int lane) {
        return states[lane] - LOWEST;
    }

    private int begin(byte[] data, int from, int end) throws TfzException {
        if (4L * count > end - from) {
            throw endsEarly();
        }
        for (int lane = 0; lane < count; lane++) {
            states[lane] = (int) PackedInput.integer(data, from + 4 * lane, 4);
            if (states[lane] >>> 16 == 0) {
                throw TfzException.damaged("A lane begins with the state " + states[lane]);
            }
        }
        return from + 4 * count;
    }

    private void verifyEnd(int at, int end) throws TfzException {
        if (at != end) {
            throw TfzException.damaged("The lanes leave " + (end - at) + " bytes unread");
        }
        for (int state : states) {
            if (state >>> 17 != 0) {
                throw TfzException.damaged("A lane ends in a state it cannot have begun with");
            }
        }
    }

    private static TfzException endsEarly() {
        return TfzException.damaged("The lanes' words end before their symbols");
    }
}
