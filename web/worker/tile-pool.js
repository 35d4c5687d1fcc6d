// @ts-check
// Workers that compute tiles side by side. They share no memory, so the page needs no headers that isolate it from other sites.

import { servedBeside, trusted } from "../engine/start-worker.js";

/** More than these are not taken, whoever asks. */
export const MOST_WORKERS = 32;
/** By itself, no more than these are started: more would wait for memory rather than compute. */
const MOST_BY_ITSELF = 8;
/** Each worker has an instance of wasm with the model and the activations of a tile: this many fit into a GiB of the device's memory. */
const WORKERS_PER_GIB = 2;

/**
 * How many workers a device has use for: one for each core, but one that is left to the page where there are more than two.
 *
 * @param {{hardwareConcurrency?: number, deviceMemory?: number}} navigator `deviceMemory` is in GiB, where the browser tells
 */
export function workersFor({ hardwareConcurrency = 1, deviceMemory = 4 }) {
  const cores = hardwareConcurrency > 2 ? hardwareConcurrency - 1 : hardwareConcurrency;
  const count = Math.floor(Math.min(cores, deviceMemory * WORKERS_PER_GIB, MOST_BY_ITSELF));
  return count < 2 ? 0 : count;
}

/**
 * @typedef {import("./tile-worker.js").Start} Start
 * @typedef {import("./tile-worker.js").Tile} Tile
 * @typedef {import("./tile-worker.js").Answer} Answer
 * @typedef {Pick<Worker, "postMessage" | "terminate" | "addEventListener">} WorkerLike
 */

/** Asks one worker one thing at a time. */
class TileWorker {
  /** @param {WorkerLike} worker */
  constructor(worker) {
    this.worker = worker;
    /** @type {{resolve: (answer: Answer) => void, reject: (cause: Error) => void} | undefined} */
    this.waiting = undefined;
    worker.addEventListener("message", (event) => this.#settle(/** @type {MessageEvent} */ (event).data));
    worker.addEventListener("error", (event) => this.fail(/** @type {ErrorEvent} */ (event).message));
    worker.addEventListener("messageerror", () => this.fail("a message could not be read"));
  }

  /** @param {Start | Tile} message @param {Transferable[]} [transfer] @returns {Promise<Answer>} */
  ask(message, transfer = []) {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.worker.postMessage(message, transfer);
    });
  }

  /** @param {Answer} answer */
  #settle(answer) {
    if ("error" in answer) return this.fail(answer.error);
    this.waiting?.resolve(answer);
    this.waiting = undefined;
  }

  /** @param {string} reason */
  fail(reason) {
    this.waiting?.reject(new Error(reason));
    this.waiting = undefined;
  }
}

/** @returns {Worker} */
function newTileWorker() {
  const url = servedBeside(import.meta.url, "worker/tile-pool.js", "worker/tile-worker.js");
  // What a policy made of the address; the DOM's types do not know that it is taken like a string.
  if (url) return new Worker(/** @type {string} */ (trusted(url)), { type: "module" });
  // Bundlers find the worker by this very expression.
  return new Worker(new URL("./tile-worker.js", import.meta.url), { type: "module" });
}

export class TilePool {
  /** @type {TileWorker[]} */
  #all;
  /** @type {TileWorker[]} */
  #idle;
  /** @type {((worker: TileWorker | undefined) => void)[]} */
  #queue = [];

  /** @param {TileWorker[]} workers */
  constructor(workers) {
    this.#all = workers;
    this.#idle = [...workers];
  }

  /**
   * Starts workers, of which only those count that have passed the model's golden tile.
   *
   * @param {number} count
   * @param {Start} start
   * @param {() => WorkerLike} [newWorker]
   * @returns {Promise<TilePool>}
   */
  static async start(count, start, newWorker = newTileWorker) {
    const starting = Array.from({ length: count }, async () => {
      const worker = new TileWorker(newWorker());
      try {
        await worker.ask(start);
        return [worker];
      } catch (cause) {
        console.warn("A worker for tiles did not start:", cause);
        worker.worker.terminate();
        return [];
      }
    });
    // Where a worker may not start workers of its own, there are none.
    const started = await Promise.allSettled(starting);
    return new TilePool(started.flatMap((result) => (result.status === "fulfilled" ? result.value : [])));
  }

  get size() {
    return this.#all.length;
  }

  /**
   * Computes a tile in the next worker that is idle. A worker that fails is thrown away.
   *
   * @param {Float32Array} input handed over
   * @param {number} height
   * @param {number} width
   * @returns {Promise<Float32Array>}
   */
  async forward(input, height, width) {
    const worker = this.#idle.pop() ?? (await this.#nextIdle());
    if (!worker) throw new Error("no worker is left");
    try {
      const answer = await worker.ask({ input, height, width }, [input.buffer]);
      if (!("values" in answer)) throw new Error("an answer without values");
      this.#release(worker);
      return answer.values;
    } catch (cause) {
      console.warn("A worker for tiles failed:", cause);
      this.#discard(worker);
      throw cause;
    }
  }

  /** Ends all workers; tiles that wait for one fail. */
  close() {
    while (this.#all[0]) this.#discard(this.#all[0]);
  }

  /** @returns {Promise<TileWorker | undefined>} none if none is left */
  #nextIdle() {
    if (this.#all.length === 0) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  /** @param {TileWorker} worker */
  #release(worker) {
    const next = this.#queue.shift();
    if (next) next(worker);
    else this.#idle.push(worker);
  }

  /** @param {TileWorker} worker */
  #discard(worker) {
    worker.worker.terminate();
    worker.fail("the worker was ended");
    this.#all = this.#all.filter((other) => other !== worker);
    this.#idle = this.#idle.filter((other) => other !== worker);
    if (this.#all.length === 0) for (const next of this.#queue.splice(0)) next(undefined);
  }
}
