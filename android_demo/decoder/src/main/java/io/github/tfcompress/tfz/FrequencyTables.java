package io.github.tfcompress.tfz;

import java.util.Arrays;

/** Tables of weights, which become frequencies of a sum of a power of two (section 6 of docs/container.md, "Tables"). */
final class FrequencyTables {
    private static final int MOST_TABLES = 1520;
    private static final int WIDEST_MANTISSA = 6;
    private static final int OCTAVES = 29;

    final int alphabet;
    final int count;

    private final int mantissa;
    private final char[] codes;

    FrequencyTables(Numbers numbers, int alphabet, int least) throws TfzException {
        this.alphabet = alphabet;
        mantissa = 1 + numbers.limited(Numbers.STRUCTURE, WIDEST_MANTISSA - 1, "The width of a mantissa less 1");
        count = 1 + numbers.limited(Numbers.LENGTH, MOST_TABLES - 1, "The number of tables less 1");
        if (count < least) {
            throw TfzException.damaged("There are " + count + " tables for " + least + " contexts");
        }
        char[] codes = new char[alphabet];
        for (int table = 0; table < count; table++) {
            // Room is made as numbers arrive, of which a description has but so many.
            if ((table + 1) * alphabet > codes.length) {
                codes = Arrays.copyOf(codes, Math.min(2 * codes.length, count * alphabet));
            }
            readTable(numbers, codes, table * alphabet);
        }
        this.codes = codes;
    }

    boolean hasZeros() {
        for (int i = 0; i < count * alphabet; i++) {
            if (codes[i] == 0) {
                return true;
            }
        }
        return false;
    }

    /** Writes the frequencies of one table, which add up to {@code 2**bits}. */
    void frequencies(int table, int bits, int[] frequencies) {
        long sum = 0;
        int used = 0;
        for (int symbol = 0; symbol < alphabet; symbol++) {
            long weight = weight(codes[table * alphabet + symbol]);
            sum += weight;
            used += weight > 0 ? 1 : 0;
        }
        int left = 1 << bits;
        int largest = 0;
        for (int symbol = 0; symbol < alphabet; symbol++) {
            long weight = weight(codes[table * alphabet + symbol]);
            frequencies[symbol] = weight == 0 ? 0 : 1 + (int) (weight * ((1 << bits) - used) / sum);
            left -= frequencies[symbol];
            largest = frequencies[symbol] > frequencies[largest] ? symbol : largest;
        }
        frequencies[largest] += left;
    }

    private void readTable(Numbers numbers, char[] codes, int from) throws TfzException {
        boolean empty = true;
        for (int symbol = from; symbol < from + alphabet; symbol++) {
            long code;
            if (from == 0) {
                code = (symbol == 0 ? 0 : codes[symbol - 1]) + numbers.signed(Numbers.WEIGHT);
            } else {
                code = codes[symbol - alphabet] + numbers.signed(Numbers.WEIGHT_CHANGE);
            }
            if (code < 0 || code > OCTAVES << mantissa) {
                throw TfzException.damaged("A table of weights has the code " + code);
            }
            codes[symbol] = (char) code;
            empty &= code == 0;
        }
        if (empty) {
            throw TfzException.damaged("A table of weights has zeros only");
        }
    }

    private long weight(int code) {
        if (code == 0) {
            return 0;
        }
        long fraction = (1 << mantissa) + ((code - 1) & (1 << mantissa) - 1);
        return fraction << (code - 1 >> mantissa);
    }
}
