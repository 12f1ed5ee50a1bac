package io.github.tfcompress.tfz;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * Unpacks many files in one process, for tests/packing/test_java_decoder.py: reads the length (4 bytes, big-endian) and the bytes of
 * each from stdin, writes 1 and the original, or 0 and the message, each with its length in front. Ends when stdin does.
 */
final class UnpackingServer {
    private UnpackingServer() {}

    public static void main(String[] arguments) throws IOException {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out));
        for (int first = in.read(); first >= 0; first = in.read()) {
            byte[] packed = new byte[first << 24 | in.readUnsignedByte() << 16 | in.readUnsignedShort()];
            in.readFully(packed);
            answer(packed, out);
            out.flush();
        }
    }

    private static void answer(byte[] packed, DataOutputStream out) throws IOException {
        boolean unpacked = true;
        byte[] answer;
        try {
            answer = TfzDecoder.unpack(packed);
        } catch (TfzException e) {
            unpacked = false;
            answer = e.getMessage().getBytes(StandardCharsets.UTF_8);
        }
        out.writeByte(unpacked ? 1 : 0);
        out.writeInt(answer.length);
        out.write(answer);
    }
}
