// @ts-check
// The page's engine with the model that is in use: started, exchanged for one with another model, and started anew after a crash.

import { Engine } from "../engine/engine.js";
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
    const first = this.#load(this.engine, undefined);
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
      model = await this.#load(trial, next);
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
   * Starts an engine with a model in it.
   *
   * @param {Engine} target
   * @param {OwnModel | undefined} model
   * @returns {Promise<LoadedModel>}
   */
  async #load(target, model) {
    this.#isLoading = true;
    try {
      const file = model?.source instanceof File ? model.source : undefined;
      const loaded = await target.load({ backend: this.backend, model: file, onProgress: (progress) => this.hooks.onProgress(progressText(progress)) });
      this.#show(loaded);
      return loaded;
    } finally {
      this.#isLoading = false;
    }
  }

  /** The graphics card was lost during a run, and the processor does its work. */
  lostGpu() {
    if (this.loaded) this.#show({ ...this.loaded, backend: "cpu", reason: "device_lost", adapter: "" });
  }

  /** Says where the model runs. @param {LoadedModel} loaded */
  #show(loaded) {
    this.loaded = loaded;
    const line = byId("backend");
    line.dataset.backend = loaded.backend;
    line.dataset.reason = loaded.reason;
    line.textContent = backendText(loaded);
  }

  /** The worker is gone, the page goes on: a new one is loaded. */
  #onCrash() {
    // A crash while loading is told to the one who loads.
    if (this.#isLoading) return;
    this.hooks.onCrash(this.#load(this.engine, this.own));
  }
}

/** @param {LoadProgress} progress */
function progressText(progress) {
  if (progress.phase === "check") return t("checkingModel");
  const { loaded, total } = progress;
  return total ? t("loadingModelOf", { loaded: bytesText(loaded), total: bytesText(total) }) : t("loadingModel", { loaded: bytesText(loaded) });
}
