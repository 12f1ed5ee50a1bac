/** One model in LiteRT.js: loaded, checked against demo.json, run, and freed. */

import {loadAndCompile, loadLiteRt, Tensor, unloadLiteRt} from '@litertjs/core';

import {loadModel} from './contract.js';
import {firstLine, Problem} from './problem.js';

/** What it runs on, as it is shown. */
export const RUNTIME = 'LiteRT.js, WebAssembly CPU';

const WASM_FOLDER = './wasm/';
const loaded = new Map();
let runtime = null;

/** The classifier of a model, loaded when it is first asked for. */
export async function classifierFor(model) {
  if (!loaded.has(model.id)) {
    loaded.set(model.id, await load(model));
  }
  return loaded.get(model.id);
}

async function load(model) {
  const bytes = await loadModel(model);
  runtime ??= loadLiteRt(WASM_FOLDER);
  try {
    await runtime;
  } catch (error) {
    runtime = null;
    throw new Problem('runtimeMissing', {reason: firstLine(error)});
  }
  let compiled;
  try {
    compiled = await loadAndCompile(bytes, {accelerator: 'wasm'});
    check(compiled, model);
  } catch (error) {
    compiled?.delete();
    if (error instanceof WebAssembly.RuntimeError) {
      startAnew();
    }
    throw error instanceof Problem ? error : refusal(error, model);
  }
  return new Classifier(compiled, model);
}

/** A trap leaves the WebAssembly memory in any state: all models go, and are loaded again when they are needed. */
function startAnew() {
  loaded.clear();
  runtime = null;
  try {
    unloadLiteRt();
  } catch {
    // What was trapped cannot free its memory; the instance is dropped all the same, and the next one is new.
  }
}

/** What LiteRT.js 2.5.3 means: it reads tensors of float32, int32 and uint8 only, and says so while it loads. */
function refusal(error, model) {
  const type = /Element type (\w+) is not supported/.exec(String(error))?.[1];
  if (type) {
    return new Problem('wrongType', {name: model.name, type: type.toLowerCase()});
  }
  return new Problem('notLoaded', {name: model.name, reason: firstLine(error)});
}

function check(compiled, model) {
  const ports = [
    [compiled.getInputDetails(), model.input],
    [compiled.getOutputDetails(), model.output],
  ];
  for (const [found, expected] of ports) {
    if (found.length !== 1) {
      throw new Problem('otherShape', {name: model.name, shape: `${found.length} tensors`});
    }
    const [{dtype, shape}] = found;
    const text = Array.from(shape).join('×');
    if (dtype !== 'float32') {
      throw new Problem('wrongType', {name: model.name, type: dtype});
    }
    if (shape.includes(-1)) {
      throw new Problem('freeAxis', {name: model.name, shape: text.replaceAll('-1', '?')});
    }
    if (text !== expected.shape.join('×')) {
      throw new Problem('otherShape', {name: model.name, shape: text});
    }
  }
}

class Classifier {
  constructor(compiled, model) {
    this.compiled = compiled;
    this.model = model;
  }

  /** The outputs for one input, float32. */
  async run(input) {
    const tensor = new Tensor(input, this.model.input.shape);
    try {
      const [output] = await this.compiled.run(tensor);
      try {
        return output.toTypedArray().slice();
      } finally {
        output.delete();
      }
    } finally {
      tensor.delete();
    }
  }

  /** Runs `count` times in a row and gives the milliseconds of all together; the input is copied once, before. */
  async time(input, count) {
    const tensor = new Tensor(input, this.model.input.shape);
    try {
      const begin = performance.now();
      for (let i = 0; i < count; i++) {
        const outputs = await this.compiled.run(tensor);
        outputs.forEach((output) => output.delete());
      }
      return performance.now() - begin;
    } finally {
      tensor.delete();
    }
  }
}
