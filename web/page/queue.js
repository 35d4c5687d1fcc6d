// @ts-check
// Scenes that are mapped one after another. One that fails or is cancelled does not stop the rest.

import { EngineError, toEngineError } from "../engine/errors.js";

/**
 * @typedef {import("../engine/messages.js").SceneSource} SceneSource
 * @typedef {import("./kept-store.js").Kept} Kept
 * @typedef {"waiting" | "running" | "done" | "failed" | "cancelled"} Status
 *
 * @typedef {object} Item
 * @property {string} name
 * @property {SceneSource} from
 * @property {Status} status
 * @property {{done: number, total: number} | undefined} progress in tiles, while it runs
 * @property {Kept | undefined} kept the result
 * @property {EngineError | undefined} error why it failed
 *
 * @typedef {object} Hooks
 * @property {(item: Item, hooks: {signal: AbortSignal, onProgress: (progress: {done: number, total: number}) => void}) => Promise<Kept>} map maps a
 *   scene and keeps its result; fails when the signal is aborted
 * @property {() => void} onChange called after every change
 * @property {() => void} onEnd called when nothing is left to do
 */

export class Queue {
  /** In the order in which they are mapped. @type {Item[]} */
  items = [];
  /** What is being mapped. @type {{item: Item, controller: AbortController} | undefined} */
  #current;
  /** @type {Promise<void> | undefined} */
  #running;

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.hooks = hooks;
  }

  get isRunning() {
    return this.#running !== undefined;
  }

  /** @param {{name: string, from: SceneSource}[]} sources */
  add(sources) {
    for (const source of sources) {
      this.items.push({ ...source, status: "waiting", progress: undefined, kept: undefined, error: undefined });
    }
    this.hooks.onChange();
  }

  /** Maps what waits, and what is added meanwhile. Resolves when nothing is left to do. */
  start() {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      this.hooks.onEnd();
      this.hooks.onChange();
    });
    return this.#running;
  }

  async #run() {
    for (;;) {
      const item = this.items.find(({ status }) => status === "waiting");
      if (!item) return;
      await this.#map(item);
    }
  }

  /** @param {Item} item */
  async #map(item) {
    const controller = new AbortController();
    this.#current = { item, controller };
    item.status = "running";
    this.hooks.onChange();
    try {
      item.kept = await this.hooks.map(item, {
        signal: controller.signal,
        onProgress: (progress) => {
          item.progress = progress;
          this.hooks.onChange();
        },
      });
      item.status = "done";
    } catch (cause) {
      item.status = controller.signal.aborted ? "cancelled" : "failed";
      if (item.status === "failed") item.error = toEngineError(cause);
    }
    item.progress = undefined;
    this.#current = undefined;
    this.hooks.onChange();
  }

  /** Leaves out a scene that waits, or ends the run of the one at hand. @param {Item} item */
  cancel(item) {
    if (item.status === "waiting") item.status = "cancelled";
    else if (this.#current?.item === item) this.#current.controller.abort(new EngineError("stopped", "The scene was cancelled."));
    this.hooks.onChange();
  }

  cancelAll() {
    // The ones that wait go first, so that none of them begins.
    for (const item of this.items.toReversed()) this.cancel(item);
  }

  /** A scene that failed or was cancelled waits again. @param {Item} item */
  retry(item) {
    item.status = "waiting";
    item.error = undefined;
    this.hooks.onChange();
  }

  /** Forgets a scene, but not its result. @param {Item} item one that does not run */
  remove(item) {
    this.items = this.items.filter((other) => other !== item);
    this.hooks.onChange();
  }
}
