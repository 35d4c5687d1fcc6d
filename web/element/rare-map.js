// @ts-check
// <rare-map>: a scene, its options, its map and its downloads, in one element that a portal can place anywhere.

import { createSession, EngineError } from "../api/index.js";
import { assigned, unassigned } from "../engine/bands.js";
import { toEngineError } from "../engine/errors.js";
import { Layers, PICTURE_MAX_PX } from "../view/layers.js";
import { save } from "../view/make.js";
import { Viewer } from "../view/viewer.js";
import { listen } from "./controls.js";
import { Panel } from "./panel.js";
import { STYLE } from "./style.js";

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
 * @typedef {import("./panel.js").State} State
 */

const BACKENDS = ["auto", "cpu", "webgpu"];

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
  /**
   * Where the engine's files lie, for all elements, if neither a bundler nor the modules' own place tells.
   *
   * @type {Pick<import("../api/session.js").SessionOptions, "modelUrl" | "wasmUrl" | "workerUrl">}
   */
  static assets = {};
  static observedAttributes = ["model", "src", "threshold", "rare", "top-k", "backend", "lang"];

  #panel = new Panel((name, button) => this.#download(name, button));
  #viewer = new Viewer(this.#panel.parts.canvas, () => this.#layers?.onView());
  /** @type {Layers | undefined} */
  #layers;
  /** @type {State} */
  #state = "idle";
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
  /** The scene's band for each that the model needs; null as long as it is not known. @type {(number | null)[]} */
  #bands = [];
  /** @type {Run | undefined} */
  #run;
  /** @type {Result | undefined} */
  #result;
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
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [styleSheet()];
    root.append(this.#panel.parts.root);
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
    this.#speak();
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
    if (name === "lang") this.#speak();
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
      const { bands } = scene.assignment;
      const picture = await session.preview({ bands: assigned(scene, bands), maxPx: PICTURE_MAX_PX });
      if (token !== this.#opened) throw new EngineError("superseded", "another scene was opened meanwhile");
      this.#scene = scene;
      this.#isLost = false;
      this.#viewer.setScene(scene.scene.width, scene.scene.height);
      this.#bands = bands;
      this.#showPicture(scene, picture);
      this.#panel.showBands(scene, bands);
      this.#setReady(scene);
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
   * @param {Pick<RunOptions, "bands" | "tile" | "resample" | "matching" | "workers">} [options]
   * @returns {Promise<Result | undefined>} nothing if another scene was opened meanwhile
   */
  async run(options = {}) {
    if (this.#isLost && this.#source) await this.open(this.#source);
    const token = this.#opened;
    try {
      const session = await this.session;
      if (!this.#scene) throw new EngineError("misuse", "no scene is open");
      if (this.#run) throw new EngineError("busy", "The element is in the middle of a run: wait for it, or cancel it.");
      this.#panel.clearError();
      this.#panel.showDownloads([]);
      this.#result = undefined;
      this.#areas = undefined;
      this.#layers?.startRun();
      const layer = this.#kind === "none" ? undefined : this.#kind;
      const bands = options.bands ?? assigned(this.#scene, this.#bands);
      const run = session.run({ ...options, bands, ...this.#decide(), layer, maxPx: PICTURE_MAX_PX });
      this.#run = run;
      this.#panel.showProgress(0, 0);
      this.#setState("running", "running");
      try {
        for await (const { done, total, picture } of run) {
          if (token !== this.#opened) picture?.bitmap.close();
          else if (picture) this.#layers?.showPart(picture);
          else {
            this.#panel.showProgress(done, total);
            this.#fire("progress", { done, total });
          }
        }
      } finally {
        if (this.#run === run) this.#run = undefined;
      }
      const result = await run;
      if (token !== this.#opened) return undefined;
      this.#result = result;
      await this.#layers?.finish();
      const files = result.complete ? await result.files(this.#decide()) : [];
      if (token !== this.#opened) return undefined;
      this.#panel.showDownloads(files);
      const { done, total } = result.tiles;
      if (result.complete) {
        this.#setState("done", "done", { secs: Math.round(result.secs * 10) / 10 });
        this.#fire("result", { result, areas: this.#areas });
      } else {
        this.#setState("cancelled", "cancelled", { done, total });
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
    const loading = createSession({ ...RareMap.assets, model, backend: this.backend, signal: this.#stopLoading.signal });
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
          onMeasuring: (done, total) => this.#panel.showMeasuring(Math.floor((100 * done) / total)),
        });
        this.#layers.setKind(this.#kind);
        this.#panel.showRare(session.model.card, this.rare);
        this.#panel.showLayers(session.model.card);
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
    this.#layers?.clear();
    this.#panel.forget();
  }

  /** @param {OpenedScene} scene @param {import("../engine/messages.js").Preview} picture */
  #showPicture(scene, picture) {
    this.#viewer.setLayer("scene", picture);
    this.#panel.showScene(scene, [...scene.warnings, ...picture.warnings].map(({ message }) => message));
  }

  /** @param {OpenedScene} opened */
  #setReady(opened) {
    const missing = unassigned(opened, this.#bands);
    if (missing.length > 0) this.#setState("ready", "bandMissing", { bands: missing.join(", ") });
    else this.#setState("ready", "ready", { name: opened.scene.name });
  }

  /** The reader says which bands the scene's are: what was made with others no longer holds. */
  async #chooseBands() {
    const [scene, bands, token] = [this.#scene, this.#panel.chosenBands(), this.#opened];
    if (!scene) return;
    this.#bands = bands;
    this.#result = undefined;
    this.#areas = undefined;
    this.#layers?.clear();
    this.#panel.forgetResult();
    this.#setReady(scene);
    try {
      const picture = await (await this.session).preview({ bands: assigned(scene, bands), maxPx: PICTURE_MAX_PX });
      if (token === this.#opened && bands === this.#bands) this.#showPicture(scene, picture);
      else picture.bitmap.close();
    } catch (cause) {
      if (token === this.#opened) this.#fail(cause);
    }
  }

  #decide() {
    return { threshold: this.threshold, rare: this.rare, topK: this.topK };
  }

  // What is seen

  /** @param {State} state @param {import("./words.js").Word} word @param {Record<string, string | number>} [values] */
  #setState(state, word, values = {}) {
    this.#state = state;
    this.#panel.setState(state, word, values, Boolean(this.#scene), Boolean(this.#scene && unassigned(this.#scene, this.#bands).length === 0));
  }

  /** @param {unknown} cause */
  #fail(cause) {
    const { code, message } = toEngineError(cause);
    if (code === "trap") {
      // The result was in the worker that is gone; the next run opens the scene again.
      this.#isLost = true;
      this.#result = undefined;
      this.#layers?.clear();
      this.#panel.forgetResult();
    }
    this.#panel.showError(code, message);
    this.#setState("error", "failed");
    this.#fire("error", { code, message });
  }

  /** @param {string} name @param {unknown} detail */
  #fire(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** In the element's own language, or that of what is around it. */
  #speak() {
    this.#panel.speak(this.lang || this.closest("[lang]")?.getAttribute("lang") || document.documentElement.lang);
  }

  #showOptions() {
    this.#panel.showNumbers(this, this.shadowRoot?.activeElement);
    if (this.#model) this.#panel.selectRare(this.rare);
  }

  /** @param {Areas} areas */
  #onAreas(areas) {
    this.#areas = areas;
    this.#panel.showAreas(areas);
    // After a run, `result` tells of the areas.
    if (this.#state === "done") this.#fire("change", { areas });
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
    listen(this.#panel.parts, {
      onEntries: (entries) => {
        if (entries.length > 0) this.open(entries).catch(() => {});
      },
      onUnreadable: (cause) => this.#fail(new EngineError("folder_unreadable", String(cause))),
      // What goes wrong is shown.
      onRun: () => void this.run().catch(() => {}),
      onCancel: () => this.cancel(),
      onZoom: (factor) => (factor ? this.#viewer.zoom(factor) : this.#viewer.fit()),
      onNumber: (name, value) => this.setAttribute(name, value),
      onRare: () => (this.rare = this.#panel.selectedRare()),
      onBands: () => this.#chooseBands(),
      onLayer: (kind) => {
        this.#kind = kind;
        this.#layers?.setKind(kind);
      },
    });
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
