/** What is on the screen: built once from demo.json, then changed. It decides nothing. */

import {FOLDER} from './contract.js';
import {answerOf, sharesOf} from './scores.js';
import {bytes, language, milliseconds, number, percent, text} from './strings.js';

const SHOWN_SHARES = 3;
const PREVIEW_PIXELS = 192;

const byId = (id) => document.getElementById(id);

/** The texts that do not depend on the demo. */
export function showTexts() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-text]')) {
    element.textContent = text(element.dataset.text);
  }
  for (const id of ['preview', 'video']) {
    byId(id).setAttribute('aria-label', text('preview'));
  }
}

/** Title, models and images; `choose` is called with what the user picks. */
export function showDemo(demo, choose) {
  document.title = demo.title;
  byId('title').textContent = demo.title;
  byId('credits').textContent = demo.credits;
  byId('models').replaceChildren(...demo.models.map((model) => modelButton(model, demo.models[0], choose.model)));
  byId('models').addEventListener('keydown', moveBetweenRadios);
  byId('images').replaceChildren(...demo.images.map((image, at) => thumbnail(image, at, choose.image)));
}

function modelButton(model, first, choose) {
  const button = element('button', 'model');
  button.type = 'button';
  button.dataset.model = model.id;
  button.setAttribute('role', 'radio');
  const facts = [model.arithmetic, text('sizes', {packed: bytes(model.packed_bytes), size: bytes(model.size_bytes)})];
  if (model.packed_bytes < first.packed_bytes) {
    const rate = number(first.packed_bytes / model.packed_bytes, {maximumSignificantDigits: 3});
    facts.push(text('smaller', {rate}));
  }
  if (model.accuracy !== null) {
    facts.push(text('accuracy', {share: percent(model.accuracy, 2)}));
  }
  button.append(
    element('span', 'name', model.name),
    element('span', 'facts', facts.join(' · ')),
    element('span', 'times'),
    element('span', 'failure'),
  );
  button.addEventListener('click', () => choose(model));
  return button;
}

/** Arrow keys go from one radio button to the next and choose it, as they do in native groups. */
function moveBetweenRadios(event) {
  const step = {ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1}[event.key];
  if (!step) {
    return;
  }
  const radios = [...event.currentTarget.children];
  const next = radios.at((radios.indexOf(document.activeElement) + step) % radios.length);
  next.focus();
  next.click();
  event.preventDefault();
}

function thumbnail(image, at, choose) {
  const button = element('button', 'thumbnail');
  button.type = 'button';
  button.setAttribute('aria-label', text('image', {number: at + 1, label: image.label}));
  const picture = element('img');
  picture.src = FOLDER + image.file;
  picture.alt = '';
  button.append(picture);
  button.addEventListener('click', () => choose(at));
  return button;
}

/** Which model and which image are chosen; `imageAt` is -1 for a photo and for the camera. */
export function showChosen(model, imageAt) {
  for (const radio of byId('models').children) {
    const chosen = radio.dataset.model === model.id;
    radio.setAttribute('aria-checked', String(chosen));
    radio.tabIndex = chosen ? 0 : -1;
  }
  [...byId('images').children].forEach((button, at) => button.setAttribute('aria-pressed', String(at === imageAt)));
}

/** The picture that is classified. */
export function showPicture(picture) {
  const canvas = byId('preview');
  const side = Math.min(picture.width, picture.height);
  const source = new OffscreenCanvas(picture.width, picture.height);
  source.getContext('2d').putImageData(picture, 0, 0);
  const context = canvas.getContext('2d');
  context.imageSmoothingEnabled = side > PREVIEW_PIXELS;
  const [left, top] = [(picture.width - side) / 2, (picture.height - side) / 2];
  context.drawImage(source, left, top, side, side, 0, 0, PREVIEW_PIXELS, PREVIEW_PIXELS);
}

/**
 * The answer. What was computed stands in data attributes too, for whoever wants it in full.
 *
 * @param {{model: object, source: string, outputs: Float32Array, expected: ?string}} result
 */
export function showResult({model, source, outputs, expected}) {
  const shares = sharesOf(outputs, model.output.scores);
  const answer = model.labels[answerOf(outputs)];
  setText(byId('label'), answer);
  showVerdict(answer, expected);
  const order = [...shares.keys()].sort((a, b) => shares[b] - shares[a]);
  byId('shares').replaceChildren(...order.slice(0, SHOWN_SHARES).map((at) => shareRow(model.labels[at], shares[at])));
  Object.assign(byId('result').dataset, {model: model.id, source, outputs: JSON.stringify(Array.from(outputs))});
}

/** Nothing is known about the picture any more, or not yet. */
export function clearResult() {
  setText(byId('label'), '');
  showVerdict('', null);
  byId('shares').replaceChildren();
  for (const key of ['model', 'source', 'outputs']) {
    delete byId('result').dataset[key];
  }
}

function showVerdict(answer, expected) {
  const verdict = byId('verdict');
  const right = answer === expected;
  verdict.className = `verdict ${expected === null ? '' : right ? 'right' : 'wrong'}`;
  verdict.textContent = expected === null ? '' : right ? text('right') : text('wrong', {label: expected});
}

function shareRow(label, share) {
  const row = element('li');
  const bar = element('progress');
  bar.value = share;
  bar.setAttribute('aria-hidden', 'true');
  row.append(element('span', '', label), element('span', '', percent(share)), bar);
  return row;
}

/** The latencies of the models, by their ids. */
export function showTimes(model, {median, p90}) {
  const times = modelPart(model, 'times');
  times.textContent = text('times', {median: milliseconds(median), p90: milliseconds(p90)});
  Object.assign(times.dataset, {median, p90});
}

/** What keeps one model from running; `null` takes it away. */
export function showFailure(model, problem) {
  modelPart(model, 'failure').textContent = problem ? text(problem.key, problem.details) : '';
}

function modelPart(model, part) {
  return document.querySelector(`[data-model="${model.id}"] .${part}`);
}

/** What went wrong; `null` takes it away. */
export function showProblem(problem) {
  const banner = byId('problem');
  banner.hidden = !problem;
  setText(banner, problem ? text(problem.key, problem.details) : '');
  banner.dataset.key = problem?.key ?? '';
}

/** Where long work stands, or how it ended. */
export function showProgress(key, details) {
  const progress = byId('progress');
  progress.textContent = key ? text(key, details) : '';
  progress.dataset.key = key ?? '';
}

/** Without a demo no button does anything; while the page is at work, those that start long work wait. */
export function showBusy(busy, ready) {
  byId('main').setAttribute('aria-busy', String(busy));
  for (const id of ['measure', 'check']) {
    byId(id).disabled = busy || !ready;
  }
  for (const id of ['photo', 'camera']) {
    byId(id).disabled = !ready;
  }
}

/** Whether the camera runs. */
export function showCamera(on) {
  byId('camera').setAttribute('aria-pressed', String(on));
  byId('video').hidden = !on;
  byId('preview').hidden = on;
}

/** A screen reader repeats a live text each time it is set: with the camera on that would never end. */
function setText(target, value) {
  if (target.textContent !== value) {
    target.textContent = value;
  }
}

function element(tag, className = '', content = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = content;
  return made;
}
