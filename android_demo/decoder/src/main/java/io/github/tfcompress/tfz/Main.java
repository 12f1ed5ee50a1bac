package io.github.tfcompress.tfz;

import java.io.File;
import java.io.IOException;

/** Unpacks one file from the command line, for tests and benchmarks. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        if (arguments.length != 2) {
            System.err.println("Usage: java -cp CLASSES " + Main.class.getName() + " PACKED.tfz ORIGINAL.tflite");
            System.exit(2);
        }
        try {
            TfzDecoder.unpack(new File(arguments[0]), new File(arguments[1]));
        } catch (IOException e) {
            System.err.println(e.getMessage());
            System.exit(1);
        }
    }
}
