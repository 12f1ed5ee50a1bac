package io.github.tfcompress.tfz;

/** Which class each position of the three axes of a row has (section 6 of docs/container.md, "Classes"). */
final class Classes {
    private static final int MOST_LISTED = 1 << 16;
    private static final int HIGHEST = 63;

    /** One more than the highest sum of classes. */
    final int contexts;

    private final byte[][] listed;

    Classes(Numbers numbers, int[] extents) throws TfzException {
        listed = new byte[extents.length][];
        int sum = 0;
        for (int axis = 0; axis < extents.length; axis++) {
            if (numbers.yes("The switch of an axis' classes")) {
                listed[axis] = list(numbers, extents[axis]);
                sum += highest(listed[axis]);
            }
        }
        contexts = 1 + sum;
    }

    /** The classes along an axis; null where all are 0. */
    byte[] along(int axis) {
        return listed[axis];
    }

    private static byte[] list(Numbers numbers, int extent) throws TfzException {
        if (extent > MOST_LISTED) {
            throw TfzException.damaged("An axis of " + extent + " positions lists their classes");
        }
        byte[] classes = new byte[extent];
        long current = 0;
        for (int position = 0; position < extent; position++) {
            current += numbers.signed(Numbers.CLASS);
            if (current < 0 || current > HIGHEST) {
                throw TfzException.damaged("A position has the class " + current);
            }
            classes[position] = (byte) current;
        }
        return classes;
    }

    private static int highest(byte[] classes) {
        int highest = 0;
        for (byte each : classes) {
            highest = Math.max(highest, each);
        }
        return highest;
    }
}
