package io.github.tfcompress.tfz;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.Arrays;

/**
 * How fast a file is unpacked, again and again: prints the seconds of the first time, the median of the later ones, and the
 * median of the CPU seconds that the thread took in these, which other programs on the machine change less.
 */
final class Speed {
    private Speed() {}

    public static void main(String[] arguments) throws IOException {
        File packed = new File(arguments[0]);
        File original = new File(arguments[1]);
        int times = Integer.parseInt(arguments[2]);
        double[] seconds = new double[times];
        double[] used = new double[times];
        for (int i = 0; i < times; i++) {
            long begin = System.nanoTime();
            long usedBefore = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
            TfzDecoder.unpack(packed, original);
            seconds[i] = (System.nanoTime() - begin) / 1e9;
            used[i] = (ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - usedBefore) / 1e9;
        }
        System.out.println(seconds[0] + " " + medianOfLater(seconds) + " " + medianOfLater(used));
    }

    private static double medianOfLater(double[] values) {
        double[] later = Arrays.copyOfRange(values, 1, values.length);
        Arrays.sort(later);
        return later[later.length / 2];
    }
}
