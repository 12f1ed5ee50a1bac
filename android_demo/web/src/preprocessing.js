/**
 * From pixels to what a model takes, as docs/demo_contract.md defines it: exact in integers up to the last step, so that the
 * values are those of Python, bit for bit.
 *
 * A picture is {data, width, height}, where data has four bytes a pixel, red green blue alpha, in rows.
 */

/** The input of a model: float32, in the order height, width, channel. */
export function modelInput(picture, {shape, mean, std}) {
  const [, height, width, channels] = shape;
  const pixels = resampled(picture, crop(picture, height, width), height, width);
  const input = new Float32Array(height * width * channels);
  for (let at = 0; at < height * width; at++) {
    const colours = [pixels[3 * at], pixels[3 * at + 1], pixels[3 * at + 2]];
    const values = channels === 1 ? [grey(...colours)] : colours;
    values.forEach((value, channel) => {
      input[at * channels + channel] = (value - mean[channel]) / std[channel];
    });
  }
  return input;
}

/** The middle of a picture with the proportions of `height` and `width`: {left, top, width, height}. */
export function crop(picture, height, width) {
  const wide = picture.width * height > picture.height * width;
  const box = {
    width: wide ? Math.max(1, Math.floor((picture.height * width) / height)) : picture.width,
    height: wide ? picture.height : Math.max(1, Math.floor((picture.width * height) / width)),
  };
  return {
    ...box,
    left: Math.floor((picture.width - box.width) / 2),
    top: Math.floor((picture.height - box.height) / 2),
  };
}

/** Each pixel of the result is the mean of the area it covers; three numbers a pixel, in rows. */
function resampled(picture, box, height, width) {
  const columns = overlaps(box.width, width);
  const rows = overlaps(box.height, height);
  const sums = new Float64Array(height * width * 3); // every sum is an integer below 2**53
  const line = new Float64Array(width * 3);
  const reached = rows.map(({from, weights}) => from + weights.length);
  for (let v = 0, first = 0; v < box.height; v++) {
    sumAlongRow(picture, box, v, columns, line);
    while (first < height && reached[first] <= v) {
      first++;
    }
    for (let y = first; y < height && rows[y].from <= v; y++) {
      const weight = rows[y].weights[v - rows[y].from];
      for (let i = 0; i < line.length; i++) {
        sums[y * line.length + i] += weight * line[i];
      }
    }
  }
  const area = box.width * box.height;
  const half = Math.floor(area / 2);
  return sums.map((sum) => Math.floor((sum + half) / area));
}

function sumAlongRow(picture, box, v, columns, line) {
  const start = 4 * ((box.top + v) * picture.width + box.left);
  columns.forEach(({from, weights}, x) => {
    for (let channel = 0; channel < 3; channel++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) {
        sum += weights[i] * picture.data[start + 4 * (from + i) + channel];
      }
      line[3 * x + channel] = sum;
    }
  });
}

/** For each target pixel the source pixels that it covers, from which on, and how much of each. */
function overlaps(source, target) {
  return Array.from({length: target}, (_, j) => {
    const from = Math.floor((j * source) / target);
    const to = Math.ceil(((j + 1) * source) / target);
    const weights = Array.from({length: to - from}, (__, i) => {
      const begin = Math.max((from + i) * target, j * source);
      return Math.min((from + i + 1) * target, (j + 1) * source) - begin;
    });
    return {from, weights};
  });
}

function grey(red, green, blue) {
  return Math.floor((299 * red + 587 * green + 114 * blue + 500) / 1000);
}
