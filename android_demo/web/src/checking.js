/** Whether a model computes here what it computed in Python. */

import {sha256} from './contract.js';
import {modelInput} from './preprocessing.js';
import {answerOf} from './scores.js';

/**
 * Runs a model over all bundled images and holds inputs and outputs against demo.json.
 *
 * @returns {Promise<{key: string, details: object}>} what to say about it
 */
export async function checked(model, classifier, demo, pictureAt, report) {
  const {tolerance, inputs_sha256: inputs, outputs: golden} = model.golden;
  let largest = 0;
  let right = 0;
  for (const [at, image] of demo.images.entries()) {
    report({name: model.name, done: at + 1, total: demo.images.length});
    const input = modelInput(await pictureAt(at), model.input);
    if ((await sha256(input)) !== inputs[at]) {
      return {key: 'checkInputs', details: {name: model.name, image: at + 1}};
    }
    const outputs = await classifier.run(input);
    const difference = largestDifference(outputs, golden[at]);
    if (!(difference <= tolerance)) {
      return {key: 'checkFailed', details: {name: model.name, difference, image: at + 1, tolerance}};
    }
    largest = Math.max(largest, difference);
    right += model.labels[answerOf(outputs)] === image.label ? 1 : 0;
  }
  const details = {name: model.name, total: demo.images.length, right, difference: largest.toPrecision(2)};
  return {key: largest === 0 ? 'checkedExactly' : 'checkedClosely', details};
}

/** Golden outputs are float32 written in full: rounding gives them back. */
function largestDifference(outputs, golden) {
  return golden.reduce((most, value, at) => Math.max(most, Math.abs(outputs[at] - Math.fround(value))), 0);
}
