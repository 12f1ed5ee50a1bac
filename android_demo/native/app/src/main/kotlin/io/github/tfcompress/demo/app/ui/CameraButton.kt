package io.github.tfcompress.demo.app.ui

import android.Manifest
import android.content.Context
import android.content.Intent
import android.content.pm.PackageManager
import android.net.Uri
import android.provider.Settings
import androidx.activity.compose.rememberLauncherForActivityResult
import androidx.activity.result.contract.ActivityResultContracts.RequestPermission
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.platform.LocalContext
import androidx.compose.ui.res.stringResource
import io.github.tfcompress.demo.app.R

/** Switches the camera on and off; asks for the permission when it is first needed, and says so where it was refused. */
@Composable
fun CameraButton(cameraOn: Boolean, showCamera: (Boolean) -> Unit) {
    val context = LocalContext.current
    var refused by rememberSaveable { mutableStateOf(false) }
    val permission = rememberLauncherForActivityResult(RequestPermission()) { granted ->
        refused = !granted
        showCamera(granted)
    }
    OutlinedButton(
        onClick = {
            when {
                cameraOn -> showCamera(false)
                mayUseCamera(context) -> showCamera(true)
                else -> permission.launch(Manifest.permission.CAMERA)
            }
        },
    ) {
        Text(stringResource(if (cameraOn) R.string.camera_off else R.string.camera_on))
    }
    if (refused && !cameraOn) {
        Text(stringResource(R.string.camera_refused))
        TextButton(onClick = { openSettings(context) }) { Text(stringResource(R.string.open_settings)) }
    }
}

private fun mayUseCamera(context: Context): Boolean =
    context.checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED

private fun openSettings(context: Context) {
    val app = Uri.fromParts("package", context.packageName, null)
    context.startActivity(Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, app))
}
