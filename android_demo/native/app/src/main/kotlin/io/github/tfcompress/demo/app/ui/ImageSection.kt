package io.github.tfcompress.demo.app.ui

import androidx.activity.compose.rememberLauncherForActivityResult
import androidx.activity.result.PickVisualMediaRequest
import androidx.activity.result.contract.ActivityResultContracts.PickVisualMedia
import androidx.compose.foundation.Image
import androidx.compose.foundation.clickable
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.FlowRow
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.height
import androidx.compose.foundation.layout.size
import androidx.compose.foundation.lazy.LazyRow
import androidx.compose.foundation.lazy.itemsIndexed
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.produceState
import androidx.compose.runtime.remember
import androidx.compose.ui.Modifier
import androidx.compose.ui.graphics.FilterQuality
import androidx.compose.ui.graphics.ImageBitmap
import androidx.compose.ui.graphics.asImageBitmap
import androidx.compose.ui.layout.ContentScale
import androidx.compose.ui.platform.LocalContext
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.Role
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.unit.dp
import io.github.tfcompress.demo.BundledImage
import io.github.tfcompress.demo.DemoState
import io.github.tfcompress.demo.PixelImage
import io.github.tfcompress.demo.app.DemoViewModel
import io.github.tfcompress.demo.app.R
import io.github.tfcompress.demo.app.toBitmap

/** The image that is classified, or what the camera sees, and where to take another one from. */
@Composable
fun ImageSection(state: DemoState, cameraOn: Boolean, viewModel: DemoViewModel) {
    val gallery = rememberLauncherForActivityResult(PickVisualMedia()) { uri -> uri?.let { viewModel.classify(it) } }
    Column(verticalArrangement = Arrangement.spacedBy(8.dp)) {
        Box(Modifier.fillMaxWidth().height(220.dp)) {
            if (cameraOn) {
                CameraPane { viewModel.classify(it) }
            } else {
                state.image?.let { ShownImage(it) }
            }
        }
        BundledImages(state.demo.images, viewModel)
        FlowRow(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
            OutlinedButton(onClick = { gallery.launch(PickVisualMediaRequest(PickVisualMedia.ImageOnly)) }) {
                Text(stringResource(R.string.gallery))
            }
            CameraButton(cameraOn, viewModel::showCamera)
        }
    }
}

@Composable
private fun ShownImage(image: PixelImage) {
    val bitmap = remember(image) { image.toBitmap().asImageBitmap() }
    // Small images are shown as the pixels that they are.
    val quality = if (bitmap.width < 100) FilterQuality.None else FilterQuality.Medium
    Image(
        bitmap,
        contentDescription = stringResource(R.string.image),
        modifier = Modifier.fillMaxWidth().height(220.dp),
        contentScale = ContentScale.Fit,
        filterQuality = quality,
    )
}

@Composable
private fun BundledImages(images: List<BundledImage>, viewModel: DemoViewModel) {
    LazyRow(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
        itemsIndexed(images, key = { _, image -> image.path }) { index, image ->
            Thumbnail(image, stringResource(R.string.bundled_image, index + 1, image.label), viewModel)
        }
    }
}

@Composable
private fun Thumbnail(image: BundledImage, description: String, viewModel: DemoViewModel) {
    val context = LocalContext.current
    val bitmap by produceState<ImageBitmap?>(null, image) { value = thumbnail(context.assets, image) }
    Box(
        Modifier.size(56.dp)
            .clickable(role = Role.Button) { viewModel.classify(image) }
            .semantics { contentDescription = description },
    ) {
        bitmap?.let {
            Image(it, contentDescription = null, modifier = Modifier.size(56.dp), contentScale = ContentScale.Crop)
        }
    }
}
