// @ts-check
// Takes what the user drops or chooses. The whole page accepts drops; the drop zone only says so.

import { droppedEntries, entriesOf } from "../view/entries.js";
import { byId } from "./dom.js";

/** @typedef {import("../engine/messages.js").Entry} Entry */

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

/**
 * @param {string} id of a file or folder dialog
 * @param {string[]} buttons that open it
 * @param {(entries: Entry[]) => void} onEntries
 */
export function bindDialog(id, buttons, onEntries) {
  const dialog = /** @type {HTMLInputElement} */ (byId(id));
  dialog.addEventListener("change", () => {
    onEntries(entriesOf(dialog.files ?? []));
    // The same file can be chosen again, for example after it was mended.
    dialog.value = "";
  });
  for (const button of buttons) byId(button).addEventListener("click", () => dialog.click());
}
