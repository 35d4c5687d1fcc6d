// @ts-check
// The page's engine with the model that is in use: started, exchanged for one with another model, and started anew after a crash.

import { Engine, toEngineError } from "../engine/engine.js";
import { byId } from "./dom.js";
import { backendText, bytesText, t } from "./text.js";

/**
 * @typedef {import("../engine/messages.js").LoadedModel} LoadedModel
 * @typedef {import("../engine/messages.js").LoadProgress} LoadProgress
 * @typedef {import("../engine/messages.js").WantedBackend} WantedBackend
 *
 * @typedef {{name: string, source: File | URL}} OwnModel a weights file in place of the default one
 *
 * @typedef {object} Hooks
 * @property {(text: string) => void} onProgress how far the model is loaded, in words
 * @property {(restarted: Promise<unknown>) => void} onCrash called when the worker has died and a new one is being loaded
 */

export class EngineHost {
  /** The model of the user's that is in use. @type {OwnModel | undefined} */
  own;
  /** @type {LoadedModel | undefined} */
  loaded;
  /** The model, and after a crash whatever the page does then. @type {Promise<unknown>} */
  loading = Promise.resolve();
  #isLoading = false;

  /** @param {WantedBackend} backend @param {Hooks} hooks */
  constructor(backend, hooks) {
    this.backend = backend;
    this.hooks = hooks;
    this.engine = this.#newEngine(undefined);
  }

  /** Loads the default model. @returns {Promise<LoadedModel>} */
  start() {
    const first = this.#load(this.engine, undefined, false);
    this.loading = first;
    return first;
  }

  /**
   * Loads a model into an engine of its own. It takes the place of the one before only once it has been checked there.
   *
   * @param {OwnModel | undefined} next nothing for the default model
   * @returns {Promise<LoadedModel>}
   */
  async exchange(next) {
    const trial = this.#newEngine(next);
    let model;
    try {
      model = await this.#load(trial, next, false);
    } catch (cause) {
      trial.close();
      throw cause;
    }
    this.engine.close();
    this.engine = trial;
    this.own = next;
    this.loading = Promise.resolve();
    return model;
  }

  /** Another engine with the model that is in use, on the same device. */
  async another() {
    await this.loading;
    const { own } = this;
    const engine = new Engine({ modelUrl: own?.source instanceof URL ? own.source : undefined });
    const file = own?.source instanceof File ? own.source : undefined;
    await engine.load({ backend: this.loaded?.backend ?? this.backend, model: file });
    return engine;
  }

  /** @param {OwnModel | undefined} model */
  #newEngine(model) {
    /** @type {Engine} */
    const made = new Engine({
      modelUrl: model?.source instanceof URL ? model.source : undefined,
      onCrash: () => made === this.engine && this.#onCrash(),
      onMemory: (bytes) => (byId("status").dataset.wasmBytes = String(bytes)),
    });
    return made;
  }

  /**
   * Starts an engine with a model in it. If the address leaves the choice of device open and a graphics card brings the engine down, the
   * processor takes over.
   *
   * @param {Engine} target
   * @param {OwnModel | undefined} model
   * @param {boolean} isGpuSuspect it has brought the engine down before
   * @returns {Promise<LoadedModel>}
   */
  async #load(target, model, isGpuSuspect) {
    const canFallBack = this.backend === "auto";
    const usesFallback = canFallBack && isGpuSuspect;
    this.#isLoading = true;
    /** @type {LoadedModel} */
    let loaded;
    try {
      const backend = usesFallback ? "cpu" : this.backend;
      const file = model?.source instanceof File ? model.source : undefined;
      loaded = await target.load({ backend, model: file, onProgress: (progress) => this.hooks.onProgress(progressText(progress)) });
    } catch (cause) {
      if (!canFallBack || isGpuSuspect || toEngineError(cause).code !== "trap") throw cause;
      return this.#load(target, model, true);
    } finally {
      this.#isLoading = false;
    }
    this.loaded = loaded;
    const { backend, adapter } = loaded;
    const reason = usesFallback ? "crashed" : loaded.reason;
    const line = byId("backend");
    line.dataset.backend = backend;
    line.dataset.reason = reason;
    line.textContent = backendText({ backend, reason, adapter });
    return loaded;
  }

  /** The worker is gone, the page goes on: a new one is loaded. */
  #onCrash() {
    // A crash while loading is told to the one who loads.
    if (this.#isLoading) return;
    this.hooks.onCrash(this.#load(this.engine, this.own, byId("backend").dataset.backend === "webgpu"));
  }
}

/** @param {LoadProgress} progress */
function progressText(progress) {
  if (progress.phase === "check") return t("checkingModel");
  const { loaded, total } = progress;
  return total ? t("loadingModelOf", { loaded: bytesText(loaded), total: bytesText(total) }) : t("loadingModel", { loaded: bytesText(loaded) });
}
