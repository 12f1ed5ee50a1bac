/** From a model's output to an answer, and from times to a median. */

/** The class of the largest output, the first one where several are equal. */
export function answerOf(outputs) {
  return outputs.reduce((best, value, at) => (value > outputs[best] ? at : best), 0);
}

/** The shares shown to people: probabilities as they are, logits after softmax. */
export function sharesOf(outputs, scores) {
  if (scores === 'probabilities') {
    return Array.from(outputs);
  }
  const largest = Math.max(...outputs);
  const powers = Array.from(outputs, (value) => Math.exp(value - largest));
  const total = powers.reduce((sum, value) => sum + value, 0);
  return powers.map((value) => value / total);
}

/** The quantile `q` of some times, with linear interpolation between the two nearest. */
export function quantile(times, q) {
  const sorted = Float64Array.from(times).sort();
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}
