// @ts-check
// Results that are kept on the device, in the browser's private file system, until they are deleted: a folder each. Where there is no such file
// system, in private windows of some browsers and on insecure pages, they are kept until the page is closed.

import { EngineError } from "../engine/errors.js";

const FOLDER = "raremap-results";
const ABOUT = "about.json";

/**
 * @typedef {object} About what is said of a kept result
 * @property {string} scene
 * @property {string} stem what the names of its files begin with
 * @property {string} date of the run
 * @property {{name: string, pixels: number, hectares: number | null}[]} rare areas of the rare classes
 * @property {string[]} files that can be saved
 * @property {Shown} [shown] what it takes to show it again; results of older versions lack it
 *
 * @typedef {object} Shown
 * @property {import("../wasm/raremap-web.js").SceneFacts} facts
 * @property {import("../wasm/raremap-web.js").Areas} areas
 * @property {import("../wasm/raremap-web.js").DecideOptions} options
 * @property {import("../wasm/raremap-web.js").Notice[]} warnings
 * @property {import("../view/figures.js").Figures} figures
 * @property {string} model its name
 * @property {string} note how the scene's colours came about
 * @property {KeptPicture[]} pictures
 *
 * @typedef {object} KeptPicture
 * @property {"scene" | "overlay" | "outline"} layer
 * @property {string} file
 * @property {[number, number, number, number]} extent what it shows, in pixels of the scene
 *
 * @typedef {About & {id: string}} Kept
 */

/** Those of browsers without private storage. @type {Map<string, {about: About, files: Map<string, Blob>}>} */
const inMemory = new Map();

/** @returns {Promise<FileSystemDirectoryHandle | undefined>} nothing if there is no private storage */
async function root() {
  try {
    return await (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });
  } catch {
    return undefined;
  }
}

/**
 * @param {FileSystemDirectoryHandle} folder
 * @param {string} name
 * @param {Blob | string} content
 */
async function write(folder, name, content) {
  const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
  await stream.write(content);
  await stream.close();
}

/**
 * Keeps a result. What is said of it is written last: a folder without that is not a result.
 *
 * @param {About} about
 * @param {AsyncIterable<[string, Blob]>} files by name, made one after the other
 * @returns {Promise<Kept>}
 */
export async function keepResult(about, files) {
  const id = crypto.randomUUID();
  const all = await root();
  if (!all) {
    const kept = new Map();
    for await (const [name, blob] of files) kept.set(name, blob);
    inMemory.set(id, { about, files: kept });
    return { ...about, id };
  }
  const folder = await all.getDirectoryHandle(id, { create: true });
  try {
    for await (const [name, blob] of files) await write(folder, name, blob);
    await write(folder, ABOUT, JSON.stringify(about));
  } catch (cause) {
    await all.removeEntry(id, { recursive: true }).catch(() => {});
    if (cause instanceof DOMException && cause.name === "QuotaExceededError") {
      throw new EngineError("storage_full", "The browser's storage is full.");
    }
    throw cause;
  }
  return { ...about, id };
}

/** @returns {Promise<Kept[]>} the newest first */
export async function keptResults() {
  /** @type {Kept[]} */
  const found = [...inMemory].map(([id, { about }]) => ({ ...about, id }));
  const all = await root();
  for await (const id of all?.keys() ?? []) {
    try {
      found.push({ ...JSON.parse(await (await keptFile(id, ABOUT)).text()), id });
    } catch {
      // Another tab is in the middle of keeping or deleting it.
    }
  }
  return found.toSorted((a, b) => (a.date < b.date ? 1 : -1));
}

/**
 * @param {string} id
 * @param {string} name
 * @returns {Promise<Blob>}
 */
export async function keptFile(id, name) {
  const file = inMemory.get(id)?.files.get(name);
  if (file) return file;
  try {
    const folder = await (await root())?.getDirectoryHandle(id);
    return /** @type {Blob} */ (await (await folder?.getFileHandle(name))?.getFile());
  } catch (cause) {
    throw new EngineError("not_kept", `${name} of this result is not kept on this device any more: ${cause}`);
  }
}

/** @param {string} id */
export async function deleteKept(id) {
  inMemory.delete(id);
  await (await root())?.removeEntry(id, { recursive: true }).catch(() => {});
}
