// @ts-check
// The result on the page and as files: layers, legend, table, downloads. All of it follows the options without a new run.

import { Layers } from "../view/layers.js";
import { save } from "../view/make.js";
import { byId } from "./dom.js";
import * as panel from "./panel.js";
import { number, t } from "./text.js";

export { PICTURE_MAX_PX } from "../view/layers.js";

/**
 * @typedef {import("../engine/engine.js").Engine} Engine
 * @typedef {import("../engine/messages.js").Picture} Picture
 * @typedef {import("../wasm/raremap-web.js").DecideOptions} DecideOptions
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").ResultFile} ResultFile
 * @typedef {import("../view/viewer.js").Viewer} Viewer
 */

export class ResultView {
  #layers;

  /**
   * @param {Engine} engine
   * @param {Viewer} viewer
   * @param {(what: string, cause: unknown) => void} onError
   * @param {(done: number, total: number) => void} onMeasuring called while a pass over the scene's rows measures areas
   */
  constructor(engine, viewer, onError, onMeasuring) {
    this.engine = engine;
    this.onError = onError;
    /** Colours of the continuous layers, low to high. @type {[number, number, number][]} */
    this.scale = [];
    /** How well the model finds its classes. @type {import("../view/figures.js").Figures} */
    this.figures = { classes: [], threshold: null };
    /** The numbers of what is drawn. @type {import("../wasm/raremap-web.js").Areas | undefined} */
    this.areas = undefined;
    this.#layers = new Layers(engine, viewer, {
      options: () => this.options(),
      opacity: () => this.opacity(),
      hasOutline: () => /** @type {HTMLInputElement} */ (byId("outline")).checked,
      onAreas: (areas, kind, options) => {
        this.areas = areas;
        panel.showTable(areas, this.figures);
        panel.showLegend({ kind, scale: this.scale, areas, topK: options.topK, figures: this.figures });
      },
      onError: (cause) => onError(t("notDrawn"), cause),
      onMeasuring,
    });
  }

  /** Results come from another engine from now on. @param {Engine} engine */
  setEngine(engine) {
    this.engine = engine;
    this.#layers.engine = engine;
  }

  /** How the result is decided. @returns {DecideOptions} */
  options() {
    const value = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byId(`${id}-range`)).valueAsNumber;
    return { threshold: value("threshold"), rare: panel.selectedRare(), topK: value("top-k") };
  }

  get isFinished() {
    return this.#layers.isFinished;
  }

  opacity() {
    return /** @type {HTMLInputElement} */ (byId("opacity-range")).valueAsNumber / 100;
  }

  /** @param {LayerKind | "none"} kind */
  setKind(kind) {
    this.#layers.setKind(kind);
  }

  /** The scene or the way it is read has changed, so the result no longer holds. */
  clear() {
    this.#layers.clear();
    this.areas = undefined;
    byId("legend").hidden = true;
    byId("class-table").replaceChildren();
    byId("result-note").textContent = "";
  }

  startRun() {
    this.clear();
    this.#layers.startRun();
  }

  /** @param {Picture} picture of the part that is done */
  showPart(picture) {
    this.#layers.showPart(picture);
  }

  /** Draws the result of a run; resolves when it is on the screen. */
  finish() {
    return this.#layers.finish();
  }

  /** After any option changed; resolves when the newest options are on the screen. */
  refresh() {
    return this.#layers.refresh();
  }

  /** The scene is drawn in other colours. */
  onColors() {
    this.#layers.onColors();
  }

  /** Called when the view moves. */
  onView() {
    this.#layers.onView();
  }

  /**
   * Lists the files that the result can be saved as.
   *
   * @param {string} stem what their names begin with
   */
  async showFiles(stem) {
    const { epoch } = this.#layers;
    const files = await this.engine.files(this.options());
    if (epoch === this.#layers.epoch) panel.showFiles(files, (file, button) => this.#download(file, `${stem}_${file.name}`, button));
  }

  /**
   * @param {ResultFile} file
   * @param {string} name it is saved under
   * @param {HTMLButtonElement} button
   */
  async #download(file, name, button) {
    const note = byId("download-note");
    const { epoch } = this.#layers;
    button.disabled = true;
    try {
      const onProgress = (/** @type {{done: number, total: number}} */ { done, total }) => {
        if (epoch === this.#layers.epoch) note.textContent = t("writing", { name: file.name, done: number(done), total: number(total) });
      };
      const { blob, notice } = await this.engine.file(file, this.options(), { onProgress });
      save(blob, name);
      if (epoch === this.#layers.epoch) note.textContent = notice ?? "";
      button.disabled = !this.#layers.isFinished;
    } catch (cause) {
      note.textContent = "";
      this.onError(t("notWritten", { name }), cause);
    }
  }
}
