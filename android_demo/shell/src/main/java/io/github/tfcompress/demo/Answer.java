package io.github.tfcompress.demo;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/** What the page gets for a request: a status as in HTTP, a type and a body. */
final class Answer {
    final int status;
    final String reason;
    final String mime;
    final InputStream body;

    private Answer(int status, String reason, String mime, InputStream body) {
        this.status = status;
        this.reason = reason;
        this.mime = mime;
        this.body = body;
    }

    static Answer found(String mime, InputStream body) {
        return new Answer(200, "OK", mime, body);
    }

    /** {@code text} is read by contract.js and shown. */
    static Answer refused(int status, String reason, String text) {
        return new Answer(status, reason, "text/plain", new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
    }
}
