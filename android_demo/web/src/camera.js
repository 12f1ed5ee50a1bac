/** The camera: asked for, shown, and let go of. */

import {firstLine, Problem} from './problem.js';

const WANTED = {video: {facingMode: 'environment', width: {ideal: 640}, height: {ideal: 480}}, audio: false};

/** Shows the camera in a video element; gives a function that lets go of it. */
export async function startCamera(video) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Problem('cameraMissing');
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia(WANTED);
  } catch (error) {
    throw problemOfCamera(error);
  }
  video.srcObject = stream;
  try {
    await video.play();
  } catch (error) {
    stop(stream, video);
    throw problemOfCamera(error);
  }
  return () => stop(stream, video);
}

function stop(stream, video) {
  stream.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
}

function problemOfCamera(error) {
  if (error.name === 'NotAllowedError' || error.name === 'SecurityError') {
    return new Problem('cameraDenied');
  }
  if (error.name === 'NotFoundError' || error.name === 'OverconstrainedError') {
    return new Problem('cameraMissing');
  }
  return new Problem('cameraFailed', {reason: firstLine(error)});
}
