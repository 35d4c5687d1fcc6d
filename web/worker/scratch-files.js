// @ts-check
// Files of the origin's private file system (OPFS) for what does not fit into memory; only workers can read and write them at once.
// Where there are none (in private windows of some browsers, on insecure pages), wasm uses blobs, and so does this module.

import { EngineError } from "../engine/errors.js";

const FOLDER = "raremap";
// A run takes one, a file of the results up to two, an archive one for each file that must be unpacked.
const READY_FILES = 8;

/** Open, empty, and not yet taken. @type {FileSystemSyncAccessHandle[]} */
const ready = [];
/** @type {Promise<FileSystemDirectoryHandle | undefined> | undefined} */
let folder;
let lastNumber = 0;

/** The lock of a worker's folder, held as long as the worker lives. @param {string} name */
const lockOf = (name) => `raremap ${name}`;

/**
 * The worker's own folder. Those of workers that have ended are removed; those of other tabs, and of other elements of a page, stay.
 *
 * @returns {Promise<FileSystemDirectoryHandle | undefined>}
 */
async function openFolder() {
  try {
    const root = await navigator.storage.getDirectory();
    const all = await root.getDirectoryHandle(FOLDER, { create: true });
    const name = crypto.randomUUID();
    await new Promise((held) => void navigator.locks.request(lockOf(name), () => (held(undefined), new Promise(() => {}))));
    const own = await all.getDirectoryHandle(name, { create: true });
    for await (const other of all.keys()) {
      await navigator.locks.request(lockOf(other), { ifAvailable: true }, async (lock) => {
        // Null while its worker lives.
        if (lock) await all.removeEntry(other, { recursive: true }).catch(() => {});
      });
    }
    return own;
  } catch {
    return undefined;
  }
}

/** @param {FileSystemDirectoryHandle} opened */
function newFile(opened) {
  lastNumber += 1;
  return opened.getFileHandle(String(lastNumber), { create: true });
}

/** @type {Promise<void> | undefined} */
let preparing;

/**
 * Opens files until enough are ready to be taken: wasm takes them at moments when it cannot wait. Callers go on in the order in which
 * they came.
 */
export function prepareScratchFiles() {
  preparing ??= openFiles().finally(() => (preparing = undefined));
  return preparing;
}

async function openFiles() {
  folder ??= openFolder();
  const opened = await folder;
  if (!opened) return;
  try {
    while (ready.length < READY_FILES) ready.push(await (await newFile(opened)).createSyncAccessHandle());
  } catch {
    // If there are too few files, blobs take their place.
  }
}

/** A file that is open and empty; undefined if there is none. */
export function takeScratchFile() {
  return ready.pop();
}

/**
 * Writes a file of the results where it need not be in memory; the blob is backed by the disk where there is private storage.
 *
 * @param {import("../wasm/raremap-web.js").MadeFile} made
 * @param {string} name
 * @param {string} type
 * @returns {Promise<Blob>}
 */
export async function saveFile(made, name, type) {
  const opened = await folder;
  if (opened) {
    const file = await newFile(opened);
    const handle = await file.createSyncAccessHandle();
    try {
      let at = 0;
      for (let chunk = made.nextChunk(); chunk; chunk = made.nextChunk()) {
        // A full private window answers with an error code as a large number.
        if (handle.write(chunk, { at }) !== chunk.length) throw new EngineError("storage_full", "The browser's storage is full.");
        at += chunk.length;
      }
    } finally {
      handle.close();
    }
    return new File([await file.getFile()], name, { type });
  }
  const parts = [];
  for (let chunk = made.nextChunk(); chunk; chunk = made.nextChunk()) parts.push(new Blob([chunk]));
  return new Blob(parts, { type });
}
