// @ts-check
// What happens on the page when its user acts, in the page's terms.

import { bindNumber, byId } from "./dom.js";
import { bindDialog } from "./drop.js";

const ZOOM = 1.5;

/**
 * @typedef {import("../engine/messages.js").Entry} Entry
 *
 * @typedef {object} Actions
 * @property {(entries: Entry[]) => void} onEntries files were chosen, scenes or a model
 * @property {(entries: Entry[]) => void} onQueued files were chosen for the queue
 * @property {() => void} onSample
 * @property {() => void} onRun
 * @property {() => void} onCancel
 * @property {() => void} onOptions how the result is decided has changed
 * @property {() => void} onOutline
 * @property {() => void} onDefaultModel the default model is wanted back
 */

/** @param {Actions} actions @param {import("../view/viewer.js").Viewer} viewer */
export function bindControls(actions, viewer) {
  bindDialog("file-input", ["drop-zone", "open-another"], actions.onEntries);
  bindDialog("folder-input", ["choose-folder", "open-folder"], actions.onEntries);
  bindDialog("model-input", ["model-choose"], actions.onEntries);
  bindDialog("queue-input", ["queue-add"], actions.onQueued);
  /** @type {[string, () => void][]} */
  const clicks = [
    ["sample", actions.onSample],
    ["run", actions.onRun],
    ["cancel", actions.onCancel],
    ["model-default", actions.onDefaultModel],
    ["zoom-in", () => viewer.zoom(ZOOM)],
    ["zoom-out", () => viewer.zoom(1 / ZOOM)],
    ["zoom-fit", () => viewer.fit()],
  ];
  for (const [id, onClick] of clicks) byId(id).addEventListener("click", onClick);
  byId("outline").addEventListener("change", actions.onOutline);
  bindNumber("threshold", actions.onOptions);
  bindNumber("top-k", actions.onOptions);
  bindNumber("opacity", (percent) => viewer.setOpacity(percent / 100));
  for (const id of ["compare", "swipe"]) byId(id).addEventListener("input", () => showSwipe(viewer));
  const about = /** @type {HTMLDialogElement} */ (byId("about"));
  byId("about-open").addEventListener("click", () => about.showModal());
  for (const id of ["about-close", "model-choose"]) byId(id).addEventListener("click", () => about.close());
}

/** Shows the result on the left of the slider, and the scene alone on its right. @param {import("../view/viewer.js").Viewer} viewer */
export function showSwipe(viewer) {
  const slider = /** @type {HTMLInputElement} */ (byId("swipe"));
  const isOn = /** @type {HTMLInputElement} */ (byId("compare")).checked && !byId("result").hidden;
  slider.hidden = !isOn;
  viewer.setSwipe(isOn ? slider.valueAsNumber / 100 : 1);
}
