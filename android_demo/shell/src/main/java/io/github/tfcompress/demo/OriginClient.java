package io.github.tfcompress.demo;

import android.webkit.WebResourceRequest;
import android.webkit.WebResourceResponse;
import android.webkit.WebView;
import android.webkit.WebViewClient;
import java.util.Collections;

/** Hands every request of the page to {@link AppOrigin}, on the WebView's own thread, so that unpacking stops nobody. */
final class OriginClient extends WebViewClient {
    private final AppOrigin origin;

    OriginClient(AppOrigin origin) {
        this.origin = origin;
    }

    @Override
    public WebResourceResponse shouldInterceptRequest(WebView view, WebResourceRequest request) {
        Answer answer = origin.answer(request.getUrl().toString());
        // No encoding: the page's texts are UTF-8 in any case, and WebAssembly with one would not be compiled as it arrives.
        return new WebResourceResponse(
                answer.mime,
                null,
                answer.status,
                answer.reason,
                Collections.singletonMap("Cache-Control", "no-store"),
                answer.body);
    }
}
