// @ts-check
// <rare-map>: a scene, its options, its map and its downloads, in one element that a portal can place anywhere.

import { createSession, EngineError } from "../api/index.js";
import { toEngineError } from "../engine/errors.js";
import { droppedEntries, entriesOf } from "../view/entries.js";
import { Layers, PICTURE_MAX_PX } from "../view/layers.js";
import { make, save, swatch } from "../view/make.js";
import { Viewer } from "../view/viewer.js";
import { makeParts } from "./parts.js";
import { STYLE } from "./style.js";
import { className, Words } from "./words.js";

/**
 * @typedef {import("../api/result.js").Result} Result
 * @typedef {import("../api/run.js").Run} Run
 * @typedef {import("../api/session.js").Session} Session
 * @typedef {import("../api/session.js").RunOptions} RunOptions
 * @typedef {import("../api/source.js").Source} Source
 * @typedef {import("../engine/messages.js").LoadedModel} LoadedModel
 * @typedef {import("../engine/messages.js").WantedBackend} WantedBackend
 * @typedef {import("../wasm/raremap-web.js").Areas} Areas
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("../wasm/raremap-web.js").ResultFile} ResultFile
 *
 * @typedef {"idle" | "loading" | "reading" | "ready" | "running" | "done" | "cancelled" | "error"} State
 */

const BACKENDS = ["auto", "cpu", "webgpu"];
const ZOOM = 1.5;

// Importing this where there is no document, as a server that renders pages does, must not fail.
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

/** @type {CSSStyleSheet | undefined} */
let sheet;

function styleSheet() {
  if (sheet) return sheet;
  sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  return sheet;
}

/**
 * Fires `ready` ({model}), `scene` ({scene}), `progress` ({done, total}), `result` ({result, areas}), `change` ({areas}, after an option changed
 * the result), `cancel` ({done, total}) and `error` ({code, message}); none of them bubbles.
 */
export class RareMap extends Base {
  static observedAttributes = ["model", "src", "threshold", "rare", "top-k", "backend", "lang"];

  #parts;
  #viewer;
  /** @type {Layers | undefined} */
  #layers;
  #words = new Words("en");
  /** @type {State} */
  #state = "idle";
  /** What the status says, to be said again in another language. @type {[string, Record<string, string | number>]} */
  #said = ["empty", {}];
  /** @type {Promise<Session> | undefined} */
  #loading;
  #stopLoading = new AbortController();
  /** @type {LoadedModel | undefined} */
  #model;
  /** A weights file that the property was set to. @type {Blob | undefined} */
  #modelFile;
  /** What is open, or is being opened. @type {Source | undefined} */
  #source;
  /** @type {OpenedScene | undefined} */
  #scene;
  /** @type {Run | undefined} */
  #run;
  /** @type {Result | undefined} */
  #result;
  /** @type {ResultFile[]} */
  #files = [];
  /** @type {Areas | undefined} */
  #areas;
  /** @type {LayerKind | "none"} */
  #kind = "mask";
  /** Counts what was opened: an answer about an older one is dropped. */
  #opened = 0;
  #isStarted = false;
  /** The engine has crashed since the scene was opened. */
  #isLost = false;
  #isRestartDue = false;

  constructor() {
    super();
    this.#parts = makeParts();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [styleSheet()];
    root.append(this.#parts.root);
    this.#viewer = new Viewer(this.#parts.canvas, () => this.#layers?.onView());
    this.#listen();
  }

  connectedCallback() {
    if (this.#isStarted) return;
    this.#isStarted = true;
    // What was set before the element was defined would hide the accessors.
    for (const name of ["model", "src", "threshold", "rare", "topK", "backend"]) {
      if (!Object.hasOwn(this, name)) continue;
      const value = Reflect.get(this, name);
      Reflect.deleteProperty(this, name);
      Reflect.set(this, name, value);
    }
    this.#label();
    this.#showOptions();
    this.#start();
    if (this.src) this.#openSource(this.src);
  }

  disconnectedCallback() {
    // An element that is only moved is connected again by then.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#isStarted = false;
      this.#stop();
    });
  }

  /** @param {string} name @param {string | null} before @param {string | null} value */
  attributeChangedCallback(name, before, value) {
    if (!this.#isStarted || before === value) return;
    if (name === "lang") this.#label();
    else if (name === "src") this.#openSource(value);
    else if (name === "model" || name === "backend") this.#restart();
    else {
      this.#showOptions();
      this.#layers?.refresh();
    }
  }

  // Properties, each with an attribute

  /** The model's address; the default model if there is none. A weights file can be set, too. @returns {string | Blob | null} */
  get model() {
    return this.#modelFile ?? this.getAttribute("model");
  }

  set model(value) {
    const had = this.#modelFile;
    this.#modelFile = value instanceof Blob ? value : undefined;
    if (had !== this.#modelFile) this.#restart();
    this.#reflect("model", value instanceof Blob ? null : value);
  }

  /** The address of a scene. @returns {string | null} */
  get src() {
    return this.getAttribute("src");
  }

  set src(value) {
    this.#reflect("src", value);
  }

  /** From 0 to 1; 0.5 if absent or out of range. @returns {number} */
  get threshold() {
    return this.#number("threshold", 1, 0.5);
  }

  set threshold(value) {
    this.#reflect("threshold", value);
  }

  /** The most salient percent, from 0 to 100; 20 if absent or out of range. @returns {number} */
  get topK() {
    return this.#number("top-k", 100, 20);
  }

  set topK(value) {
    this.#reflect("top-k", value);
  }

  /** Names of the rare classes to look for; all of the model's if absent. The attribute separates them by commas. @returns {string[]} */
  get rare() {
    const known = this.#model?.card.rareClasses;
    const text = this.getAttribute("rare");
    if (text === null) return [...(known ?? [])];
    const wanted = text.split(",").map((name) => name.trim()).filter(Boolean);
    return known ? wanted.filter((name) => known.includes(name)) : wanted;
  }

  set rare(value) {
    this.#reflect("rare", value === null || value === undefined ? null : [...value].join(","));
  }

  /** @returns {WantedBackend} */
  get backend() {
    const wanted = this.getAttribute("backend") ?? "auto";
    return BACKENDS.includes(wanted) ? /** @type {WantedBackend} */ (wanted) : "auto";
  }

  set backend(value) {
    this.#reflect("backend", value);
  }

  // What else a portal can ask

  get state() {
    return this.#state;
  }

  /** The scene that is open. */
  get scene() {
    return this.#scene;
  }

  /** The result of the last run, with everything that can be done with it. */
  get result() {
    return this.#result;
  }

  /** The areas of what is shown. */
  get areas() {
    return this.#areas;
  }

  /** The session, once the model is loaded. @returns {Promise<Session>} */
  get session() {
    if (!this.#loading) return Promise.reject(new EngineError("not_loaded", "The element is not in a document."));
    return this.#loading;
  }

  /**
   * Opens a scene in place of the one before.
   *
   * @param {Source} source
   * @returns {Promise<OpenedScene>}
   */
  async open(source) {
    const token = ++this.#opened;
    this.#source = source;
    this.#forget();
    const name = nameOf(source);
    this.#setState("reading", "reading", { name });
    try {
      const session = await this.session;
      const scene = await session.open(source);
      const assigned = scene.assignment.bands;
      const bands = assigned.flatMap((band) => (assigned.includes(null) || band === null ? [] : [band]));
      const picture = await session.preview({ bands, maxPx: PICTURE_MAX_PX });
      if (token !== this.#opened) throw new EngineError("superseded", "another scene was opened meanwhile");
      this.#scene = scene;
      this.#isLost = false;
      this.#parts.canvas.hidden = false;
      this.#viewer.setScene(scene.scene.width, scene.scene.height);
      this.#viewer.setLayer("scene", picture);
      this.#showScene(scene, [...scene.warnings, ...picture.warnings].map(({ message }) => message));
      if (assigned.includes(null)) {
        this.#setState("ready", "bandMissing", { bands: scene.modelBands.filter((_, i) => assigned[i] === null).join(", ") });
      } else this.#setState("ready", "ready", { name: scene.scene.name });
      this.#fire("scene", { scene });
      return scene;
    } catch (cause) {
      if (token === this.#opened) this.#fail(cause);
      throw cause;
    }
  }

  /**
   * Maps the scene with the element's options.
   *
   * @param {Pick<RunOptions, "bands" | "tile" | "resample" | "matching">} [options]
   * @returns {Promise<Result | undefined>} nothing if another scene was opened meanwhile
   */
  async run(options = {}) {
    if (this.#isLost && this.#source) await this.open(this.#source);
    const token = this.#opened;
    try {
      const session = await this.session;
      if (!this.#scene) throw new EngineError("misuse", "no scene is open");
      if (this.#run) throw new EngineError("busy", "The element is in the middle of a run: wait for it, or cancel it.");
      this.#clearError();
      this.#result = undefined;
      this.#areas = undefined;
      this.#layers?.startRun();
      const layer = this.#kind === "none" ? undefined : this.#kind;
      const run = session.run({ ...options, ...this.#decide(), layer, maxPx: PICTURE_MAX_PX });
      this.#run = run;
      this.#showProgress(0, 0);
      this.#setState("running", "running");
      try {
        for await (const { done, total, picture } of run) {
          if (token !== this.#opened) picture?.bitmap.close();
          else if (picture) this.#layers?.showPart(picture);
          else {
            this.#showProgress(done, total);
            this.#fire("progress", { done, total });
          }
        }
      } finally {
        if (this.#run === run) this.#run = undefined;
      }
      const result = await run;
      if (token !== this.#opened) return undefined;
      this.#result = result;
      this.#parts.result.hidden = false;
      await this.#layers?.finish();
      this.#files = result.complete ? await result.files(this.#decide()) : [];
      if (token !== this.#opened) return undefined;
      this.#showDownloads();
      const { done, total } = result.tiles;
      const [tilesDone, tiles] = [this.#words.number(done), this.#words.number(total)];
      if (result.complete) {
        this.#setState("done", "done", { secs: this.#words.number(result.secs, result.secs < 10 ? 1 : 0) });
        this.#fire("result", { result, areas: this.#areas });
      } else {
        this.#setState("cancelled", "cancelled", { done: tilesDone, total: tiles });
        this.#fire("cancel", { done, total });
      }
      return result;
    } catch (cause) {
      if (token !== this.#opened) return undefined;
      this.#fail(cause);
      throw cause;
    }
  }

  /** Ends the run after the tile at hand; what is done stays in sight. */
  cancel() {
    this.#run?.cancel();
  }

  // The session

  #start() {
    this.#setState("loading", "loading");
    this.#stopLoading = new AbortController();
    const model = this.model ?? undefined;
    const loading = createSession({ model, backend: this.backend, signal: this.#stopLoading.signal });
    this.#loading = loading;
    loading.then(
      (session) => {
        if (loading !== this.#loading) return;
        this.#model = session.model;
        this.#layers = new Layers(session.engine, this.#viewer, {
          options: () => this.#decide(),
          opacity: () => 0.7,
          hasOutline: () => this.#kind !== "none",
          onAreas: (areas) => this.#onAreas(areas),
          onError: (cause) => this.#fail(cause),
          onMeasuring: (done, total) => (this.#parts.note.textContent = this.#say("measuring", { percent: Math.floor((100 * done) / total) })),
        });
        this.#layers.setKind(this.#kind);
        this.#showOptions();
        if (this.#state === "loading") this.#setState("idle", "empty");
        this.#fire("ready", { model: session.model });
      },
      (cause) => loading === this.#loading && this.#fail(cause),
    );
  }

  #stop() {
    const reason = new EngineError("closed", "The element was removed, or has got another model.");
    this.#opened += 1;
    this.#stopLoading.abort(reason);
    // A session that failed to load has ended by itself.
    this.#loading?.then((session) => session.free(), () => {});
    this.#loading = undefined;
    this.#layers = undefined;
    this.#model = undefined;
    this.#run = undefined;
    this.#forget();
  }

  /** Another model or device: everything begins anew, with the same scene. Changes that come together are one. */
  #restart() {
    if (!this.#isStarted || this.#isRestartDue) return;
    this.#isRestartDue = true;
    queueMicrotask(() => {
      this.#isRestartDue = false;
      if (!this.#isStarted) return;
      const source = this.#source;
      this.#stop();
      this.#start();
      if (source) this.open(source).catch(() => {});
    });
  }

  /** @param {string | null} src */
  #openSource(src) {
    // `open` has shown what went wrong.
    if (src) this.open(src).catch(() => {});
  }

  /** The scene is gone, and what was made of it. */
  #forget() {
    this.#scene = undefined;
    this.#result = undefined;
    this.#areas = undefined;
    this.#files = [];
    this.#layers?.clear();
    this.#clearError();
    const { canvas, scene, result, note } = this.#parts;
    canvas.hidden = true;
    scene.hidden = true;
    result.hidden = true;
    note.textContent = "";
    this.#showDownloads();
  }

  #decide() {
    return { threshold: this.threshold, rare: this.rare, topK: this.topK };
  }

  // What is seen

  /** @param {State} state @param {string} word @param {Record<string, string | number>} [values] */
  #setState(state, word, values = {}) {
    const { root, empty, tools, run, running, status } = this.#parts;
    this.#state = state;
    this.#said = [word, values];
    root.dataset.state = state;
    status.textContent = this.#say(word, values);
    const hasScene = Boolean(this.#scene);
    empty.hidden = hasScene;
    tools.hidden = !hasScene;
    run.hidden = state === "running";
    run.disabled = !hasScene || Boolean(this.#scene?.assignment.bands.includes(null));
    running.hidden = state !== "running";
  }

  /** @param {unknown} cause */
  #fail(cause) {
    const { code, message } = toEngineError(cause);
    if (code === "trap") this.#isLost = true;
    const { error } = this.#parts;
    error.dataset.code = code;
    error.replaceChildren(make("p", {}, message), make("code", { class: "small" }, code));
    error.hidden = false;
    this.#setState("error", "failed");
    this.#fire("error", { code, message });
  }

  #clearError() {
    this.#parts.error.hidden = true;
    this.#parts.error.replaceChildren();
  }

  /** @param {string} name @param {unknown} detail */
  #fire(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** @param {string} word @param {Record<string, string | number>} [values] */
  #say(word, values) {
    return this.#words.say(word, values);
  }

  /** Writes everything in the element's language. */
  #label() {
    this.#words = new Words(this.lang || this.closest("[lang]")?.getAttribute("lang") || document.documentElement.lang);
    const parts = this.#parts;
    parts.root.lang = this.#words.language;
    /** @type {[Element, import("./words.js").Word][]} */
    const texts = [
      [parts.emptyTitle, "empty"], [parts.accepts, "accepts"], [parts.choose, "choose"], [parts.another, "another"], [parts.run, "run"],
      [parts.cancel, "cancel"], [parts.threshold.label, "threshold"], [parts.topK.label, "topK"], [parts.rareTitle, "rare"],
      [parts.layerTitle, "layer"], [parts.head.class, "class"], [parts.head.percent, "percent"],
    ];
    for (const [part, word] of texts) part.textContent = this.#say(word);
    /** @type {[Element, import("./words.js").Word][]} */
    const labels = [
      [parts.canvas, "canvas"], [parts.zoom.in, "zoomIn"], [parts.zoom.out, "zoomOut"], [parts.zoom.fit, "zoomFit"], [parts.progress, "progress"],
      [parts.threshold.range, "threshold"], [parts.topK.range, "topK"], [parts.tableWrap, "areas"], [parts.downloads, "downloads"],
    ];
    for (const [part, word] of labels) part.setAttribute("aria-label", this.#say(word));
    parts.status.textContent = this.#say(...this.#said);
    if (this.#model) this.#showLayers();
    if (this.#areas) this.#showAreas(this.#areas);
    this.#showDownloads();
  }

  /** Brings the fields to what the attributes say. */
  #showOptions() {
    const { threshold, topK, rareChecks } = this.#parts;
    for (const [{ number, range }, value] of /** @type {const} */ ([[threshold, this.threshold], [topK, this.topK]])) {
      range.value = String(value);
      // Not while someone types in it.
      if (this.shadowRoot?.activeElement !== number) number.value = String(value);
    }
    if (!this.#model) return;
    const { card } = this.#model;
    const selected = this.rare;
    const boxes = /** @type {HTMLInputElement[]} */ ([...rareChecks.querySelectorAll("input")]);
    if (boxes.map(({ value }) => value).join() === card.rareClasses.join()) {
      for (const box of boxes) box.checked = selected.includes(box.value);
      return;
    }
    const labels = card.rareClasses.map((name) => {
      const box = make("input", { type: "checkbox", name: "rare", value: name });
      box.checked = selected.includes(name);
      const color = card.classes.find((it) => it.name === name)?.color ?? [0, 0, 0];
      return make("label", {}, box, swatch(color), className(name));
    });
    rareChecks.replaceChildren(...labels);
    this.#showLayers();
  }

  #showLayers() {
    const rareClasses = this.#model?.card.rareClasses ?? [];
    /** @type {[LayerKind | "none", string][]} */
    const kinds = [
      ["mask", this.#say("classes")],
      ...rareClasses.map((name) => /** @type {[LayerKind, string]} */ ([`probability:${name}`, className(name)])),
      ...(rareClasses.length > 0 ? [/** @type {[LayerKind, string]} */ (["saliency", this.#say("saliency")])] : []),
      ["none", this.#say("none")],
    ];
    const labels = kinds.map(([kind, text]) => {
      const radio = make("input", { type: "radio", name: "layer", value: kind });
      radio.checked = kind === this.#kind;
      return make("label", {}, radio, text);
    });
    this.#parts.layerChecks.replaceChildren(...labels);
  }

  /** @param {OpenedScene} opened @param {string[]} warnings */
  #showScene({ scene }, warnings) {
    const parts = this.#parts;
    const size = `${this.#words.number(scene.width)} × ${this.#words.number(scene.height)}`;
    parts.facts.textContent = [scene.name, size, scene.crs, scene.resolution].filter(Boolean).join(" · ");
    parts.facts.hidden = false;
    parts.warnings.replaceChildren(...warnings.map((message) => make("li", {}, message)));
    parts.scene.hidden = false;
  }

  /** @param {number} done @param {number} total */
  #showProgress(done, total) {
    const { progress, tiles } = this.#parts;
    progress.max = total || 1;
    progress.value = done;
    tiles.textContent = total ? this.#say("tiles", { done: this.#words.number(done), total: this.#words.number(total) }) : "";
  }

  /** @param {Areas} areas */
  #onAreas(areas) {
    this.#areas = areas;
    this.#parts.note.textContent = areas.complete ? areas.warnings.map(({ message }) => message).join(" ") : "";
    this.#showAreas(areas);
    // After a run, `result` tells of the areas.
    if (this.#state === "done") this.#fire("change", { areas });
  }

  /** @param {Areas} areas */
  #showAreas(areas) {
    const { head, rows } = this.#parts;
    head.area.textContent = this.#say(areas.validHectares === null ? "pixels" : "hectares");
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

  #showDownloads() {
    const buttons = this.#files.map(({ name }) => {
      const button = make("button", { type: "button", part: "button download", "data-file": name }, this.#say(name));
      button.addEventListener("click", () => this.#download(name, button));
      return button;
    });
    this.#parts.downloads.replaceChildren(...buttons);
  }

  /** @param {string} name @param {HTMLButtonElement} button */
  async #download(name, button) {
    button.disabled = true;
    try {
      const file = await this.#result?.file(name, this.#decide());
      if (file) save(file, file.name);
    } catch (cause) {
      this.#fail(cause);
    }
    button.disabled = false;
  }

  // What the user does

  #listen() {
    const { root, choose, another, files, run, cancel, zoom, threshold, topK, rareChecks, layerChecks } = this.#parts;
    for (const button of [choose, another]) button.addEventListener("click", () => files.click());
    files.addEventListener("change", () => {
      const entries = entriesOf(files.files ?? []);
      // The same file can be chosen again, for example after it was mended.
      files.value = "";
      this.#openEntries(entries);
    });
    // What goes wrong is shown.
    run.addEventListener("click", () => this.run().catch(() => {}));
    cancel.addEventListener("click", () => this.cancel());
    zoom.in.addEventListener("click", () => this.#viewer.zoom(ZOOM));
    zoom.out.addEventListener("click", () => this.#viewer.zoom(1 / ZOOM));
    zoom.fit.addEventListener("click", () => this.#viewer.fit());
    for (const [name, { number, range }] of /** @type {const} */ ([["threshold", threshold], ["top-k", topK]])) {
      range.addEventListener("input", () => this.setAttribute(name, range.value));
      number.addEventListener("input", () => number.value !== "" && number.checkValidity() && this.setAttribute(name, number.value));
      // Leaving the field with something that is no valid value puts the last valid one back.
      number.addEventListener("change", () => (number.value = range.value));
    }
    rareChecks.addEventListener("change", () => {
      const boxes = /** @type {HTMLInputElement[]} */ ([...rareChecks.querySelectorAll("input")]);
      this.rare = boxes.filter(({ checked }) => checked).map(({ value }) => value);
    });
    layerChecks.addEventListener("change", (event) => {
      this.#kind = /** @type {LayerKind | "none"} */ (/** @type {HTMLInputElement} */ (event.target).value);
      this.#layers?.setKind(this.#kind);
    });
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
      if (!event.dataTransfer?.types.includes("Files")) return;
      droppedEntries(event.dataTransfer).then(
        (entries) => this.#openEntries(entries),
        (cause) => this.#fail(new EngineError("folder_unreadable", String(cause))),
      );
    });
  }

  /** @param {import("../engine/messages.js").Entry[]} entries */
  #openEntries(entries) {
    if (entries.length > 0) this.open(entries).catch(() => {});
  }

  // Attributes

  /** @param {string} name @param {unknown} value */
  #reflect(name, value) {
    if (value === null || value === undefined) this.removeAttribute(name);
    else this.setAttribute(name, String(value));
  }

  /** @param {string} name @param {number} max @param {number} fallback */
  #number(name, max, fallback) {
    const text = this.getAttribute(name);
    const value = Number(text);
    return text !== null && text.trim() !== "" && value >= 0 && value <= max ? value : fallback;
  }
}

/** What the element calls a scene until it is read. @param {Source} source */
function nameOf(source) {
  if (typeof source === "string" || source instanceof URL) return String(source).split(/[?#]/)[0].split("/").at(-1) ?? "";
  if (source instanceof File) return source.name;
  if (source instanceof Blob || source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return "";
  const [first] = source;
  return first instanceof File ? first.name : "path" in first ? first.path : "";
}
