// @ts-check
// A result that was kept, shown again: what was found stays as it was, because the probabilities behind it are gone.

import * as panel from "./panel.js";
import { saveKept } from "./kept.js";
import { keptFile } from "./kept-store.js";
import { byId } from "./dom.js";
import { showErrorBox } from "./error-box.js";
import { t } from "./text.js";

/**
 * @typedef {import("./kept-store.js").Kept} Kept
 * @typedef {import("./kept-store.js").Shown} Shown
 * @typedef {import("./kept-store.js").KeptPicture} KeptPicture
 */

/** @typedef {KeptPicture & {bitmap: ImageBitmap}} DrawnPicture */

/**
 * @param {Kept} kept
 * @returns {Promise<DrawnPicture[]>}
 */
export function picturesOf({ id, shown }) {
  const pictures = shown?.pictures ?? [];
  return Promise.all(pictures.map(async (picture) => ({ ...picture, bitmap: await createImageBitmap(await keptFile(id, picture.file)) })));
}

/**
 * @param {import("../view/viewer.js").Viewer} viewer
 * @param {Kept} kept
 * @param {Shown} shown
 * @param {DrawnPicture[]} pictures
 * @param {number} opacity
 */
export function showKept(viewer, kept, { facts, areas, options, warnings, figures, note }, pictures, opacity) {
  viewer.setScene(facts.width, facts.height);
  for (const { layer, bitmap, extent } of pictures) viewer.setLayer(layer, { bitmap, extent }, layer === "overlay" ? opacity : 1);
  panel.showScene(facts);
  panel.showWarnings(warnings);
  panel.showNotices([]);
  panel.showTable(areas, figures);
  panel.showLegend({ kind: "mask", scale: [], areas, topK: options.topK, figures });
  byId("scene-note").textContent = note;
  const files = kept.files.map((name) => ({ name, type: "", title: "" }));
  panel.showFiles(files, ({ name }) => void saveKept(kept, name).catch((cause) => showErrorBox(t("notWritten", { name }), cause)));
}
