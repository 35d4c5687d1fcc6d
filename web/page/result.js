// @ts-check
// The result on the screen and as files: layers, legend, table, downloads. All of it follows the options without a new run.

import { byId, make } from "./dom.js";
import * as panel from "./panel.js";
import { number } from "./text.js";

// Long side of the pictures on the screen; the mask itself is always computed and saved at the scene's size.
export const PICTURE_MAX_PX = 2048;
// Between two drawings the page answers to the reader.
const REFRESH_MS = 30;
const DETAIL_MS = 150;
const MAX_ZOOM = 16;

/** @typedef {import("../engine/engine.js").Engine} Engine */
/** @typedef {import("./viewer.js").Viewer} Viewer */

export class ResultView {
  /** What is drawn: `mask`, `probability:NAME`, `saliency` or `none`. */
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
    /** @type {number[][]} */
    this.scale = [];
  }

  /** How the result is looked at, as the worker takes it. */
  options() {
    const value = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byId(`${id}-range`)).valueAsNumber;
    return { threshold: value("threshold"), rare: panel.selectedRare(), topK: value("top-k"), maxPx: PICTURE_MAX_PX };
  }

  opacity() {
    return /** @type {HTMLInputElement} */ (byId("opacity-range")).valueAsNumber / 100;
  }

  /** @param {string} kind */
  setKind(kind) {
    this.#kind = kind;
    this.refresh();
  }

  /** The scene, or the way it is read, is another: nothing of the result holds. */
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
    this.engine.call("look", { kind: this.#kind, options: this.options() });
  }

  /** @param {import("./viewer.js").Picture} picture of the part that is done */
  showPart(picture) {
    this.viewer.setLayer("overlay", this.#kind === "none" ? undefined : picture, this.opacity());
  }

  /** Draws what a run left; resolves when it is on the screen. */
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
        if (this.#phase === "running") await this.engine.call("look", { kind: this.#kind, options: this.options() });
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
    const overlay = kind === "none" ? undefined : await this.engine.call("layer", { kind, options });
    if (epoch !== this.#epoch) return;
    this.viewer.setLayer("overlay", overlay, this.opacity());
    const outline = this.#hasOutline() ? await this.engine.call("layer", { kind: "rare-outline", options }) : undefined;
    if (epoch !== this.#epoch) return;
    this.viewer.setLayer("outline", outline);
    // The numbers take a pass over every pixel: with newer options waiting they would be thrown away.
    if (!this.#isStale) {
      const areas = await this.engine.call("areas", { options }, ({ done, total }) => {
        if (epoch === this.#epoch) this.onMeasuring(done, total);
      });
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

  /** The view moved: what is in sight is drawn sharper once it rests. */
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
    /** @type {(name: import("./viewer.js").LayerName, picture: Promise<any> | false, opacity?: number) => Promise<void>} */
    const show = async (name, picture, opacity) => {
      const drawn = await picture;
      if (epoch === this.#epoch && key === this.#detailKey) this.viewer.setLayer(name, drawn || undefined, opacity);
    };
    const isFinished = this.#phase === "finished";
    const layer = (/** @type {string} */ kind) =>
      this.engine.call("layer", { kind, options: { ...this.options(), window: { ...window, step: 1, zoom } } });
    await show("scene-detail", isSharper && this.engine.call("detail", window));
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
    const files = await this.engine.call("files", { options: this.options() });
    if (epoch === this.#epoch) panel.showFiles(files, (file) => this.#download(file, `${stem}_${file.name}`));
  }

  /**
   * @param {panel.FileChoice} file
   * @param {string} name of the file
   */
  async #download({ name: kind, type }, name) {
    const button = /** @type {HTMLButtonElement} */ (byId(panel.downloadId(kind)));
    const note = byId("download-note");
    const epoch = this.#epoch;
    button.disabled = true;
    try {
      const { blob, notice } = await this.engine.call("file", { name: kind, type, options: this.options() }, ({ done, total }) => {
        if (epoch === this.#epoch) note.textContent = `Writing ${kind}, row ${number(done)} of ${number(total)}`;
      });
      const url = URL.createObjectURL(blob);
      make("a", { href: url, download: name }).click();
      // The browser reads the blob after the click returns, a large one for a while.
      setTimeout(() => URL.revokeObjectURL(url), 10 * 60_000);
      if (epoch === this.#epoch) note.textContent = notice ?? "";
      button.disabled = this.#phase !== "finished";
    } catch (cause) {
      note.textContent = "";
      this.onError(`${name} could not be written`, cause);
    }
  }
}
