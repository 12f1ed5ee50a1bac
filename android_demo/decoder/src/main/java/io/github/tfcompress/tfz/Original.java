package io.github.tfcompress.tfz;

import java.io.IOException;
import java.io.OutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** The bytes that come out, held against the size and the SHA-256 that the header promised. */
final class Original {
    private final OutputStream out;
    private final MessageDigest digest = sha256();
    private final long size;
    private final byte[] hash;
    private long left;

    Original(OutputStream out, long size, byte[] hash) {
        this.out = out;
        this.size = size;
        this.hash = hash;
        this.left = size;
    }

    void write(byte[] bytes, int from, int length) throws IOException {
        if (length > left) {
            throw TfzException.damaged("The content is longer than the " + size + " bytes that the header promises");
        }
        left -= length;
        digest.update(bytes, from, length);
        out.write(bytes, from, length);
    }

    void verify() throws TfzException {
        if (left != 0) {
            throw TfzException.damaged("The content ends " + left + " bytes before the size that the header promises");
        }
        if (!MessageDigest.isEqual(digest.digest(), hash)) {
            throw TfzException.damaged("The unpacked content has not the SHA-256 that the header promises");
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException("Every Java and Android platform has SHA-256", impossible);
        }
    }
}
