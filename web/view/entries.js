// @ts-check
// What the user dropped or chose: one file, several, or a folder.

/** @typedef {import("../engine/messages.js").Entry} Entry */

/** Nobody drops more on purpose; a home folder dropped by mistake must not be listed to its end. */
const MOST_ENTRIES = 5000;

/** @param {Iterable<File>} files of a file or folder dialog */
export function entriesOf(files) {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/**
 * A folder's entries come in batches, the last of which is empty.
 *
 * @param {FileSystemDirectoryReader} reader
 * @returns {Promise<FileSystemEntry[]>}
 */
function nextBatch(reader) {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

/**
 * @param {FileSystemEntry} entry
 * @param {Entry[]} found
 */
async function walk(entry, found) {
  if (found.length >= MOST_ENTRIES) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
    found.push({ path: entry.fullPath.replace(/^\//, ""), file });
    return;
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  for (let batch = await nextBatch(reader); batch.length > 0; batch = await nextBatch(reader)) {
    for (const inside of batch) await walk(inside, found);
  }
}

/**
 * @param {DataTransfer} data
 * @returns {Promise<Entry[]>}
 */
export async function droppedEntries(data) {
  // The list is emptied when the event's handler returns: all roots are taken before the first await.
  const roots = [...data.items].map((item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  if (!roots.some((root) => root?.isDirectory)) return entriesOf(data.files);
  /** @type {Entry[]} */
  const found = [];
  for (const root of roots) if (root) await walk(root, found);
  return found;
}
