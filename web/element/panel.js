// @ts-check
// What the element's shadow tree shows, in the element's language.

import { unassigned } from "../engine/bands.js";
import { make, swatch } from "../view/make.js";
import { makeParts } from "./parts.js";
import { className, Words } from "./words.js";

/**
 * @typedef {import("../wasm/raremap-web.js").Areas} Areas
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").ModelCard} ModelCard
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("../wasm/raremap-web.js").ResultFile} ResultFile
 * @typedef {import("./words.js").Word} Word
 * @typedef {"idle" | "loading" | "reading" | "ready" | "running" | "done" | "cancelled" | "error"} State
 */

export class Panel {
  parts = makeParts();
  #words = new Words("en");
  /** What was shown last, to be shown again in another language. */
  #shown = {
    /** @type {[Word, Record<string, string | number>]} */
    status: ["empty", {}],
    /** @type {ModelCard | undefined} */
    card: undefined,
    /** @type {Areas | undefined} */
    areas: undefined,
    /** @type {ResultFile[]} */
    files: [],
  };

  /** @param {(name: string, button: HTMLButtonElement) => void} onDownload called with the name of a file */
  constructor(onDownload) {
    this.onDownload = onDownload;
  }

  /** Writes everything in a language. @param {string} language a tag such as `hi-IN` */
  speak(language) {
    this.#words = new Words(language);
    const { parts } = this;
    parts.root.lang = this.#words.language;
    /** @type {[Element, Word][]} */
    const texts = [
      [parts.emptyTitle, "empty"], [parts.accepts, "accepts"], [parts.choose, "choose"], [parts.another, "another"], [parts.run, "run"],
      [parts.cancel, "cancel"], [parts.bandsTitle, "bands"], [parts.threshold.label, "threshold"], [parts.topK.label, "topK"], [parts.rareTitle, "rare"],
      [parts.layerTitle, "layer"], [parts.head.class, "class"], [parts.head.percent, "percent"],
    ];
    for (const [part, word] of texts) part.textContent = this.#words.say(word);
    /** @type {[Element, Word][]} */
    const labels = [
      [parts.canvas, "canvas"], [parts.zoom.in, "zoomIn"], [parts.zoom.out, "zoomOut"], [parts.zoom.fit, "zoomFit"], [parts.progress, "progress"],
      [parts.threshold.range, "threshold"], [parts.topK.range, "topK"], [parts.tableWrap, "areas"], [parts.downloads, "downloads"],
    ];
    for (const [part, word] of labels) part.setAttribute("aria-label", this.#words.say(word));
    const { status, card, areas, files } = this.#shown;
    parts.status.textContent = this.#words.say(...status);
    if (card) this.showLayers(card);
    if (areas) this.showAreas(areas);
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
    const written = Object.entries(values).map(([name, value]) => [name, typeof value === "number" ? this.#words.number(value) : value]);
    this.#shown.status = [word, Object.fromEntries(written)];
    root.dataset.state = state;
    status.textContent = this.#words.say(...this.#shown.status);
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
    this.forgetResult();
    this.clearError();
  }

  forgetResult() {
    const { result, note } = this.parts;
    result.hidden = true;
    note.textContent = "";
    this.#shown.areas = undefined;
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
   * @param {{threshold: number, topK: number}} options
   * @param {Element | null | undefined} active a field in which someone types keeps what it has
   */
  showNumbers({ threshold, topK }, active) {
    for (const [{ number, range }, value] of /** @type {const} */ ([[this.parts.threshold, threshold], [this.parts.topK, topK]])) {
      range.value = String(value);
      if (active !== number) number.value = String(value);
    }
  }

  /** @param {ModelCard} card @param {string[]} selected */
  showRare(card, selected) {
    const { rareChecks } = this.parts;
    const labels = card.rareClasses.map((name) => {
      const box = make("input", { type: "checkbox", name: "rare", value: name });
      const color = card.classes.find((it) => it.name === name)?.color ?? [0, 0, 0];
      return make("label", {}, box, swatch(color), className(name));
    });
    rareChecks.replaceChildren(...labels);
    this.selectRare(selected);
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
    const { rareClasses } = card;
    const shown = this.parts.layerChecks.querySelector("input:checked")?.getAttribute("value") ?? "mask";
    /** @type {[LayerKind | "none", string][]} */
    const kinds = [
      ["mask", this.#words.say("classes")],
      ...rareClasses.map((name) => /** @type {[LayerKind, string]} */ ([`probability:${name}`, className(name)])),
      ...(rareClasses.length > 0 ? [/** @type {[LayerKind, string]} */ (["saliency", this.#words.say("saliency")])] : []),
      ["none", this.#words.say("none")],
    ];
    const labels = kinds.map(([value, text]) => {
      const radio = make("input", { type: "radio", name: "layer", value });
      radio.checked = value === shown;
      return make("label", {}, radio, text);
    });
    this.parts.layerChecks.replaceChildren(...labels);
  }

  /** @param {OpenedScene} opened @param {string[]} warnings */
  showScene({ scene }, warnings) {
    const { canvas, facts, scene: part, warnings: list } = this.parts;
    const size = `${this.#words.number(scene.width)} × ${this.#words.number(scene.height)}`;
    facts.textContent = [scene.name, size, scene.crs, scene.resolution].filter(Boolean).join(" · ");
    list.replaceChildren(...warnings.map((message) => make("li", {}, message)));
    canvas.hidden = false;
    part.hidden = false;
  }

  /**
   * A choice for each of the model's bands; open, if the scene does not say which bands it has.
   *
   * @param {OpenedScene} opened
   * @param {(number | null)[]} assigned
   */
  showBands(opened, assigned) {
    const { scene, modelBands, optionalBands, assignment } = opened;
    const { bands, bandSelects } = this.parts;
    const choices = modelBands.flatMap((name, i) => {
      const select = make("select", { id: `band-${name}`, "data-band": name });
      const isOptional = optionalBands.includes(name);
      if (assigned[i] === null || isOptional) select.append(new Option(this.#words.say(isOptional ? "bandNotThere" : "chooseBand"), ""));
      for (const band of scene.bands) {
        const number = this.#words.say("band", { number: band.index + 1 });
        select.append(new Option(band.name ? `${number}: ${band.name}` : number, String(band.index)));
      }
      select.value = String(assigned[i] ?? "");
      return [make("label", { for: select.id }, name), select];
    });
    bandSelects.replaceChildren(...choices);
    bands.open = assignment.certainty === "unknown" || unassigned(opened, assigned).length > 0;
  }

  /** The bands that are chosen. @returns {(number | null)[]} null where none is */
  chosenBands() {
    return [...this.parts.bandSelects.querySelectorAll("select")].map(({ value }) => (value === "" ? null : Number(value)));
  }

  /** @param {number} done @param {number} total */
  showProgress(done, total) {
    const { progress, tiles } = this.parts;
    progress.max = total || 1;
    progress.value = done;
    tiles.textContent = total ? this.#words.say("tiles", { done: this.#words.number(done), total: this.#words.number(total) }) : "";
  }

  /** @param {number} percent of the rows that areas are measured by */
  showMeasuring(percent) {
    this.parts.note.textContent = this.#words.say("measuring", { percent });
  }

  /** @param {Areas} areas */
  showAreas(areas) {
    this.#shown.areas = areas;
    const { head, note, rows, result } = this.parts;
    result.hidden = false;
    // Part of a map may well be one class.
    note.textContent = areas.complete ? areas.warnings.map(({ message }) => message).join(" ") : "";
    head.area.textContent = this.#words.say(areas.validHectares === null ? "pixels" : "hectares");
    const lines = areas.classes.map(({ name, color, rare, pixels, percent, hectares }) =>
      make(
        "tr",
        { part: rare ? "row rare" : "row", "data-class": name, "data-pixels": pixels, "data-percent": percent, "data-hectares": hectares ?? undefined },
        make("th", { scope: "row" }, swatch(color), className(name)),
        make("td", { class: "number" }, hectares === null ? this.#words.number(pixels) : this.#words.amount(hectares)),
        make("td", { class: "number" }, this.#words.amount(percent)),
      ),
    );
    rows.replaceChildren(...lines);
  }

  /** @param {ResultFile[]} files */
  showDownloads(files) {
    this.#shown.files = files;
    const buttons = files.map(({ name }) => {
      const button = make("button", { type: "button", part: "button download", "data-file": name }, this.#words.say(name));
      button.addEventListener("click", () => this.onDownload(name, button));
      return button;
    });
    this.parts.downloads.replaceChildren(...buttons);
  }
}
