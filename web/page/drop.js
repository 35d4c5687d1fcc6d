// @ts-check
// Takes what the user drops or chooses: one file, several, or a folder. The whole page accepts drops; the drop zone only says so.

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
async function droppedEntries(data) {
  // The list is emptied when the event's handler returns: all roots are taken before the first await.
  const roots = [...data.items].map((item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  if (!roots.some((root) => root?.isDirectory)) return entriesOf(data.files);
  /** @type {Entry[]} */
  const found = [];
  for (const root of roots) if (root) await walk(root, found);
  return found;
}

/**
 * @param {(entries: Entry[]) => void} onEntries
 * @param {(cause: unknown) => void} onError for a folder that cannot be listed
 */
export function acceptDrops(onEntries, onError) {
  // Enter and leave events come for every element on the way: the file is gone when as many left as entered.
  let depth = 0;
  /** @param {number} next */
  const setDepth = (next) => {
    depth = Math.max(0, next);
    document.body.classList.toggle("dropping", depth > 0);
  };
  addEventListener("dragenter", (event) => {
    if (event.dataTransfer?.types.includes("Files")) setDepth(depth + 1);
  });
  addEventListener("dragleave", () => setDepth(depth - 1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    setDepth(0);
    if (!event.dataTransfer?.types.includes("Files")) return;
    droppedEntries(event.dataTransfer).then((entries) => {
      if (entries.length > 0) onEntries(entries);
    }, onError);
  });
}
