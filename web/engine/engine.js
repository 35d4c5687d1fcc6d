// @ts-check
// The client of the worker: one method for each thing the engine does. It knows nothing of a page.

import { EngineError } from "./errors.js";
import { Requests } from "./requests.js";
import { startWorker } from "./start-worker.js";

export { EngineError, toEngineError } from "./errors.js";

/**
 * @typedef {import("./messages.js").Method} Method
 * @typedef {import("./messages.js").Methods} Methods
 * @typedef {import("./messages.js").Reply} Reply
 * @typedef {import("../wasm/raremap-web.js").Composition} Composition
 * @typedef {import("./messages.js").LoadedModel} LoadedModel
 * @typedef {import("./messages.js").LoadProgress} LoadProgress
 * @typedef {import("./messages.js").Overlay} Overlay
 * @typedef {import("./messages.js").Picture} Picture
 * @typedef {import("./messages.js").Preview} Preview
 * @typedef {import("./messages.js").Progress} Progress
 * @typedef {import("./messages.js").RunSummary} RunSummary
 * @typedef {import("./messages.js").SceneSource} SceneSource
 * @typedef {import("./messages.js").WantedBackend} WantedBackend
 * @typedef {import("../wasm/raremap-web.js").Areas} Areas
 * @typedef {import("../wasm/raremap-web.js").DecideOptions} DecideOptions
 * @typedef {import("../wasm/raremap-web.js").LayerRequest} LayerRequest
 * @typedef {import("../wasm/raremap-web.js").LayerValues} LayerValues
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("../wasm/raremap-web.js").ResultFile} ResultFile
 * @typedef {import("../wasm/raremap-web.js").RunOptions} RunOptions
 * @typedef {import("../wasm/raremap-web.js").SceneLook} SceneLook
 * @typedef {import("../wasm/raremap-web.js").SceneStatistics} SceneStatistics
 * @typedef {import("../wasm/raremap-web.js").SceneWindow} SceneWindow
 * @typedef {import("./start-worker.js").TrustedScriptUrl} TrustedScriptUrl
 */

/**
 * @typedef {object} EngineOptions
 * @property {string | URL} [modelUrl] the weights file; the default model if absent
 * @property {string | URL} [wasmUrl] `raremap-web_bg.wasm`
 * @property {string | URL} [gpuWasmUrl] `raremap-web-gpu_bg.wasm`, which is loaded where there is a graphics card
 * @property {string | URL | TrustedScriptUrl} [workerUrl] `worker.js`, of the page's own origin
 * @property {() => void} [onCrash] called after the worker died and was thrown away; the next call starts another
 * @property {(bytes: number) => void} [onMemory] called with the size of wasm's memory after each result
 */

export class Engine {
  /** @type {Worker | undefined} */
  #worker;
  #requests = new Requests();
  #options;

  /** Starts nothing yet: the first call does. @param {EngineOptions} [options] */
  constructor(options = {}) {
    this.#options = {
      ...options,
      modelUrl: String(options.modelUrl ?? new URL("../models/default.raremap", import.meta.url)),
      wasmUrl: String(options.wasmUrl ?? new URL("../wasm/raremap-web_bg.wasm", import.meta.url)),
      gpuWasmUrl: String(options.gpuWasmUrl ?? new URL("../wasm/raremap-web-gpu_bg.wasm", import.meta.url)),
    };
  }

  /** The address of the model that is loaded if no other one is given. */
  get modelUrl() {
    return this.#options.modelUrl;
  }

  /**
   * Fetches the model, chooses a device for it, and checks the model's test tile there. Everything else needs this first.
   *
   * @param {{backend?: WantedBackend, model?: Blob, onProgress?: (progress: LoadProgress) => void}} [options] `model` is a weights file that is
   *   taken instead of the one at `modelUrl`
   * @returns {Promise<LoadedModel>}
   */
  load({ backend = "auto", model, onProgress } = {}) {
    const { modelUrl, wasmUrl, gpuWasmUrl } = this.#options;
    return this.#call("load", { backend, model: model ?? modelUrl, wasmUrl, gpuWasmUrl }, onProgress);
  }

  /**
   * Opens a scene in place of the one before.
   *
   * @param {SceneSource} source
   * @param {{onProgress?: (progress: Progress) => void}} [options] `onProgress` is called with the unpacked bytes
   * @returns {Promise<OpenedScene>}
   */
  open(source, { onProgress } = {}) {
    return this.#call("open", source, onProgress);
  }

  /**
   * Draws the whole scene.
   *
   * @param {{bands: (number | null)[], maxPx: number}} params the scene's band, from 0, for each of the model's, or none as long as some are not
   *   assigned; the picture's longest side
   * @returns {Promise<Preview>}
   */
  preview(params) {
    return this.#call("preview", params);
  }

  /**
   * What the values of the scene say, without a picture.
   *
   * @param {{bands: (number | null)[], maxPx: number}} params as those of `preview`
   * @returns {Promise<SceneLook>}
   */
  look(params) {
    return this.#call("look", params);
  }

  /**
   * How the values of bands are distributed.
   *
   * @param {{bands: number[], maxPx: number}} params bands from 0, and the longest side of the reduced scene that is looked at
   * @returns {Promise<SceneStatistics>}
   */
  statistics(params) {
    return this.#call("statistics", params);
  }

  /**
   * Draws the whole scene in other colours than the preview, which has to come first. Parts are then drawn in the same colours, until the next
   * preview. Of two calls at once, the older one fails with the code `superseded`.
   *
   * @param {Composition | null} composition null goes back to the colours of the preview
   * @param {{maxPx: number}} options the picture's longest side
   * @returns {Promise<Picture>}
   */
  compose(composition, { maxPx }) {
    return this.#call("compose", { composition, maxPx });
  }

  /**
   * Draws a part of the scene at full resolution, in the colours of the last preview or composition.
   *
   * @param {SceneWindow} window
   * @returns {Promise<Picture>}
   */
  detail(window) {
    return this.#call("detail", window);
  }

  /**
   * Reads a window's samples as they are stored, band by band.
   *
   * @param {SceneWindow} window
   * @param {number[]} bands from 0
   * @returns {Promise<Float32Array>}
   */
  async read(window, bands) {
    const { values } = await this.#call("read", { window, bands });
    return values;
  }

  /**
   * Longitudes and latitudes, in turn, of places in the scene.
   *
   * @param {ArrayLike<number>} pixels column and row in turn; the corner of the first pixel is 0, 0
   * @returns {Promise<Float64Array>}
   */
  async lonLat(pixels) {
    const { values } = await this.#call("lonLat", { pixels: Float64Array.from(pixels) });
    return values;
  }

  /**
   * Maps the scene, tile by tile. The signal ends the run after the current tile: the part that is done then stays, and the result
   * says `cancelled`.
   *
   * @param {RunOptions} options
   * @param {object} [hooks]
   * @param {(progress: Progress) => void} [hooks.onProgress] called after each tile
   * @param {(picture: Picture) => void} [hooks.onPicture] called with pictures of the part that is done: see `showPartial`
   * @param {AbortSignal} [hooks.signal]
   * @param {number} [hooks.workers] how many workers compute tiles on the processor; as many as suit the device if absent, none at 0
   * @returns {Promise<RunSummary>}
   */
  async run(options, { onProgress, onPicture, signal, workers } = {}) {
    signal?.throwIfAborted();
    const running = this.#call("run", { options, workers }, (progress) => {
      if (progress.kind === "picture") onPicture?.(progress.picture);
      else onProgress?.(progress);
    });
    // If the worker is gone by then, `running` fails.
    const cancel = () => void this.#call("cancel", {}).catch(() => {});
    signal?.addEventListener("abort", cancel);
    try {
      return await running;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  /**
   * The addresses of all that the worker has fetched, in order: the engine's files, the model, and each range of a scene on a server.
   *
   * @returns {Promise<string[]>}
   */
  requests() {
    return this.#call("requests", {});
  }

  /**
   * Says which layer the pictures of an unfinished run should show.
   *
   * @param {LayerRequest | null} layer null for no pictures
   * @returns {Promise<void>}
   */
  showPartial(layer) {
    return this.#call("showPartial", { layer });
  }

  /**
   * Draws a layer of the result. It follows its options without a new run, as the areas and the files do.
   *
   * @param {LayerRequest} request
   * @returns {Promise<Picture>}
   */
  layer(request) {
    return this.#call("layer", request);
  }

  /**
   * The values of a layer, instead of their colours.
   *
   * @param {LayerRequest} request
   * @returns {Promise<LayerValues>}
   */
  values(request) {
    return this.#call("values", request);
  }

  /**
   * Draws a layer of the result as a web map takes it.
   *
   * @param {LayerRequest} request
   * @returns {Promise<Overlay>}
   */
  overlay(request) {
    return this.#call("overlay", request);
  }

  /**
   * Measures the area of each class.
   *
   * @param {DecideOptions} options
   * @param {{onProgress?: (progress: Progress) => void}} [hooks] `onProgress` is called with rows
   * @returns {Promise<Areas>}
   */
  areas(options, { onProgress } = {}) {
    return this.#call("areas", { options }, onProgress);
  }

  /**
   * Lists the files that the result can be saved as.
   *
   * @param {DecideOptions} options
   * @returns {Promise<ResultFile[]>}
   */
  files(options) {
    return this.#call("files", { options });
  }

  /**
   * Makes a file of the result.
   *
   * @param {Pick<ResultFile, "name" | "type">} file one that `files` lists
   * @param {DecideOptions} options
   * @param {{onProgress?: (progress: Progress) => void}} [hooks] `onProgress` is called with rows
   * @returns {Promise<{blob: Blob, notice: string | null}>} `notice` is what the file's user should know, in words
   */
  file({ name, type }, options, { onProgress } = {}) {
    return this.#call("file", { name, type, options }, onProgress);
  }

  /** Ends the worker and frees its memory; calls that are waiting fail with the code `closed`. */
  close() {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#requests.failAll(new EngineError("closed", "The engine was closed."));
  }

  /**
   * @template {Method} M
   * @param {M} method
   * @param {Methods[M]["params"]} params
   * @param {(progress: Methods[M]["progress"]) => void} [onProgress]
   * @returns {Promise<Methods[M]["result"]>}
   */
  #call(method, params, onProgress) {
    const { id, result } = this.#requests.add(onProgress);
    try {
      this.#worker ??= this.#start();
      this.#worker.postMessage({ id, method, params });
    } catch (cause) {
      // No worker from this address, or something in `params` that cannot be sent to one.
      const code = this.#worker ? "misuse" : "worker_missing";
      this.#requests.receive({ id, error: { code, message: String(cause) } });
    }
    return result;
  }

  #start() {
    const worker = startWorker(this.#options.workerUrl);
    worker.addEventListener("message", (event) => this.#receive(worker, event.data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#crash(worker, event.message ? "trap" : "worker_missing", event.message || "The worker's script did not load.");
    });
    return worker;
  }

  /**
   * @param {Worker} worker
   * @param {Reply} reply
   */
  #receive(worker, reply) {
    // Replies of an older worker are of no use.
    if (worker !== this.#worker) return;
    if ("crashed" in reply) {
      this.#crash(worker, "trap", reply.crashed);
      return;
    }
    if ("result" in reply && reply.wasmBytes) this.#options.onMemory?.(reply.wasmBytes);
    this.#requests.receive(reply);
  }

  /**
   * A wasm instance that panicked or ran out of memory cannot be used again, so the worker ends, and everything that waits for it fails.
   *
   * @param {Worker} worker
   * @param {string} code
   * @param {string} message
   */
  #crash(worker, code, message) {
    if (worker !== this.#worker) return;
    worker.terminate();
    this.#worker = undefined;
    this.#requests.failAll(new EngineError(code, message));
    this.#options.onCrash?.();
  }
}
