package io.github.tfcompress.demo;

import io.github.tfcompress.tfz.TfzException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.regex.Pattern;

/**
 * Answers the page's requests: everything below one address that no server has comes out of the APK, all else is refused.
 *
 * <p>Models lie in the APK as {@code .tfz} and are asked for as {@code .tflite}: they are unpacked on the way. No android.*
 * here: the tests let this class answer a browser on any JVM.
 */
final class AppOrigin {
    /** A secure context to browsers, and the address that Android's own WebViewAssetLoader has: nobody can register it. */
    static final String ADDRESS = "https://appassets.androidplatform.net/";

    private static final String FOLDER = "www/";
    private static final String FIRST_PAGE = "index.html";
    private static final String MODEL = ".tflite";
    private static final String PACKED = ".tfz";
    // Each part begins with a letter or digit, so that none is "..".
    private static final Pattern PATH = Pattern.compile("[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*");

    private final Assets assets;
    private final ModelStore models;

    AppOrigin(Assets assets, ModelStore models) {
        this.assets = assets;
        this.models = models;
    }

    Answer answer(String url) {
        if (url == null || !url.startsWith(ADDRESS)) {
            return Answer.refused(403, "Forbidden", "This app does not use the network.");
        }
        String path = before(before(url.substring(ADDRESS.length()), '#'), '?');
        if (path.isEmpty()) {
            path = FIRST_PAGE;
        }
        if (!PATH.matcher(path).matches()) {
            return Answer.refused(403, "Forbidden", "There are no such names in this app.");
        }
        try {
            return path.endsWith(MODEL) ? model(path) : Answer.found(mimeOf(path), assets.open(FOLDER + path));
        } catch (FileNotFoundException missing) {
            return Answer.refused(404, "Not Found", "This app has no " + path + ".");
        } catch (TfzException damaged) {
            return Answer.refused(422, "Unprocessable Content", damaged.getMessage());
        } catch (IOException failed) {
            return Answer.refused(500, "Internal Server Error", String.valueOf(failed.getMessage()));
        }
    }

    private Answer model(String path) throws IOException {
        String packed = path.substring(0, path.length() - MODEL.length()) + PACKED;
        return Answer.found(mimeOf(path), models.open(assets, FOLDER + packed));
    }

    private static String before(String text, char mark) {
        int at = text.indexOf(mark);
        return at < 0 ? text : text.substring(0, at);
    }

    /** Browsers run modules and compile WebAssembly while it arrives only under their exact types. */
    private static String mimeOf(String path) {
        switch (path.substring(path.lastIndexOf('.') + 1)) {
            case "html":
                return "text/html";
            case "js":
                return "text/javascript";
            case "css":
                return "text/css";
            case "json":
                return "application/json";
            case "wasm":
                return "application/wasm";
            case "svg":
                return "image/svg+xml";
            case "png":
                return "image/png";
            default:
                return "application/octet-stream";
        }
    }
}
