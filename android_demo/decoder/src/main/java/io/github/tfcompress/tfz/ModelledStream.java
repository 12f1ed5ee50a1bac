package io.github.tfcompress.tfz;

/** Rows of symbols that are coded together with those of the whole pool, and rows that stand in the payload. */
final class ModelledStream extends Stream {
    final Elements elements;
    /** The rows of symbols; null where a row is raw. */
    final ModelledRow[] rows;

    private int rawRows;

    ModelledStream(Numbers numbers, int size) throws TfzException {
        super(size);
        elements = new Elements(numbers, size);
        rows = new ModelledRow[elements.rows];
        for (int row = 0; row < rows.length; row++) {
            if (elements.isPlanes() && !numbers.yes("The switch of a plane's model")) {
                rawRows++;
            } else {
                rows[row] = new ModelledRow(numbers, elements.symbols, elements.alphabet);
            }
        }
    }

    @Override
    int payload() {
        return rawRows * elements.symbols;
    }

    @Override
    byte[] decode(byte[] body, int at) {
        byte[] stream = new byte[size];
        int next = at;
        for (int row = 0; row < rows.length; row++) {
            for (int position = 0; rows[row] == null && position < elements.symbols; position++) {
                elements.put(stream, row, position, body[next++]);
            }
        }
        return stream;
    }
}
