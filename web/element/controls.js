// @ts-check
// What happens in the shadow tree when its reader acts, in the element's terms.

import { droppedEntries, entriesOf } from "../view/entries.js";

const ZOOM = 1.5;

/**
 * @typedef {import("../engine/messages.js").Entry} Entry
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 *
 * @typedef {object} Actions
 * @property {(entries: Entry[]) => void} onEntries files were chosen or dropped
 * @property {(cause: unknown) => void} onUnreadable a folder was dropped that cannot be listed
 * @property {() => void} onRun
 * @property {() => void} onCancel
 * @property {(factor: number | null) => void} onZoom null shows the whole scene
 * @property {(name: "threshold" | "top-k" | "opacity", value: string) => void} onNumber only with valid values
 * @property {() => void} onRare other rare classes were selected
 * @property {() => void} onBands other bands were chosen
 * @property {(kind: LayerKind | "none") => void} onLayer
 */

/** @param {import("./parts.js").Parts} parts @param {Actions} actions */
export function listen(parts, actions) {
  const { root, choose, another, files, run, cancel, zoom, threshold, topK, opacity, bandSelects, rareChecks, layerChecks } = parts;
  for (const button of [choose, another]) button.addEventListener("click", () => files.click());
  files.addEventListener("change", () => {
    const entries = entriesOf(files.files ?? []);
    // The same file can be chosen again, for example after it was mended.
    files.value = "";
    actions.onEntries(entries);
  });
  run.addEventListener("click", () => actions.onRun());
  cancel.addEventListener("click", () => actions.onCancel());
  zoom.in.addEventListener("click", () => actions.onZoom(ZOOM));
  zoom.out.addEventListener("click", () => actions.onZoom(1 / ZOOM));
  zoom.fit.addEventListener("click", () => actions.onZoom(null));
  for (const [name, { number, range }] of /** @type {const} */ ([["threshold", threshold], ["top-k", topK], ["opacity", opacity]])) {
    range.addEventListener("input", () => actions.onNumber(name, range.value));
    number.addEventListener("input", () => number.value !== "" && number.checkValidity() && actions.onNumber(name, number.value));
    // Leaving the field with something that is no valid value puts the last valid one back.
    number.addEventListener("change", () => (number.value = range.value));
  }
  rareChecks.addEventListener("change", () => actions.onRare());
  bandSelects.addEventListener("change", () => actions.onBands());
  layerChecks.addEventListener("change", ({ target }) => {
    actions.onLayer(/** @type {LayerKind | "none"} */ (/** @type {HTMLInputElement} */ (target).value));
  });
  acceptDrops(root, actions);
}

/** @param {HTMLElement} root @param {Actions} actions */
function acceptDrops(root, { onEntries, onUnreadable }) {
  root.addEventListener("dragenter", () => root.classList.add("dropping"));
  root.addEventListener("dragleave", (event) => {
    if (!root.contains(/** @type {Node | null} */ (event.relatedTarget))) root.classList.remove("dropping");
  });
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    // A page that takes drops itself has nothing to do with this one.
    event.stopPropagation();
    root.classList.remove("dropping");
    if (event.dataTransfer?.types.includes("Files")) droppedEntries(event.dataTransfer).then(onEntries, onUnreadable);
  });
}
