// @ts-check
// A session: a model in a worker of its own, and the scene that it maps.

import { assigned } from "../engine/bands.js";
import { Engine, EngineError } from "../engine/engine.js";
import { fileStem } from "../engine/names.js";
import { abortable } from "./abort.js";
import { sharedModel } from "./models.js";
import { Result } from "./result.js";
import { Run } from "./run.js";
import { sceneSource } from "./source.js";

/** Longest side of the reduced scene that is looked at. */
const INSPECT_MAX_PX = 512;

/**
 * @typedef {import("../engine/messages.js").LoadedModel} LoadedModel
 * @typedef {import("../engine/messages.js").LoadProgress} LoadProgress
 * @typedef {import("../engine/messages.js").Picture} Picture
 * @typedef {import("../engine/messages.js").Progress} Progress
 * @typedef {import("../engine/messages.js").WantedBackend} WantedBackend
 * @typedef {import("../engine/start-worker.js").TrustedScriptUrl} TrustedScriptUrl
 * @typedef {import("../wasm/raremap-web.js").BandAssignment} BandAssignment
 * @typedef {import("../wasm/raremap-web.js").DecideOptions} DecideOptions
 * @typedef {import("../wasm/raremap-web.js").Grid} Grid
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").ModelCard} ModelCard
 * @typedef {import("../wasm/raremap-web.js").Notice} Notice
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("../wasm/raremap-web.js").SceneBand} SceneBand
 * @typedef {import("../wasm/raremap-web.js").SceneStatistics} SceneStatistics
 * @typedef {import("../wasm/raremap-web.js").SceneWindow} SceneWindow
 * @typedef {import("./source.js").Source} Source
 *
 * @typedef {object} SessionOptions
 * @property {string | URL | Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>} [model] a weights file or its address; the default model if absent
 * @property {WantedBackend} [backend] `auto` takes a graphics card if it is good enough
 * @property {AbortSignal} [signal] ends the loading
 * @property {(progress: LoadProgress) => void} [onProgress] called while the model is loaded
 * @property {string | URL} [modelUrl] where the default model lies, if not beside the package's modules
 * @property {string | URL} [wasmUrl] where `raremap-web_bg.wasm` lies
 * @property {string | URL} [gpuWasmUrl] where `raremap-web-gpu_bg.wasm` lies, which is only loaded where there is a graphics card
 * @property {string | URL | TrustedScriptUrl} [workerUrl] where `worker.js` lies, on the page's own origin
 *
 * @typedef {object} OpenOptions
 * @property {string} [name] what the scene is called instead of its file's name
 * @property {boolean} [emptyBorder] false if zeros along the edge are data
 * @property {AbortSignal} [signal]
 * @property {(progress: Progress) => void} [onProgress] called with the unpacked bytes of an archive
 *
 * @typedef {object} Inspection what is known about a scene before the run
 * @property {string} name
 * @property {number} width
 * @property {number} height
 * @property {SceneBand[]} bands
 * @property {string} sampleType how a sample is stored, in words
 * @property {string | null} crs the coordinate reference system, in words
 * @property {string | null} resolution size of a pixel, in words
 * @property {Grid | null} grid where its pixels are; null without georeferencing
 * @property {boolean} hasAreas whether areas can be measured on the ground
 * @property {string[]} modelBands names of the model's bands
 * @property {string[]} optionalBands names of those that a scene may lack
 * @property {BandAssignment} assignment which of the scene's bands the model's are
 * @property {Notice[]} warnings what does not fit the model, its values among them
 * @property {Notice[]} notices what was done with the files
 * @property {string | null} matching how the values could be made like those of training, in words; null if they need not be
 * @property {SceneStatistics} statistics how the values of the bands that were looked at are distributed, from a sample of some 512 pixels on a side
 * @property {{canResample: boolean, modelResolutionM: number}} resampling whether the scene can be run at the model's resolution
 * @property {ModelCard} card of the model
 *
 * @typedef {object} RunOptions
 * @property {(number | null)[]} [bands] the scene's band, from 0, for each of the model's, null for an optional one that is not there; the
 *   assignment of `inspect` if absent
 * @property {number} [tile] edge of a tile in pixels, a multiple of 32
 * @property {boolean} [resample] whether to run at the model's resolution
 * @property {boolean} [matching] whether to make the values like those of training where they are not; true if absent
 * @property {number} [workers] how many workers compute tiles on the processor; as many as suit the device if absent, none at 0
 * @property {LayerKind} [layer] which layer the pictures of the finished part show; none are made if absent
 * @property {number} [maxPx] longest side of these pictures
 * @property {number} [threshold] see `DecideOptions`, as for the following; 0.5 if absent
 * @property {string[]} [rare] all rare classes of the model if absent
 * @property {number} [topK] percent; 20 if absent
 * @property {AbortSignal} [signal] ends the run, which then fails; `cancel` of the run ends it and keeps the part that is done
 */

/**
 * Loads a model into a worker of its own and checks it there. Sessions with the same model's address download it once.
 *
 * @param {SessionOptions} [options]
 * @returns {Promise<Session>}
 */
export async function createSession({ model, backend, signal, onProgress, modelUrl, wasmUrl, gpuWasmUrl, workerUrl } = {}) {
  signal?.throwIfAborted();
  if (typeof Worker === "undefined") throw new EngineError("no_browser", "Sessions need a browser: this environment has no workers.");
  const engine = new Engine({
    modelUrl: modelUrl && addressOf(modelUrl),
    wasmUrl: wasmUrl && addressOf(wasmUrl),
    gpuWasmUrl: gpuWasmUrl && addressOf(gpuWasmUrl),
    workerUrl,
    onCrash: () => session.onCrash(),
  });
  const weights = await weightsOf(model ?? engine.modelUrl, onProgress, signal);
  const session = new Session(engine, { backend, model: weights, onProgress });
  try {
    await abortable(session.load(), signal);
    return session;
  } catch (cause) {
    session.free();
    throw cause;
  }
}

/** An address that means the same to the page and to its worker. @param {string | URL} url */
function addressOf(url) {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  if (!URL.canParse(url, base)) throw new EngineError("bad_address", `${url} is not an address.`);
  return new URL(url, base);
}

/**
 * @param {NonNullable<SessionOptions["model"]>} model
 * @param {SessionOptions["onProgress"]} onProgress
 * @param {AbortSignal} [signal]
 * @returns {Promise<Blob>}
 */
async function weightsOf(model, onProgress, signal) {
  if (model instanceof Blob) return model;
  if (typeof model !== "string" && !(model instanceof URL)) return new Blob([model]);
  const { href } = addressOf(model);
  return sharedModel(href, (loaded, total) => onProgress?.({ phase: "model", loaded, total }), signal);
}

/** A model in a worker of its own, and the scene and the result that it has at the moment; `createSession` makes one. */
export class Session {
  #engine;
  #options;
  /** @type {LoadedModel | undefined} */
  #model;
  /** @type {OpenedScene | undefined} */
  #scene;
  /** Counts scenes, runs and crashes: an older result is gone. */
  #epoch = 0;
  #isLost = false;
  #isFree = false;
  /** @type {Promise<unknown>} */
  #running = Promise.resolve();
  /** Ends the run that goes on. @type {(() => void) | undefined} */
  #cancel;

  /**
   * @internal
   * @param {Engine} engine
   * @param {{backend?: WantedBackend, model: Blob, onProgress?: (progress: LoadProgress) => void}} options
   */
  constructor(engine, options) {
    this.#engine = engine;
    this.#options = options;
  }

  /** @internal */
  async load() {
    this.#model = await this.#engine.load(this.#options);
    this.#isLost = false;
  }

  /** @internal */
  onCrash() {
    this.#isLost = true;
    this.#scene = undefined;
    this.#epoch += 1;
  }

  /** For what is drawn on a canvas, which asks for more than an application does. @internal @returns {Engine} */
  get engine() {
    return this.#engine;
  }

  /** The model, its card, and the device that it runs on: the processor after a graphics card was lost. @returns {LoadedModel} */
  get model() {
    if (!this.#model) throw new EngineError("not_loaded", "The model is not loaded.");
    return this.#model;
  }

  /**
   * Opens a scene in place of the one before. After a crash of the engine, this starts it anew.
   *
   * @param {Source} source
   * @param {OpenOptions} [options]
   * @returns {Promise<OpenedScene>}
   */
  async open(source, { name, emptyBorder, signal, onProgress } = {}) {
    this.#refuseIfFree();
    signal?.throwIfAborted();
    const base = globalThis.document?.baseURI ?? globalThis.location?.href;
    const from = { ...sceneSource(source, base, name), emptyBorder };
    this.#epoch += 1;
    const epoch = this.#epoch;
    this.#scene = undefined;
    this.#cancel?.();
    await abortable(this.#running, signal);
    if (this.#isLost) await abortable(this.load(), signal);
    const scene = await abortable(this.#engine.open(from, { onProgress }), signal);
    if (epoch !== this.#epoch) throw new EngineError("superseded", "another scene was opened meanwhile");
    this.#scene = scene;
    return scene;
  }

  /**
   * Everything that is known about the scene before the run. It takes a look at the values of the model's bands, in one reduced read: from an
   * overview, or else of every n-th pixel, which takes a pass over a large file.
   *
   * @param {{bands?: (number | null)[], signal?: AbortSignal}} [options] the bands to look at; the scene's own assignment if absent
   * @returns {Promise<Inspection>}
   */
  async inspect({ bands, signal } = {}) {
    const opened = this.#opened();
    const { scene, canResample, modelResolutionM, hasAreas, modelBands, optionalBands, assignment, notices } = opened;
    const look = await abortable(this.#engine.look({ bands: bands ?? this.#assigned(), maxPx: INSPECT_MAX_PX }), signal);
    return {
      ...scene,
      hasAreas,
      modelBands,
      optionalBands,
      assignment,
      warnings: [...opened.warnings, ...look.warnings],
      notices,
      matching: look.matching,
      statistics: look.statistics,
      resampling: { canResample, modelResolutionM },
      card: this.model.card,
    };
  }

  /**
   * How the values of bands of your choice are distributed, from one reduced read as that of `inspect`: a sample, not all pixels. The bands are read
   * together, and only pixels at which all of them have data count.
   *
   * @param {number[]} bands from 0
   * @param {{maxPx?: number, signal?: AbortSignal}} [options] `maxPx` is the longest side of the sample; 512 if absent
   * @returns {Promise<SceneStatistics>}
   */
  async statistics(bands, { maxPx = INSPECT_MAX_PX, signal } = {}) {
    this.#opened();
    return abortable(this.#engine.statistics({ bands, maxPx }), signal);
  }

  /**
   * Draws the whole scene.
   *
   * @param {{bands?: (number | null)[], maxPx?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<import("../engine/messages.js").Preview>}
   */
  async preview({ bands, maxPx = 2048, signal } = {}) {
    return abortable(this.#engine.preview({ bands: bands ?? this.#assigned(), maxPx }), signal);
  }

  /**
   * Draws the whole scene with bands of your choice as red, green and blue; `preview` has to come first.
   *
   * @param {import("../wasm/raremap-web.js").Composition | null} composition null goes back to the colours of the preview
   * @param {{maxPx?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<Picture>}
   */
  async compose(composition, { maxPx = 2048, signal } = {}) {
    this.#opened();
    return abortable(this.#engine.compose(composition, { maxPx }), signal);
  }

  /**
   * Draws a part of the scene at full resolution, in the colours of the last preview or composition.
   *
   * @param {SceneWindow} window
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Picture>}
   */
  async detail(window, { signal } = {}) {
    this.#opened();
    return abortable(this.#engine.detail(window), signal);
  }

  /**
   * Reads a window's samples as they are stored, band by band.
   *
   * @param {SceneWindow} window
   * @param {number[]} bands from 0
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Float32Array>}
   */
  async read(window, bands, { signal } = {}) {
    this.#opened();
    return abortable(this.#engine.read(window, bands), signal);
  }

  /**
   * Longitudes and latitudes, in turn, of places in the scene.
   *
   * @param {ArrayLike<number>} pixels column and row in turn; the corner of the first pixel is 0, 0
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Float64Array>}
   */
  async lonLat(pixels, { signal } = {}) {
    this.#opened();
    return abortable(this.#engine.lonLat(pixels), signal);
  }

  /**
   * Maps the scene. Awaited, it gives the result; iterated, every tile that is done on the way.
   *
   * @param {RunOptions} [options]
   * @returns {Run}
   */
  run(options = {}) {
    return new Run(async ({ signal, emit, cancel }) => {
      const { bands = this.#assigned(), tile, resample = false, matching = true, workers, layer, maxPx = 1024 } = options;
      options.signal?.throwIfAborted();
      const { scene } = this.#opened();
      if (bands.length === 0) throw new EngineError("misuse", "A band that the model needs is not known: say which bands of the scene they are.");
      if (this.#cancel) throw new EngineError("busy", "The session is in the middle of a run: wait for it, or cancel it.");
      this.#cancel = cancel;
      this.#epoch += 1;
      const epoch = this.#epoch;
      const { threshold = 0.5, rare = this.model.card.rareClasses, topK = 20 } = options;
      const decide = { threshold, rare: [...rare], topK };
      let [done, total] = [0, 0];
      const ended = options.signal ? AbortSignal.any([signal, options.signal]) : signal;
      const mapping = (async () => {
        await this.#engine.showPartial(layer ? { kind: layer, options: decide, maxPx } : null);
        return this.#engine.run(
          { bands: [...bands], tile, resample, matching },
          {
            signal: ended,
            workers,
            onProgress: (progress) => emit({ ...({ done, total } = progress), picture: null }),
            onPicture: (picture) => emit({ done, total, picture }),
          },
        );
      })();
      this.#running = mapping.catch(() => {}).finally(() => (this.#cancel = undefined));
      const summary = await mapping;
      if (summary.isGpuLost) this.#model = { ...this.model, backend: "cpu", reason: "device_lost", adapter: "" };
      options.signal?.throwIfAborted();
      if (epoch !== this.#epoch) throw new EngineError("superseded", "another scene was opened meanwhile");
      const { width, height, name } = scene;
      return new Result(this.#engine, summary, decide, { size: { width, height }, stem: fileStem(name), isCurrent: () => epoch === this.#epoch });
    });
  }

  /** Ends the worker and frees its memory. What still waits fails with the code `closed`. */
  free() {
    this.#isFree = true;
    this.#epoch += 1;
    this.#scene = undefined;
    this.#engine.close();
  }

  #refuseIfFree() {
    if (this.#isFree) throw new EngineError("closed", "The session was freed.");
  }

  #opened() {
    this.#refuseIfFree();
    if (!this.#scene) throw new EngineError("misuse", "no scene is open");
    return this.#scene;
  }

  /** No bands, as long as one that the model needs is missing. */
  #assigned() {
    const opened = this.#opened();
    return assigned(opened, opened.assignment.bands);
  }
}
