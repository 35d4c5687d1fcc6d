// @ts-check
// Room outside memory: files in the origin's private file system (OPFS), which only workers can read and write at once. Where there is
// none (private windows of some browsers, insecure pages), wasm keeps blobs, and so does this.

const FOLDER = "raremap";
// A run takes one, a file of the results up to two, an archive one for each file that must be unpacked.
const READY_FILES = 8;

/** @type {FileSystemSyncAccessHandle[]} open, empty and nobody's */
const ready = [];
/** @type {Promise<FileSystemDirectoryHandle | undefined> | undefined} */
let folder;
let lastNumber = 0;

/** The worker's folder, without what earlier visits left; what other tabs have open stays. */
async function openFolder() {
  try {
    const root = await navigator.storage.getDirectory();
    const opened = await root.getDirectoryHandle(FOLDER, { create: true });
    // @ts-ignore The library of types does not know that folders can be iterated over.
    for await (const name of opened.keys()) await opened.removeEntry(name).catch(() => {});
    return opened;
  } catch {
    return undefined;
  }
}

/** @param {FileSystemDirectoryHandle} opened */
function newFile(opened) {
  lastNumber += 1;
  return opened.getFileHandle(`${crypto.randomUUID()}-${lastNumber}`, { create: true });
}

/** Opens files until enough are ready to be taken. */
export async function openRoom() {
  folder ??= openFolder();
  const opened = await folder;
  try {
    while (opened && ready.length < READY_FILES) ready.push(await (await newFile(opened)).createSyncAccessHandle());
  } catch {
    // With fewer than wanted, blobs do.
  }
}

/** A file that is open and empty, or nothing. */
export function takeFile() {
  return ready.pop();
}

/**
 * Writes a file of the results where it need not be in memory; the blob is of the disk where there is room of that kind.
 *
 * @param {import("../../wasm/raremap-web.js").MadeFile} made
 * @param {string} name
 * @param {string} type
 * @returns {Promise<Blob>}
 */
export async function keep(made, name, type) {
  const opened = await folder;
  if (opened) {
    const file = await newFile(opened);
    const handle = await file.createSyncAccessHandle();
    try {
      let at = 0;
      for (let chunk = made.nextChunk(); chunk; chunk = made.nextChunk()) {
        // A full private window answers with an error code as a large number.
        if (handle.write(chunk, { at }) !== chunk.length) {
          throw Object.assign(new Error("The browser's storage is full."), { code: "storage_full" });
        }
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
