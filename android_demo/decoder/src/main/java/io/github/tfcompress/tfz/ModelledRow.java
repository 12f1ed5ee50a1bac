package io.github.tfcompress.tfz;

/** A row of symbols whose frequencies depend on their positions (section 6 of docs/container.md). */
final class ModelledRow {
    private static final int LONGEST_HISTORY = 3;

    final int symbols;
    /** Whether flags tell the background from other symbols. */
    final boolean split;
    /** The tables of the flags, if there are any. */
    final FrequencyTables flagTables;
    final FrequencyTables valueTables;
    /** How many flags before a flag choose its table. */
    final int history;
    /** How many class sums flags have. */
    final int flagContexts;

    private final int background;
    private final boolean restarts;
    private final Order order;
    private final byte[][] flagClasses;
    private final byte[][] valueClasses;

    ModelledRow(Numbers numbers, int symbols, int alphabet) throws TfzException {
        this.symbols = symbols;
        if (symbols == 0) {
            throw TfzException.damaged("A modelled row has no symbols");
        }
        int middle = 1 + numbers.limited(Numbers.LENGTH, symbols - 1, "The extent K of a row less 1");
        int inner = 1 + numbers.limited(Numbers.LENGTH, symbols - 1, "The extent W of a row less 1");
        if (symbols % ((long) middle * inner) != 0) {
            throw TfzException.damaged("A row of " + symbols + " symbols has the extents " + middle + " and " + inner);
        }
        int outer = symbols / (middle * inner);
        order = new Order(outer, middle, inner, numbers.yes("The switch of transposition"));
        split = numbers.yes("The switch of flags");
        background = split ? numbers.limited(Numbers.LENGTH, alphabet - 1, "The background") : 0;
        history = split ? numbers.limited(Numbers.STRUCTURE, LONGEST_HISTORY, "The history of flags") : 0;
        restarts = split && numbers.yes("The switch of restarts");
        int[] extents = {outer, middle, inner};
        if (split) {
            Classes classes = new Classes(numbers, extents);
            flagClasses = order.classes(classes);
            flagContexts = classes.contexts;
            flagTables = new FrequencyTables(numbers, 2, flagContexts << history);
            if (flagTables.hasZeros()) {
                throw TfzException.damaged("A flag has a weight of 0");
            }
        } else {
            flagClasses = null;
            flagContexts = 0;
            flagTables = null;
        }
        Classes classes = new Classes(numbers, extents);
        valueClasses = order.classes(classes);
        valueTables = new FrequencyTables(numbers, alphabet, classes.contexts);
    }

    /**
     * Writes the number of each flag's context: its class sum, counted from {@code first}, and {@link #flagContexts} more
     * where it does not look back.
     */
    void flagContexts(char[] contexts, int at, int first) {
        byte[] classes = flagClasses[2];
        int next = at;
        for (int a = 0; a < order.extents[0]; a++) {
            for (int b = 0; b < order.extents[1]; b++) {
                int begin = next;
                int base = first + Order.outerClass(flagClasses, a, b);
                for (int c = 0; c < order.extents[2]; c++) {
                    contexts[next++] = (char) (base + (classes == null ? 0 : classes[c]));
                }
                if (history > 0 && (restarts || begin == at)) {
                    contexts[begin] += (char) flagContexts;
                }
            }
        }
    }

    /**
     * Writes the number of each value's table, counted from {@code first}; returns the place behind them, which is written to
     * as well.
     */
    int valueContexts(byte[] flags, int flagsFrom, char[] contexts, int at, int first) {
        byte[] classes = valueClasses[2];
        int flag = flagsFrom;
        int next = at;
        for (int a = 0; a < order.extents[0]; a++) {
            for (int b = 0; b < order.extents[1]; b++) {
                int base = first + Order.outerClass(valueClasses, a, b);
                for (int c = 0; c < order.extents[2]; c++) {
                    // Flags are hard to foresee, so what is not wanted is overwritten instead of left out.
                    contexts[next] = (char) (base + (classes == null ? 0 : classes[c]));
                    next += split ? flags[flag++] : 1;
                }
            }
        }
        return next;
    }

    /**
     * Puts values, and the background where flags are 0, in their places; returns the place behind the used values, which
     * is read as well.
     */
    int place(byte[] flags, int flagsFrom, char[] values, int at, Elements elements, int row, byte[] stream) {
        int flag = flagsFrom;
        int next = at;
        for (int a = 0; a < order.extents[0]; a++) {
            for (int b = 0; b < order.extents[1]; b++) {
                int position = a * order.strides[0] + b * order.strides[1];
                for (int c = 0; c < order.extents[2]; c++, position += order.strides[2]) {
                    int coded = split ? flags[flag++] : 1;
                    elements.put(stream, row, position, background + (-coded & values[next] - background));
                    next += coded;
                }
            }
        }
        return next;
    }
}
