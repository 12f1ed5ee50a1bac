package io.github.tfcompress.demo;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;

/**
 * Lets {@link AppOrigin} answer a browser, for tests/android_demo: the assets are a folder, the app's storage another one. Reads
 * addresses from stdin and writes status, type, length and body of each answer to stdout. Ends when stdin does.
 */
final class OriginServer {
    private OriginServer() {}

    public static void main(String[] arguments) throws IOException {
        final File assets = new File(arguments[0]);
        AppOrigin origin =
                new AppOrigin(
                        new Assets() {
                            @Override
                            public InputStream open(String name) throws IOException {
                                return new FileInputStream(new File(assets, name));
                            }
                        },
                        new ModelStore(new File(arguments[1])));
        DataInputStream in = new DataInputStream(System.in);
        DataOutputStream out = new DataOutputStream(System.out);
        try {
            while (true) {
                write(origin.answer(in.readUTF()), out);
            }
        } catch (EOFException end) {
            out.flush();
        }
    }

    private static void write(Answer answer, DataOutputStream out) throws IOException {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        try (InputStream in = answer.body) {
            byte[] chunk = new byte[1 << 16];
            for (int got = in.read(chunk); got >= 0; got = in.read(chunk)) {
                body.write(chunk, 0, got);
            }
        }
        out.writeInt(answer.status);
        out.writeUTF(answer.mime);
        out.writeInt(body.size());
        body.writeTo(out);
        out.flush();
    }
}
