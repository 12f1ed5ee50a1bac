package io.github.tfcompress.tfz;

/** In which order the coder goes through the symbols of a row: three nested loops over its axes. */
final class Order {
    /** How many positions the axes of the loops have, the outermost first. */
    final int[] extents;
    /** How far in the file's order one step of each loop goes. */
    final int[] strides;

    private final int[] axes;

    /** Axes i, k and j have {@code outer}, {@code middle} and {@code inner} positions. */
    Order(int outer, int middle, int inner, boolean transposed) {
        int plane = middle * inner;
        axes = transposed ? new int[] {1, 2, 0} : new int[] {0, 1, 2};
        extents = transposed ? new int[] {middle, inner, outer} : new int[] {outer, middle, inner};
        strides = transposed ? new int[] {inner, 1, plane} : new int[] {plane, inner, 1};
    }

    /** The classes along the axes in the order of the loops. */
    byte[][] classes(Classes classes) {
        return new byte[][] {classes.along(axes[0]), classes.along(axes[1]), classes.along(axes[2])};
    }

    /** The sum of the outer two classes. */
    static int outerClass(byte[][] classes, int first, int second) {
        return (classes[0] == null ? 0 : classes[0][first]) + (classes[1] == null ? 0 : classes[1][second]);
    }
}
