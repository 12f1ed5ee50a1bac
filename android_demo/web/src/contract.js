/** Reads the demo folder: demo.json, and a model's bytes once they are what it says (docs/demo_contract.md). */

import {firstLine, Problem} from './problem.js';

const SCHEMA = 1;
const IDENTIFIER = 'TFL3';

/** Where the demo folder lies, beside the page. */
export const FOLDER = './demo/';

/** The content of demo.json. */
export async function loadDemo() {
  const response = await get(`${FOLDER}demo.json`, 'demoMissing');
  let demo;
  try {
    demo = await response.json();
  } catch (error) {
    throw new Problem('demoUnreadable', {reason: firstLine(error)});
  }
  if (demo?.schema !== SCHEMA) {
    throw new Problem('demoSchema', {schema: String(demo?.schema), known: SCHEMA});
  }
  return demo;
}

/** The bytes of a model's .tflite, checked. */
export async function loadModel(model) {
  const response = await get(FOLDER + model.file, 'modelMissing', {name: model.name});
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (!crypto.subtle) {
    throw new Problem('insecure');
  }
  const received = await sha256(bytes);
  if (received !== model.sha256) {
    throw new Problem('wrongHash', {
      name: model.name,
      expected: model.sha256.slice(0, 12),
      received: received.slice(0, 12),
    });
  }
  if (String.fromCharCode(...bytes.subarray(4, 8)) !== IDENTIFIER) {
    throw new Problem('noTflite', {name: model.name});
  }
  return bytes;
}

/** The SHA-256 of bytes, as 64 hexadecimal digits. */
export async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function get(url, missing, details = {}) {
  let response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new Problem(missing, {...details, reason: firstLine(error)});
  }
  if (response.status === 422) {
    // The Activity could not unpack the .tfz, and says why.
    throw new Problem('damagedTfz', {...details, reason: firstLine(await response.text())});
  }
  if (!response.ok) {
    throw new Problem(missing, {...details, reason: `${response.status} ${response.statusText}`.trim()});
  }
  return response;
}
