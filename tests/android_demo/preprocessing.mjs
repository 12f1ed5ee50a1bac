// The page's preprocessing for test_javascript.py: reads cases as JSON from stdin, writes each input as base64 of float32.
import {readFileSync} from 'node:fs';

import {modelInput} from '../../android_demo/web/src/preprocessing.js';
import {answerOf, quantile, sharesOf} from '../../android_demo/web/src/scores.js';

const cases = JSON.parse(readFileSync(0, 'utf8'));
const inputs = cases.pictures.map(({data, width, height, port}) => {
  const input = modelInput({data: Buffer.from(data, 'base64'), width, height}, port);
  return Buffer.from(input.buffer).toString('base64');
});
const quantiles = cases.times.map((times) => [quantile(times, 0.5), quantile(times, 0.9)]);
const shares = cases.outputs.map((outputs) => sharesOf(Float32Array.from(outputs), 'logits'));
const answers = cases.outputs.map((outputs) => answerOf(Float32Array.from(outputs)));
process.stdout.write(JSON.stringify({inputs, quantiles, shares, answers}));
