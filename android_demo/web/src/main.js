/** The page: what the user does leads to one piece of work after the other, and its result to the screen. */

import {startCamera} from './camera.js';
import {checked} from './checking.js';
import {classifierFor, RUNTIME} from './classifier.js';
import {FOLDER, loadDemo} from './contract.js';
import {latencies, RUNS} from './latency.js';
import {bundledPicture, framePicture, photoPicture} from './pictures.js';
import {modelInput} from './preprocessing.js';
import {problemOf} from './problem.js';
import * as view from './view.js';

const FRAME_MILLISECONDS = 200; // between two frames of the camera that are classified

let demo;
let model;
let picture; // {pixels, source, expected, at} of what is classified
let stopCamera = null;
let lastWork = Promise.resolve();

/** Work runs one piece at a time, in the order in which it was asked for; what goes wrong is shown. */
function work(piece, {busy = true} = {}) {
  lastWork = lastWork.then(async () => {
    view.showBusy(busy, Boolean(demo));
    try {
      await piece();
    } catch (error) {
      view.showProblem(problemOf(error));
    } finally {
      view.showBusy(false, Boolean(demo));
    }
  });
  return lastWork;
}

async function classify() {
  if (!picture) {
    return;
  }
  const [used, shown] = [model, picture];
  try {
    const classifier = await classifierFor(used);
    const outputs = await classifier.run(modelInput(shown.pixels, used.input));
    view.showFailure(used, null);
    view.showProblem(null);
    view.showResult({model: used, source: shown.source, outputs, expected: shown.expected});
  } catch (error) {
    view.clearResult();
    view.showFailure(used, problemOf(error));
    throw error;
  }
}

function chooseModel(chosen) {
  model = chosen;
  view.showChosen(model, picture?.at ?? -1);
  return work(classify);
}

function chooseImage(at) {
  endCamera();
  return work(async () => {
    endCamera(); // it may have been on its way when the image was chosen
    const {label} = demo.images[at];
    take({pixels: await pictureAt(at), source: `image ${at}`, expected: label, at});
    await classify();
  });
}

function choosePhoto(file) {
  endCamera();
  return work(async () => {
    endCamera();
    take({pixels: await photoPicture(file), source: 'photo', expected: null, at: -1});
    await classify();
  });
}

function take(taken) {
  picture = taken;
  view.showPicture(taken.pixels);
  view.showChosen(model, taken.at);
}

function pictureAt(at) {
  return bundledPicture(FOLDER + demo.images[at].file);
}

function toggleCamera() {
  if (stopCamera) {
    endCamera();
    return lastWork;
  }
  return work(async () => {
    if (stopCamera) {
      return; // asked for twice
    }
    const video = document.getElementById('video');
    stopCamera = await startCamera(video);
    view.showProblem(null);
    view.showCamera(true);
    watch(video);
  });
}

function endCamera() {
  stopCamera?.();
  stopCamera = null;
  view.showCamera(false);
}

/** Classifies what the camera sees, again and again, until it is let go of. */
async function watch(video) {
  const started = stopCamera;
  while (stopCamera === started) {
    await work(() => watchFrame(video, started), {busy: false});
    await new Promise((resolve) => {
      setTimeout(resolve, FRAME_MILLISECONDS);
    });
  }
}

async function watchFrame(video, started) {
  if (stopCamera !== started || !video.videoWidth) {
    return;
  }
  take({pixels: framePicture(video), source: 'camera', expected: null, at: -1});
  try {
    await classify();
  } catch (error) {
    endCamera();
    throw error;
  }
}

async function measure() {
  endCamera();
  const {pixels} = picture ?? {pixels: await pictureAt(0)};
  const candidates = [];
  for (const each of await loadable()) {
    candidates.push({classifier: await classifierFor(each), input: modelInput(pixels, each.input)});
  }
  if (candidates.length === 0) {
    view.showProgress(null); // why stands beside each model
    return;
  }
  const times = await latencies(candidates, (done, total) => view.showProgress('measuring', {done, total}));
  candidates.forEach(({classifier}, at) => view.showTimes(classifier.model, times[at]));
  view.showProgress('measured', {runs: RUNS, runtime: RUNTIME});
}

/** The models that can be loaded, tried once each: a failure may take the models before it out of memory. */
async function loadable() {
  const found = [];
  for (const each of demo.models) {
    view.showProgress('loading', {name: each.name});
    try {
      await classifierFor(each);
      view.showFailure(each, null);
      found.push(each);
    } catch (error) {
      view.showFailure(each, problemOf(error));
    }
  }
  return found;
}

async function check() {
  endCamera();
  const used = model; // the user may choose another one meanwhile
  view.showProgress(null);
  const classifier = await classifierFor(used);
  const report = (details) => view.showProgress('checking', details);
  const {key, details} = await checked(used, classifier, demo, pictureAt, report);
  view.showProgress(key, details);
}

function listen() {
  const file = document.getElementById('file');
  document.getElementById('photo').addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    if (file.files.length) {
      choosePhoto(file.files[0]);
      file.value = ''; // so that the same photo can be chosen again
    }
  });
  document.getElementById('camera').addEventListener('click', toggleCamera);
  document.getElementById('measure').addEventListener('click', () => work(measure));
  document.getElementById('check').addEventListener('click', () => work(check));
  document.addEventListener('visibilitychange', () => document.hidden && endCamera());
}

view.showTexts();
await work(async () => {
  demo = await loadDemo();
  [model] = demo.models;
  view.showDemo(demo, {model: chooseModel, image: chooseImage});
  listen();
});
if (demo) {
  await chooseImage(0);
}
