package io.github.tfcompress.tfz;

/**
 * Some steps of all lanes in the order in which they are decoded. A lane's symbols lie side by side, those of one step far
 * apart, often in cache lines that push each other out; so they are brought together before and dealt out after.
 */
final class Tile {
    private static final int FEWEST_STEPS = 32;
    private static final int CELLS = 1 << 16;
    // Keeps rows of a power of two from falling on the same cache lines.
    private static final int GAP = 32;

    /** The symbols: those of lane l at the tile's step s lie at {@code s * pitch + l}. */
    final char[] cells;
    final int pitch;
    /** How many steps fit in. */
    final int steps;

    private final int lanes;
    private final int laneLength;
    private final int symbols;

    /** For lanes of {@code laneLength} symbols, the last of which may have fewer, so that there are {@code symbols}. */
    Tile(int lanes, int laneLength, int symbols) {
        this.lanes = lanes;
        this.laneLength = laneLength;
        this.symbols = symbols;
        pitch = lanes + GAP;
        steps = Math.min(laneLength, Math.max(FEWEST_STEPS, CELLS / pitch));
        cells = new char[steps * pitch];
    }

    /** How many lanes have a symbol at a step. */
    int active(int step) {
        return step < symbols - (lanes - 1) * laneLength ? lanes : lanes - 1;
    }

    void load(char[] from, int firstStep) {
        for (int lane = 0; lane < lanes; lane++) {
            int at = lane * laneLength + firstStep;
            int count = count(lane, firstStep);
            for (int i = 0, cell = lane; i < count; i++, cell += pitch) {
                cells[cell] = from[at + i];
            }
        }
    }

    void store(char[] to, int firstStep) {
        for (int lane = 0; lane < lanes; lane++) {
            int at = lane * laneLength + firstStep;
            int count = count(lane, firstStep);
            for (int i = 0, cell = lane; i < count; i++, cell += pitch) {
                to[at + i] = cells[cell];
            }
        }
    }

    void store(byte[] to, int firstStep) {
        for (int lane = 0; lane < lanes; lane++) {
            int at = lane * laneLength + firstStep;
            int count = count(lane, firstStep);
            for (int i = 0, cell = lane; i < count; i++, cell += pitch) {
                to[at + i] = (byte) cells[cell];
            }
        }
    }

    private int count(int lane, int firstStep) {
        int length = lane < lanes - 1 ? laneLength : symbols - lane * laneLength;
        return Math.min(steps, length - firstStep);
    }
}
