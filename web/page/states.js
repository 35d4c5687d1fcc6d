// @ts-check
// What of the page is seen in which of its states.

import { byId } from "./dom.js";
import { bytesText, t } from "./text.js";

/** @typedef {"empty" | "reading" | "ready" | "running" | "done" | "cancelled" | "error" | "kept"} State `kept` shows a result that was kept */

const WITH_RESULT = new Set(["running", "done", "cancelled", "kept"]);
const WITH_FILES = new Set(["done", "kept"]);

/**
 * @param {State} next
 * @param {string} message for #status, read out by screen readers
 * @param {{hasScene: boolean, canRun: boolean}} scene
 */
export function showState(next, message, { hasScene, canRun }) {
  document.body.dataset.state = next;
  const status = byId("status");
  status.dataset.state = next;
  status.textContent = message;
  const isShown = hasScene || next === "kept";
  byId("empty").hidden = isShown || next === "reading";
  byId("reading").hidden = next !== "reading";
  byId("reading-text").textContent = message;
  for (const id of ["canvas", "viewer-tools", "scene"]) byId(id).hidden = !isShown;
  byId("running").hidden = next !== "running";
  byId("run").hidden = next === "running";
  /** @type {HTMLButtonElement} */ (byId("run")).disabled = !hasScene || !canRun || next === "reading";
  byId("result").hidden = !WITH_RESULT.has(next);
  byId("incomplete").hidden = next !== "cancelled";
  for (const button of byId("downloads").querySelectorAll("button")) button.disabled = !WITH_FILES.has(next);
  byId("keep-result").hidden = next !== "done";
  for (const choice of document.querySelectorAll("#band-selects select, #offers input")) {
    /** @type {HTMLSelectElement | HTMLInputElement} */ (choice).disabled = next === "running";
  }
}

/**
 * How far a run is.
 *
 * @param {number} done
 * @param {number} total 0 before the first tile
 * @param {string} text
 * @param {string} left how long it will take
 */
export function showProgress(done, total, text, left) {
  const bar = /** @type {HTMLProgressElement} */ (byId("progress"));
  bar.max = total || 1;
  bar.value = done;
  byId("progress-tiles").textContent = text;
  byId("progress-left").textContent = left;
}

/**
 * How far an archive is unpacked.
 *
 * @param {string} name of the scene
 * @param {import("../engine/messages.js").Progress} progress in bytes
 */
export function showUnpacking(name, { done, total }) {
  const bar = /** @type {HTMLProgressElement} */ (byId("reading-progress"));
  bar.max = total;
  bar.value = done;
  byId("reading-text").textContent = t("unpacking", { name, done: bytesText(done), total: bytesText(total) });
}
