package io.github.tfcompress.demo;

import android.Manifest;
import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.net.Uri;
import android.webkit.PermissionRequest;
import android.webkit.ValueCallback;
import android.webkit.WebChromeClient;
import android.webkit.WebView;
import android.widget.Toast;
import java.util.Arrays;

/** What the page asks the phone for: the camera, and a photo. */
final class PageClient extends WebChromeClient {
    private static final int CAMERA = 1;
    private static final int PHOTO = 2;
    private static final String[] VIDEO = {PermissionRequest.RESOURCE_VIDEO_CAPTURE};

    private final Activity activity;
    private PermissionRequest waiting;
    private ValueCallback<Uri[]> receiver;

    PageClient(Activity activity) {
        this.activity = activity;
    }

    @Override
    public void onPermissionRequest(PermissionRequest request) {
        boolean own = AppOrigin.ADDRESS.equals(request.getOrigin().toString());
        if (!own || !Arrays.asList(request.getResources()).contains(PermissionRequest.RESOURCE_VIDEO_CAPTURE)) {
            request.deny();
        } else if (activity.checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED) {
            request.grant(VIDEO);
        } else {
            deny(waiting);
            waiting = request;
            activity.requestPermissions(new String[] {Manifest.permission.CAMERA}, CAMERA);
        }
    }

    @Override
    public void onPermissionRequestCanceled(PermissionRequest request) {
        if (request == waiting) {
            waiting = null;
        }
    }

    void onPermissions(int request, int[] results) {
        if (request != CAMERA || waiting == null) {
            return;
        }
        if (results.length > 0 && results[0] == PackageManager.PERMISSION_GRANTED) {
            waiting.grant(VIDEO);
        } else {
            waiting.deny();
        }
        waiting = null;
    }

    @Override
    public boolean onShowFileChooser(WebView view, ValueCallback<Uri[]> callback, FileChooserParams parameters) {
        give(null);
        receiver = callback;
        try {
            activity.startActivityForResult(parameters.createIntent(), PHOTO);
        } catch (ActivityNotFoundException nobody) {
            give(null);
            Toast.makeText(activity, R.string.no_photo_app, Toast.LENGTH_LONG).show();
        }
        return true;
    }

    void onPhoto(int request, int result, Intent data) {
        if (request == PHOTO) {
            give(FileChooserParams.parseResult(result, data));
        }
    }

    /** The page waits for an answer to each question, also for a no; otherwise it could never ask again. */
    private void give(Uri[] photos) {
        if (receiver != null) {
            receiver.onReceiveValue(photos);
            receiver = null;
        }
    }

    private static void deny(PermissionRequest request) {
        if (request != null) {
            request.deny();
        }
    }
}
