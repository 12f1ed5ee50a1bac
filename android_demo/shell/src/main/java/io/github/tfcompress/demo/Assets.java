package io.github.tfcompress.demo;

import java.io.IOException;
import java.io.InputStream;

/** The files that the APK carries, by their names in its folder {@code assets}. */
interface Assets {
    /**
     * Opens a file.
     *
     * @throws java.io.FileNotFoundException if there is none of this name
     */
    InputStream open(String name) throws IOException;
}
