package io.github.tfcompress.tfz;

import java.io.IOException;

/** A file that cannot be unpacked: it is not a {@code .tfz}, of another version, cut off or damaged. */
public final class TfzException extends IOException {
    private static final long serialVersionUID = 1L;

    TfzException(String message) {
        super(message);
    }

    /** A file whose content contradicts itself or the format; {@code what} is a clause without a full stop. */
    static TfzException damaged(String what) {
        return new TfzException(what + ". The file is cut off or damaged: copy it again, or pack it again.");
    }
}
