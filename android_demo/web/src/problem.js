/** What can go wrong for a user, named so that it can be said in each language. */

export class Problem extends Error {
  /**
   * @param {string} key of a text in strings.js
   * @param {Object<string, string|number>} details what is filled into the text
   */
  constructor(key, details = {}) {
    super(`${key} ${JSON.stringify(details)}`);
    this.key = key;
    this.details = details;
  }
}

/** The problem that an error amounts to: one that is none of ours is shown as it is. */
export function problemOf(error) {
  return error instanceof Problem ? error : new Problem('unexpected', {reason: firstLine(error)});
}

/** What an error of a library says, short enough for a line of ours. */
export function firstLine(error) {
  const text = String(error?.message ?? error).split('\n', 1)[0].trim();
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
