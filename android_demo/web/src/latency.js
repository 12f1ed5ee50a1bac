/** How long the models take: in turns, after a warm-up, as median and p90 of many runs. */

import {quantile} from './scores.js';

export const RUNS = 100;
const ROUNDS = 10;
const WARM_UP_MILLISECONDS = 100;
// Without cross-origin isolation the clock ticks each 0.1 ms: a run of a small model is several inferences, and counts as their mean.
const SHORTEST_RUN_MILLISECONDS = 2;

/**
 * @param {{classifier: object, input: Float32Array}[]} candidates take turns, so that what else the device does hits all alike
 * @param {(done: number, total: number) => void} report is called after each turn
 * @returns {Promise<{median: number, p90: number, inferences: number}[]>} milliseconds of one inference, and how many a run has
 */
export async function latencies(candidates, report) {
  const counts = [];
  for (const {classifier, input} of candidates) {
    counts.push(await warmUp(classifier, input));
  }
  const times = candidates.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [at, {classifier, input}] of candidates.entries()) {
      for (let run = 0; run < RUNS / ROUNDS; run++) {
        times[at].push((await classifier.time(input, counts[at])) / counts[at]);
      }
      report(round * candidates.length + at + 1, ROUNDS * candidates.length);
      await paint();
    }
  }
  return times.map((all, at) => ({median: quantile(all, 0.5), p90: quantile(all, 0.9), inferences: counts[at]}));
}

/** Runs until the compiler of the browser has done its work; gives how many inferences make a run. */
async function warmUp(classifier, input) {
  const begin = performance.now();
  let inferences = 0;
  let spent = 0;
  while (spent < WARM_UP_MILLISECONDS) {
    await classifier.time(input, 1);
    inferences++;
    spent = performance.now() - begin;
  }
  return Math.max(1, Math.ceil((SHORTEST_RUN_MILLISECONDS * inferences) / spent));
}

function paint() {
  return new Promise((resolve) => {
    setTimeout(resolve);
  });
}
