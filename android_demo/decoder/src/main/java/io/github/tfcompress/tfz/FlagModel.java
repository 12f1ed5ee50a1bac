package io.github.tfcompress.tfz;

import java.util.ArrayList;
import java.util.List;

/** The contexts and tables of all flags of a pool, as the decoding loop wants them. */
final class FlagModel {
    /** Frequencies of flags add up to 2**14. */
    static final int BITS = 14;

    private static final int MOST_TABLES = 1 << 16;

    /** For each context the number of its first table, times 8, and the bits of the history that choose from there. */
    final int[] contexts;
    /** For each table the frequency of a flag of 0. */
    final char[] zeros;
    final int symbols;

    private final List<ModelledRow> rows = new ArrayList<>();

    /** Takes the split ones of these rows. */
    FlagModel(List<ModelledRow> modelled) throws TfzException {
        int tables = 0;
        int all = 0;
        int flags = 0;
        for (ModelledRow row : modelled) {
            if (row.split) {
                rows.add(row);
                tables += row.flagTables.count;
                all += contextsOf(row);
                flags += row.symbols;
            }
        }
        if (tables > MOST_TABLES) {
            throw TfzException.damaged("A pool has " + tables + " tables of flags, more than " + MOST_TABLES);
        }
        contexts = new int[all];
        zeros = new char[tables];
        symbols = flags;
        int context = 0;
        int table = 0;
        for (ModelledRow row : rows) {
            fillContexts(row, context, table);
            fillTables(row.flagTables, table);
            context += contextsOf(row);
            table += row.flagTables.count;
        }
    }

    /** Writes the number of each flag's context. */
    void fill(char[] ids) {
        int at = 0;
        int first = 0;
        for (ModelledRow row : rows) {
            row.flagContexts(ids, at, first);
            at += row.symbols;
            first += contextsOf(row);
        }
    }

    // A class sum is two contexts where flags look back: one with, one without what lies before.
    private static int contextsOf(ModelledRow row) {
        return row.history > 0 ? 2 * row.flagContexts : row.flagContexts;
    }

    private void fillContexts(ModelledRow row, int from, int firstTable) {
        int past = (1 << row.history) - 1;
        for (int sum = 0; sum < row.flagContexts; sum++) {
            int table = firstTable + (sum << row.history);
            contexts[from + sum] = table << 3 | past;
            if (row.history > 0) {
                contexts[from + row.flagContexts + sum] = table << 3;
            }
        }
    }

    private void fillTables(FrequencyTables tables, int from) {
        int[] frequencies = new int[2];
        for (int table = 0; table < tables.count; table++) {
            tables.frequencies(table, BITS, frequencies);
            zeros[from + table] = (char) frequencies[0];
        }
    }
}
