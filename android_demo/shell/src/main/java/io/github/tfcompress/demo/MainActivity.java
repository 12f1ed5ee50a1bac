package io.github.tfcompress.demo;

import android.app.Activity;
import android.os.Bundle;
import android.view.View;
import android.view.ViewGroup;
import android.view.WindowInsets;
import android.webkit.WebSettings;
import android.webkit.WebView;
import android.widget.FrameLayout;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;

/**
 * One WebView with the page of assets/www.
 *
 * <p>In this package: anonymous classes, no lambdas, which dx does not translate; and of Android what API 23 has, because its
 * is the newest android.jar in Debian.
 */
public final class MainActivity extends Activity {
    private WebView web;
    private PageClient pageClient;

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        web = new WebView(this);
        web.setBackgroundColor(getColor(R.color.background));
        WebSettings settings = web.getSettings();
        settings.setJavaScriptEnabled(true);
        settings.setAllowFileAccess(false);
        settings.setAllowContentAccess(true); // a photo that was chosen is a content: address
        settings.setMediaPlaybackRequiresUserGesture(false); // the camera's picture plays by itself
        pageClient = new PageClient(this);
        web.setWebChromeClient(pageClient);
        web.setWebViewClient(new OriginClient(new AppOrigin(assets(), new ModelStore(new File(getFilesDir(), "models")))));
        setContentView(insideBars(web));
        web.loadUrl(AppOrigin.ADDRESS);
    }

    @Override
    public void onRequestPermissionsResult(int request, String[] permissions, int[] results) {
        pageClient.onPermissions(request, results);
    }

    @Override
    protected void onActivityResult(int request, int result, android.content.Intent data) {
        super.onActivityResult(request, result, data);
        pageClient.onPhoto(request, result, data);
    }

    @Override
    protected void onPause() {
        super.onPause();
        web.onPause(); // the page is told that it is hidden, and lets go of the camera
    }

    @Override
    protected void onResume() {
        super.onResume();
        web.onResume();
    }

    @Override
    protected void onDestroy() {
        web.destroy();
        super.onDestroy();
    }

    private Assets assets() {
        return new Assets() {
            @Override
            public InputStream open(String name) throws IOException {
                return getAssets().open(name);
            }
        };
    }

    /** From target API 35 on the window reaches below the system's bars and the keyboard: the page is kept out of there. */
    private View insideBars(View content) {
        FrameLayout frame = new FrameLayout(this);
        frame.addView(
                content,
                new FrameLayout.LayoutParams(
                        ViewGroup.LayoutParams.MATCH_PARENT, ViewGroup.LayoutParams.MATCH_PARENT));
        frame.setOnApplyWindowInsetsListener(
                new View.OnApplyWindowInsetsListener() {
                    @Override
                    public WindowInsets onApplyWindowInsets(View view, WindowInsets insets) {
                        view.setPadding(
                                insets.getSystemWindowInsetLeft(),
                                insets.getSystemWindowInsetTop(),
                                insets.getSystemWindowInsetRight(),
                                insets.getSystemWindowInsetBottom());
                        return insets.consumeSystemWindowInsets();
                    }
                });
        return frame;
    }
}
