// @ts-check
// The result on the screen and as files: layers, legend, table, downloads. All of it follows the options without a new run.

import { byId, saveAs } from "./dom.js";
import * as panel from "./panel.js";
import { number } from "./text.js";

// Long side of the pictures on the screen; the mask itself is always computed and saved at the scene's size.
export const PICTURE_MAX_PX = 2048;
// Between two drawings, the page reacts to its user.
const REFRESH_MS = 30;
const DETAIL_MS = 150;
const MAX_ZOOM = 16;

/**
 * @typedef {import("../engine/engine.js").Engine} Engine
 * @typedef {import("../engine/messages.js").Picture} Picture
 * @typedef {import("../wasm/raremap-web.js").DecideOptions} DecideOptions
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").LayerRequest} LayerRequest
 * @typedef {import("../wasm/raremap-web.js").ResultFile} ResultFile
 * @typedef {import("./viewer.js").Viewer} Viewer
 */

export class ResultView {
  /** What is drawn over the scene. @type {LayerKind | "none"} */
  #kind = "mask";
  /** @type {"none" | "running" | "finished"} */
  #phase = "none";
  /** Counts scenes and runs: an answer about an older one is dropped. */
  #epoch = 0;
  /** @type {Promise<void> | undefined} */
  #refreshing;
  #isStale = false;
  #detailTimer = 0;
  /** The detail's window and what it shows, to tell whether it is still right. */
  #detailKey = "";

  /**
   * @param {Engine} engine
   * @param {Viewer} viewer
   * @param {(what: string, cause: unknown) => void} onError
   * @param {(done: number, total: number) => void} onMeasuring called while a pass over the scene's rows measures areas
   */
  constructor(engine, viewer, onError, onMeasuring) {
    this.engine = engine;
    this.viewer = viewer;
    this.onError = onError;
    this.onMeasuring = onMeasuring;
    /** Colours of the continuous layers, low to high. @type {[number, number, number][]} */
    this.scale = [];
  }

  /** How the result is decided. @returns {DecideOptions} */
  options() {
    const value = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byId(`${id}-range`)).valueAsNumber;
    return { threshold: value("threshold"), rare: panel.selectedRare(), topK: value("top-k") };
  }

  /** A picture of a layer of the whole scene. @param {LayerKind} kind @returns {LayerRequest} */
  #request(kind) {
    return { kind, options: this.options(), maxPx: PICTURE_MAX_PX };
  }

  #showPartial() {
    return this.engine.showPartial(this.#kind === "none" ? null : this.#request(this.#kind));
  }

  opacity() {
    return /** @type {HTMLInputElement} */ (byId("opacity-range")).valueAsNumber / 100;
  }

  /** @param {LayerKind | "none"} kind */
  setKind(kind) {
    this.#kind = kind;
    this.refresh();
  }

  /** The scene or the way it is read has changed, so the result no longer holds. */
  clear() {
    this.#epoch += 1;
    this.#phase = "none";
    for (const name of /** @type {const} */ (["overlay", "overlay-detail", "outline", "outline-detail", "scene-detail"])) {
      this.viewer.setLayer(name, undefined);
    }
    this.#detailKey = "";
    byId("legend").hidden = true;
    byId("class-table").replaceChildren();
    byId("result-note").textContent = "";
  }

  startRun() {
    this.clear();
    this.#phase = "running";
    // If the worker is gone, the run fails.
    this.#showPartial().catch(() => {});
  }

  /** @param {Picture} picture of the part that is done */
  showPart(picture) {
    this.viewer.setLayer("overlay", this.#kind === "none" ? undefined : picture, this.opacity());
  }

  /** Draws the result of a run; resolves when it is on the screen. */
  async finish() {
    this.#phase = "finished";
    await this.refresh();
  }

  /** After any option changed: the newest options win, and there are never two drawings at once. Resolves when they are on the screen. */
  refresh() {
    this.#isStale = true;
    this.#refreshing ??= this.#drawNewest().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #drawNewest() {
    while (this.#isStale) {
      this.#isStale = false;
      const epoch = this.#epoch;
      try {
        if (this.#phase === "running") await this.#showPartial();
        if (this.#phase === "finished") await this.#draw(epoch);
      } catch (cause) {
        if (epoch === this.#epoch) this.onError("The result could not be drawn", cause);
      }
      if (this.#isStale) await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
    }
  }

  /** @param {number} epoch */
  async #draw(epoch) {
    const kind = this.#kind;
    const options = this.options();
    const overlay = kind === "none" ? undefined : await this.engine.layer(this.#request(kind));
    if (epoch !== this.#epoch) return;
    this.viewer.setLayer("overlay", overlay, this.opacity());
    const outline = this.#hasOutline() ? await this.engine.layer(this.#request("rare-outline")) : undefined;
    if (epoch !== this.#epoch) return;
    this.viewer.setLayer("outline", outline);
    // The numbers need a pass over every pixel; if newer options are waiting, they would be thrown away.
    if (!this.#isStale) {
      const onProgress = (/** @type {{done: number, total: number}} */ { done, total }) => {
        if (epoch === this.#epoch) this.onMeasuring(done, total);
      };
      const areas = await this.engine.areas(options, { onProgress });
      if (epoch !== this.#epoch) return;
      panel.showTable(areas);
      panel.showLegend(kind, this.scale, areas, options.topK);
    }
    this.#detailKey = "stale";
    await this.#drawDetail();
  }

  #hasOutline() {
    return /** @type {HTMLInputElement} */ (byId("outline")).checked;
  }

  /** Called when the view moves: what is in sight is drawn sharper once it rests. */
  onView() {
    clearTimeout(this.#detailTimer);
    this.#detailTimer = setTimeout(() => this.#drawDetail().catch(() => {}), DETAIL_MS);
  }

  async #drawDetail() {
    const epoch = this.#epoch;
    const { window, scale, isCoarse } = this.viewer.sight();
    const isSmall = Math.min(window.width, window.height) > 0 && Math.max(window.width, window.height) <= PICTURE_MAX_PX;
    const isSharper = isSmall && isCoarse;
    // Lines of about two pixels of the screen, however large a pixel of the scene is drawn.
    const zoom = isSmall ? Math.max(1, Math.min(MAX_ZOOM, Math.floor(scale / 2))) : 1;
    const hasThinOutline = this.#hasOutline() && (isSharper || zoom > 1);
    const key = isSharper || hasThinOutline ? JSON.stringify([window, zoom, isSharper, hasThinOutline, this.#phase]) : "";
    if (key === this.#detailKey) return;
    this.#detailKey = key;
    /** @type {(name: import("./viewer.js").LayerName, picture: Promise<Picture> | false, opacity?: number) => Promise<void>} */
    const show = async (name, picture, opacity) => {
      const drawn = await picture;
      if (epoch === this.#epoch && key === this.#detailKey) this.viewer.setLayer(name, drawn || undefined, opacity);
    };
    const isFinished = this.#phase === "finished";
    const layer = (/** @type {LayerKind} */ kind) => this.engine.layer({ ...this.#request(kind), window, zoom });
    await show("scene-detail", isSharper && this.engine.detail(window));
    await show("overlay-detail", isFinished && isSharper && this.#kind !== "none" && layer(this.#kind), this.opacity());
    await show("outline-detail", isFinished && hasThinOutline && layer("rare-outline"));
  }

  /**
   * Lists the files that the result can be saved as.
   *
   * @param {string} stem what their names begin with
   */
  async showFiles(stem) {
    const epoch = this.#epoch;
    const files = await this.engine.files(this.options());
    if (epoch === this.#epoch) panel.showFiles(files, (file) => this.#download(file, `${stem}_${file.name}`));
  }

  /**
   * @param {ResultFile} file
   * @param {string} name it is saved under
   */
  async #download(file, name) {
    const button = /** @type {HTMLButtonElement} */ (byId(panel.downloadId(file.name)));
    const note = byId("download-note");
    const epoch = this.#epoch;
    button.disabled = true;
    try {
      const onProgress = (/** @type {{done: number, total: number}} */ { done, total }) => {
        if (epoch === this.#epoch) note.textContent = `Writing ${file.name}, row ${number(done)} of ${number(total)}`;
      };
      const { blob, notice } = await this.engine.file(file, this.options(), { onProgress });
      saveAs(blob, name);
      if (epoch === this.#epoch) note.textContent = notice ?? "";
      button.disabled = this.#phase !== "finished";
    } catch (cause) {
      note.textContent = "";
      this.onError(`${name} could not be written`, cause);
    }
  }
}
