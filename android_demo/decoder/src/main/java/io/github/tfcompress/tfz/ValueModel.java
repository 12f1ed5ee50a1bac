package io.github.tfcompress.tfz;

import java.util.List;

/** The tables of all values of a pool, as the decoding loop wants them. */
final class ValueModel {
    private static final int MOST_SLOTS = 1 << 23;

    /** Frequencies of values add up to 2**bits. */
    final int bits;
    /** For each table and slot, the symbol. */
    final char[] symbols;
    /** For each table, where its symbols begin in {@link #parts}. */
    final int[] firsts;
    /** For each symbol of each table its start, times 2**16, and its frequency. */
    final int[] parts;

    ValueModel(List<ModelledRow> rows, int bits) throws TfzException {
        this.bits = bits;
        int tables = 0;
        int all = 0;
        for (ModelledRow row : rows) {
            tables += row.valueTables.count;
            all += row.valueTables.count * row.valueTables.alphabet;
        }
        if ((long) tables << bits > MOST_SLOTS) {
            throw TfzException.damaged("A pool has " + tables + " tables of 2**" + bits + ", too many");
        }
        symbols = new char[tables << bits];
        firsts = new int[tables];
        parts = new int[all];
        int table = 0;
        int part = 0;
        for (ModelledRow row : rows) {
            int[] frequencies = new int[row.valueTables.alphabet];
            for (int each = 0; each < row.valueTables.count; each++) {
                row.valueTables.frequencies(each, bits, frequencies);
                firsts[table] = part;
                fill(frequencies, table << bits, part);
                part += frequencies.length;
                table++;
            }
        }
    }

    /** Writes the number of each value's table. */
    static int fill(List<ModelledRow> rows, byte[] flags, char[] ids) {
        int flag = 0;
        int at = 0;
        int first = 0;
        for (ModelledRow row : rows) {
            at = row.valueContexts(flags, flag, ids, at, first);
            flag += row.split ? row.symbols : 0;
            first += row.valueTables.count;
        }
        return at;
    }

    private void fill(int[] frequencies, int slots, int from) {
        int start = 0;
        for (int symbol = 0; symbol < frequencies.length; symbol++) {
            parts[from + symbol] = start << 16 | frequencies[symbol];
            for (int slot = start; slot < start + frequencies[symbol]; slot++) {
                symbols[slots + slot] = (char) symbol;
            }
            start += frequencies[symbol];
        }
    }
}
