/** Where pictures come from: a bundled file, a photo of the user's, a frame of the camera. */

import {Problem} from './problem.js';

const LARGEST_SIDE = 1024; // of a photo; more would cost time and memory, and models take far less

/** The pixels of a bundled image, exactly as they are in its file. */
export async function bundledPicture(url) {
  let bitmap;
  try {
    const blob = await (await fetch(url)).blob();
    bitmap = await createImageBitmap(blob, {colorSpaceConversion: 'none', premultiplyAlpha: 'none'});
  } catch {
    throw new Problem('imageUnreadable', {name: url});
  }
  const pixels = drawn(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  return pixels;
}

/** The pixels of a photo, upright and made smaller. */
export async function photoPicture(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {imageOrientation: 'from-image'});
  } catch {
    throw new Problem('imageUnreadable', {name: file.name});
  }
  const pixels = reduced(bitmap, bitmap.width, bitmap.height);
  bitmap.close(); // a photo has tens of megabytes, and the garbage collector does not see them
  return pixels;
}

/** What a video shows at this moment. */
export function framePicture(video) {
  return reduced(video, video.videoWidth, video.videoHeight);
}

function reduced(source, width, height) {
  const share = Math.min(1, LARGEST_SIDE / Math.max(width, height));
  return drawn(source, Math.max(1, Math.round(width * share)), Math.max(1, Math.round(height * share)));
}

function drawn(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', {alpha: false, willReadFrequently: true});
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}
