// @ts-check
// What the element's shadow tree shows, in the element's language.

import { unassigned } from "../engine/bands.js";
import { noticeItems, warningItems } from "../view/before-run.js";
import { bandSelects, chosenBands, layerChoices, rareChecks } from "../view/choices.js";
import { areasNote, classRows, rightNote } from "../view/class-table.js";
import { fileButtons } from "../view/files.js";
import { legendOf } from "../view/legend.js";
import { make } from "../view/make.js";

/**
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").ModelCard} ModelCard
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("../wasm/raremap-web.js").Notice} Notice
 * @typedef {import("../wasm/raremap-web.js").ResultFile} ResultFile
 * @typedef {import("../view/choices.js").Bands} Bands
 * @typedef {import("../view/legend.js").Layer} Layer
 * @typedef {import("./words.js").Word} Word
 * @typedef {"idle" | "loading" | "reading" | "ready" | "running" | "done" | "cancelled" | "error"} State
 */

export class Panel {
  /** What was shown last, to be shown again in another language. */
  #shown = {
    /** @type {[Word, Record<string, string | number>]} */
    status: ["empty", {}],
    /** @type {ModelCard | undefined} */
    card: undefined,
    /** @type {[OpenedScene, Notice[]] | undefined} */
    scene: undefined,
    /** @type {Layer | undefined} */
    layer: undefined,
    /** @type {ResultFile[]} */
    files: [],
  };

  /**
   * @param {import("./parts.js").Parts} parts
   * @param {import("../view/speech.js").Speech<Word>} speech
   * @param {(name: string, button: HTMLButtonElement) => void} onDownload called with the name of a file
   */
  constructor(parts, speech, onDownload) {
    this.parts = parts;
    this.speech = speech;
    this.onDownload = onDownload;
  }

  /** Writes everything in the language of the moment. */
  speak() {
    const { parts, speech } = this;
    parts.root.lang = speech.language;
    /** @type {[Element, Word][]} */
    const texts = [
      [parts.emptyTitle, "empty"], [parts.accepts, "accepts"], [parts.choose, "choose"], [parts.another, "another"], [parts.run, "run"],
      [parts.cancel, "cancel"], [parts.bandsTitle, "bands"], [parts.threshold.label, "threshold"], [parts.topK.label, "topK"], [parts.opacity.label, "opacity"], [parts.rareTitle, "rareClasses"],
      [parts.layerTitle, "layer"], [parts.head.class, "class"], [parts.head.percent, "percent"], [parts.head.right, "right"],
    ];
    for (const [part, word] of texts) part.textContent = this.speech.say(word);
    /** @type {[Element, Word][]} */
    const labels = [
      [parts.canvas, "canvas"], [parts.zoom.in, "zoomIn"], [parts.zoom.out, "zoomOut"], [parts.zoom.fit, "zoomFit"], [parts.progress, "progress"],
      [parts.threshold.range, "threshold"], [parts.topK.range, "topK"], [parts.opacity.range, "opacity"], [parts.legend, "legend"], [parts.tableWrap, "areas"], [parts.downloads, "downloads"],
    ];
    for (const [part, word] of labels) part.setAttribute("aria-label", this.speech.say(word));
    const { status, card, scene, layer, files } = this.#shown;
    parts.status.textContent = speech.say(...status);
    if (card) {
      this.showLayers(card);
      this.showRare(card, this.selectedRare());
    }
    if (scene) {
      this.showScene(...scene);
      this.showBands(scene[0], this.chosenBands());
    }
    if (layer) this.showAreas(layer);
    this.showDownloads(files);
  }

  /**
   * @param {State} state
   * @param {Word} word what the status says
   * @param {Record<string, string | number>} values in it; numbers are written as the language does
   * @param {boolean} hasScene
   * @param {boolean} canRun
   */
  setState(state, word, values, hasScene, canRun) {
    const { root, empty, tools, run, running, status } = this.parts;
    const written = Object.entries(values).map(([name, value]) => [name, typeof value === "number" ? this.speech.number(value, value % 1 ? 1 : 0) : value]);
    this.#shown.status = [word, Object.fromEntries(written)];
    root.dataset.state = state;
    status.textContent = this.speech.say(...this.#shown.status);
    empty.hidden = hasScene;
    tools.hidden = !hasScene;
    run.hidden = state === "running";
    run.disabled = !canRun;
    running.hidden = state !== "running";
    for (const select of this.parts.bandSelects.querySelectorAll("select")) select.disabled = state === "running";
  }

  /** The scene is gone, and what was made of it. */
  forget() {
    const { canvas, scene } = this.parts;
    for (const part of [canvas, scene]) part.hidden = true;
    this.#shown.scene = undefined;
    this.forgetResult();
    this.clearError();
  }

  forgetResult() {
    const { result, note, legend } = this.parts;
    for (const part of [result, legend]) part.hidden = true;
    note.textContent = "";
    this.#shown.layer = undefined;
    this.showDownloads([]);
  }

  /** @param {string} code @param {string} message */
  showError(code, message) {
    const { error } = this.parts;
    error.dataset.code = code;
    error.replaceChildren(make("p", {}, message), make("code", { class: "small" }, code));
    error.hidden = false;
  }

  clearError() {
    this.parts.error.hidden = true;
    this.parts.error.replaceChildren();
  }

  /**
   * Brings the fields to what the attributes say.
   *
   * @param {{threshold: number, topK: number, opacity: number}} options
   * @param {Element | null | undefined} active a field in which someone types keeps what it has
   */
  showNumbers({ threshold, topK, opacity }, active) {
    const { parts } = this;
    for (const [{ number, range }, value] of /** @type {const} */ ([[parts.threshold, threshold], [parts.topK, topK], [parts.opacity, opacity]])) {
      range.value = String(value);
      if (active !== number) number.value = String(value);
    }
  }

  /** @param {ModelCard} card @param {string[]} selected */
  showRare(card, selected) {
    this.parts.rareChecks.replaceChildren(...rareChecks(card, selected, this.speech));
  }

  get #rareBoxes() {
    return /** @type {HTMLInputElement[]} */ ([...this.parts.rareChecks.querySelectorAll("input")]);
  }

  /** @param {string[]} selected */
  selectRare(selected) {
    for (const box of this.#rareBoxes) box.checked = selected.includes(box.value);
  }

  /** The rare classes that the reader has selected. */
  selectedRare() {
    return this.#rareBoxes.filter(({ checked }) => checked).map(({ value }) => value);
  }

  /** @param {ModelCard} card */
  showLayers(card) {
    this.#shown.card = card;
    const shown = this.parts.layerChecks.querySelector("input:checked")?.getAttribute("value") ?? "mask";
    this.parts.layerChecks.replaceChildren(...layerChoices(card, /** @type {LayerKind | "none"} */ (shown), this.speech));
  }

  /** @param {OpenedScene} opened @param {Notice[]} warnings what does not fit the model */
  showScene(opened, warnings) {
    this.#shown.scene = [opened, warnings];
    const { scene } = opened;
    const { canvas, facts, scene: part, warnings: list, notices } = this.parts;
    const size = `${this.speech.number(scene.width)} × ${this.speech.number(scene.height)}`;
    facts.textContent = [scene.name, size, scene.crs, scene.resolution].filter(Boolean).join(" · ");
    list.replaceChildren(...warningItems(warnings, this.speech));
    notices.replaceChildren(...noticeItems(opened.notices));
    canvas.hidden = false;
    part.hidden = false;
  }

  /**
   * A choice for each of the model's bands.
   *
   * @param {OpenedScene} opened
   * @param {Bands} assigned
   */
  showBands(opened, assigned) {
    const rows = bandSelects(opened, assigned, this.speech);
    this.parts.bandSelects.replaceChildren(...rows.flatMap(({ label, select }) => [label, select]));
  }

  /** Opens the choice of bands if the scene does not say which it has. @param {OpenedScene} opened */
  openBands(opened) {
    const { certainty, bands } = opened.assignment;
    this.parts.bands.open = certainty === "unknown" || unassigned(opened, bands).length > 0;
  }

  /** The bands that are chosen. */
  chosenBands() {
    return chosenBands(this.parts.bandSelects.querySelectorAll("select"));
  }

  /** @param {number} done @param {number} total */
  showProgress(done, total) {
    const { progress, tiles } = this.parts;
    progress.max = total || 1;
    progress.value = done;
    tiles.textContent = total ? this.speech.say("tiles", { done: this.speech.number(done), total: this.speech.number(total) }) : "";
  }

  /** @param {number} percent of the rows that areas are measured by */
  showMeasuring(percent) {
    this.parts.note.textContent = this.speech.say("measuring", { percent });
  }

  /** The table of the areas, and what the colours mean. @param {Layer} layer */
  showAreas(layer) {
    this.#shown.layer = layer;
    const { areas, figures } = layer;
    const { head, note, rightNote: right, rows, result, legend } = this.parts;
    result.hidden = false;
    note.textContent = areasNote(areas, this.speech);
    head.area.textContent = this.speech.say(areas.validHectares === null ? "pixelsUnit" : "hectares");
    head.right.hidden = figures.classes.length === 0;
    right.textContent = rightNote(figures, this.speech);
    rows.replaceChildren(...classRows(areas, figures, this.speech));
    const content = legendOf(layer, this.speech);
    legend.hidden = content.length === 0;
    legend.replaceChildren(...content);
  }

  /** @param {ResultFile[]} files */
  showDownloads(files) {
    this.#shown.files = files;
    this.parts.downloads.replaceChildren(...fileButtons(files, ({ name }, button) => this.onDownload(name, button), this.speech));
  }
}
