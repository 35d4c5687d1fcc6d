// @ts-check
// <rare-map>: a scene, its options, its map and its downloads, in one element that a portal can place anywhere.

import { createSession, EngineError } from "../api/index.js";
import { nameOfSource } from "../api/source.js";
import { assigned, unassigned } from "../engine/bands.js";
import { toEngineError } from "../engine/errors.js";
import { fileStem } from "../engine/names.js";
import { Offers } from "../view/before-run.js";
import { figuresOf } from "../view/figures.js";
import { Layers, PICTURE_MAX_PX } from "../view/layers.js";
import { save } from "../view/make.js";
import { ReviewList } from "../view/review.js";
import { ScenePicture } from "../view/scene-picture.js";
import { Viewer } from "../view/viewer.js";
import { listen } from "./controls.js";
import { MapOptions } from "./options.js";
import { Panel } from "./panel.js";
import { makeParts } from "./parts.js";
import { styleSheet } from "./style.js";
import { newSpeech } from "./words.js";

/**
 * @typedef {import("../api/result.js").Result} Result
 * @typedef {import("../api/run.js").Run} Run
 * @typedef {import("../api/session.js").Session} Session
 * @typedef {import("../api/session.js").RunOptions} RunOptions
 * @typedef {import("../api/source.js").Source} Source
 * @typedef {import("../engine/messages.js").LoadedModel} LoadedModel
 * @typedef {import("../wasm/raremap-web.js").Areas} Areas
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").Notice} Notice
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("./panel.js").State} State
 */

const REVIEW = "review.geojson";

/**
 * Fires `ready` ({model}), `scene` ({scene, warnings}), `progress` ({done, total}), `result` ({result, areas}), `change` ({areas}, after an option changed
 * the result), `cancel` ({done, total}) and `error` ({code, message}); none of them bubbles.
 */
export class RareMap extends MapOptions {
  /**
   * Where the engine's files lie, for all elements, if neither a bundler nor the modules' own place tells.
   *
   * @type {Pick<import("../api/session.js").SessionOptions, "modelUrl" | "wasmUrl" | "gpuWasmUrl" | "workerUrl">}
   */
  static assets = {};

  #speech = newSpeech();
  #offers = new Offers(this.#speech, (emptyBorder) => this.#reopen(emptyBorder));
  #review = new ReviewList({
    speech: this.#speech,
    read: () => /** @type {Result} */ (this.#result).file(REVIEW, this.#decide()),
    onPlace: (window) => {
      this.#viewer.show(window);
      this.#viewer.mark(window);
    },
    onError: (cause) => this.#fail(cause),
  });
  /** @type {ScenePicture} */
  #picture;
  #parts;
  #panel;
  #viewer;
  /** @type {Layers | undefined} */
  #layers;
  /** @type {State} */
  #state = "idle";
  /** The session's. @type {Session["engine"] | undefined} */
  #engine;
  /** @type {Promise<Session> | undefined} */
  #loading;
  #stopLoading = new AbortController();
  /** @type {LoadedModel | undefined} */
  #model;
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
  /** What does not fit the model. @type {Notice[]} */
  #warnings = [];
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
    const canvas = document.createElement("canvas");
    this.#viewer = new Viewer(canvas, () => this.#layers?.onView());
    this.#picture = new ScenePicture(this.#viewer, {
      speech: this.#speech,
      engine: () => this.#engine,
      onNote: (text) => (this.#parts.colorNote.textContent = text),
      onDrawn: () => this.#layers?.onColors(),
      onError: (cause) => this.#fail(cause),
    });
    this.#parts = makeParts({ canvas, offers: this.#offers.element, colors: this.#picture.choice.element, review: this.#review.element });
    this.#panel = new Panel(this.#parts, this.#speech, (name, button) => this.#download(name, button));
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [styleSheet()];
    root.append(this.#parts.root);
    this.#listen();
  }

  connectedCallback() {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.takeEarlyProperties();
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

  /** @override @internal */
  get rareOfModel() {
    return this.#model?.card.rareClasses;
  }

  /** @override @internal @param {string} name */
  onOption(name) {
    if (!this.#isStarted) return;
    if (name === "lang") this.#speak();
    else if (name === "src") this.#openSource(this.src);
    else if (name === "model" || name === "backend") this.#restart();
    else {
      this.#showOptions();
      if (name === "opacity") this.#viewer.setOpacity(this.opacity / 100);
      else {
        this.#review.refresh();
        this.#layers?.refresh();
      }
    }
  }

  // What else a portal can ask

  /** What the element is doing. */
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

  /** What does not fit the model, known before a run. */
  get warnings() {
    return this.#warnings;
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
   * @param {{emptyBorder?: boolean}} [options] `emptyBorder: false` keeps zeros along the scene's edge as data
   * @returns {Promise<OpenedScene>}
   */
  async open(source, { emptyBorder } = {}) {
    const token = ++this.#opened;
    this.#source = source;
    this.#forget();
    const name = nameOfSource(source);
    this.#setState("reading", "reading", { name });
    try {
      const session = await this.session;
      const scene = await session.open(source, { emptyBorder });
      const { bands } = scene.assignment;
      const picture = await session.preview({ bands: assigned(scene, bands), maxPx: PICTURE_MAX_PX });
      if (token !== this.#opened) throw new EngineError("superseded", "another scene was opened meanwhile");
      this.#scene = scene;
      this.#isLost = false;
      this.#viewer.setScene(scene.scene.width, scene.scene.height);
      this.#bands = bands;
      this.#offers.begin(emptyBorder);
      this.#showPicture(scene, picture);
      this.#panel.showBands(scene, bands);
      this.#panel.openBands(scene);
      this.#setReady(scene);
      this.#fire("scene", { scene, warnings: this.#warnings });
      return scene;
    } catch (cause) {
      if (token === this.#opened) this.#fail(cause);
      throw cause;
    }
  }

  /**
   * Maps the scene with the element's options, and with what was chosen in it where these do not say otherwise.
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
      this.#review.clear();
      this.#layers?.startRun();
      const layer = this.#kind === "none" ? undefined : this.#kind;
      const bands = options.bands ?? assigned(this.#scene, this.#bands);
      const run = session.run({ ...this.#offers.chosen, ...options, bands, ...this.#decide(), layer, maxPx: PICTURE_MAX_PX });
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
        if (files.some(({ name }) => name === REVIEW)) this.#review.offer(fileStem(this.#scene?.scene.name ?? "scene"));
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
        this.#engine = session.engine;
        this.#layers = new Layers(session.engine, this.#viewer, {
          options: () => this.#decide(),
          opacity: () => this.opacity / 100,
          hasOutline: () => this.#kind !== "none",
          onAreas: (areas, kind) => this.#onAreas(areas, kind),
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
    this.#engine = undefined;
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
    this.#warnings = [];
    this.#forgetResult();
    this.#panel.forget();
  }

  #forgetResult() {
    this.#result = undefined;
    this.#areas = undefined;
    this.#layers?.clear();
    this.#review.clear();
    this.#panel.forgetResult();
  }

  /** The zeros along the scene's edge are data from now on, or no data. @param {boolean} emptyBorder */
  #reopen(emptyBorder) {
    if (this.#source) this.open(this.#source, { emptyBorder }).catch(() => {});
  }

  /** @param {OpenedScene} scene @param {import("../engine/messages.js").Preview} picture */
  #showPicture(scene, picture) {
    this.#warnings = [...scene.warnings, ...picture.warnings];
    this.#picture.show(scene, this.#bands, picture);
    this.#offers.show(scene, picture.matching);
    this.#panel.showScene(scene, this.#warnings);
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
    this.#forgetResult();
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
    this.#offers.disabled = state === "running";
    this.#panel.setState(state, word, values, Boolean(this.#scene), Boolean(this.#scene && unassigned(this.#scene, this.#bands).length === 0));
  }

  /** @param {unknown} cause */
  #fail(cause) {
    const { code, message } = toEngineError(cause);
    if (code === "trap") {
      // The result was in the worker that is gone; the next run opens the scene again.
      this.#isLost = true;
      this.#forgetResult();
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
    const wanted = this.lang || this.closest("[lang]")?.getAttribute("lang") || document.documentElement.lang;
    this.#speech.speak(this.#speech.nearest([wanted]));
    this.#panel.speak();
    this.#picture.choice.speak();
    this.#offers.speak();
    this.#review.speak();
  }

  #showOptions() {
    this.#panel.showNumbers(this, this.shadowRoot?.activeElement);
    if (this.#model) this.#panel.selectRare(this.rare);
  }

  /** @param {Areas} areas @param {LayerKind | "none"} kind */
  #onAreas(areas, kind) {
    this.#areas = areas;
    const model = /** @type {LoadedModel} */ (this.#model);
    this.#panel.showAreas({ kind, scale: model.scale, areas, topK: this.topK, figures: figuresOf(model.card.whole.metrics) });
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
    listen(this.#parts, {
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
}
