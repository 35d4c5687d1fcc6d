// @ts-check
// The list of a site's files in its service worker: reading it, and writing another. For the page and for precache.mjs.

const LIST = /(const SITE = [^\n]*\()(\{.*\})(\);\n)/;

/** @param {BufferSource} bytes @returns {Promise<string>} a digest as the integrity of a request has it */
export async function integrityOf(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `sha256-${btoa(String.fromCharCode(...digest))}`;
}

/**
 * @param {string} script of a service worker
 * @returns {Record<string, string>} digests by path
 */
export function listIn(script) {
  const list = LIST.exec(script)?.[2];
  if (!list) throw new Error("sw.js has no line `const SITE = ...`");
  return JSON.parse(list).files;
}

/**
 * The script with another list in place of the one it has.
 *
 * @param {string} script
 * @param {Record<string, string>} files
 */
export async function withList(script, files) {
  if (!LIST.test(script)) throw new Error("sw.js has no line `const SITE = ...`");
  const version = (await integrityOf(new TextEncoder().encode(JSON.stringify(files)))).slice(7, 19);
  return script.replace(LIST, (_, before, _list, after) => before + JSON.stringify({ version, files }) + after);
}
