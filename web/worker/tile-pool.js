// @ts-check
// Workers that compute tiles: side by side on the processor, or one on the graphics card, which may be lost. They share no memory, so the page needs no
// headers that isolate it from other sites.

import { EngineError, toEngineError } from "../engine/errors.js";
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
 * @typedef {import("./serve-tiles.js").Start} Start
 * @typedef {import("./serve-tiles.js").Tile} Tile
 * @typedef {import("./serve-tiles.js").Result} Result
 * @typedef {import("./serve-tiles.js").Answer} Answer
 * @typedef {Pick<Worker, "postMessage" | "terminate" | "addEventListener">} WorkerLike
 */

/** A worker, and what it is asked. */
class TileWorker {
  /** @type {Map<number, {resolve: (result: Result) => void, reject: (cause: Error) => void}>} */
  #waiting = new Map();
  #lastId = 0;

  /** @param {WorkerLike} worker @param {() => void} onEnd called when it can do nothing more */
  constructor(worker, onEnd) {
    this.worker = worker;
    this.onEnd = onEnd;
    worker.addEventListener("message", (event) => this.#settle(/** @type {MessageEvent} */ (event).data));
    worker.addEventListener("error", (event) => this.#ended(new EngineError("trap", /** @type {ErrorEvent} */ (event).message)));
    worker.addEventListener("messageerror", () => this.#ended(new EngineError("trap", "a message could not be read")));
  }

  /** @param {Start | Tile} message @param {Transferable[]} [transfer] @returns {Promise<Result>} */
  ask(message, transfer = []) {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...message, id }, transfer);
    });
  }

  /** @param {Answer} answer */
  #settle(answer) {
    const cause = "error" in answer ? new EngineError(answer.error.code, answer.error.message) : undefined;
    if (answer.id === undefined) return this.#ended(cause ?? new EngineError("internal", "an answer without a question"));
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("result" in answer) waiting?.resolve(answer.result);
    else waiting?.reject(/** @type {EngineError} */ (cause));
  }

  /** @param {EngineError} cause */
  #ended(cause) {
    console.warn("A worker for tiles ended:", cause);
    this.fail(cause);
    this.onEnd();
  }

  /** @param {Error} cause */
  fail(cause) {
    for (const { reject } of this.#waiting.values()) reject(cause);
    this.#waiting.clear();
  }
}

/** A worker that computes tiles on the processor. @returns {Worker} */
function newTileWorker() {
  const url = servedBeside(import.meta.url, "worker/tile-pool.js", "worker/tile-worker.js");
  // What a policy made of the address; the DOM's types do not know that it is taken like a string.
  if (url) return new Worker(/** @type {string} */ (trusted(url)), { type: "module" });
  // Bundlers find the worker by this very expression.
  return new Worker(new URL("./tile-worker.js", import.meta.url), { type: "module" });
}

/** A worker that computes tiles on the graphics card. @returns {Worker} */
export function newGpuTileWorker() {
  const url = servedBeside(import.meta.url, "worker/tile-pool.js", "worker/gpu-tile-worker.js");
  if (url) return new Worker(/** @type {string} */ (trusted(url)), { type: "module" });
  return new Worker(new URL("./gpu-tile-worker.js", import.meta.url), { type: "module" });
}

export class TilePool {
  /** @type {TileWorker[]} */
  #all = [];
  /** Workers that could take a tile, once for each that they could take. @type {TileWorker[]} */
  #idle = [];
  /** @type {((worker: TileWorker | undefined) => void)[]} */
  #queue = [];
  /** Workers that have not passed the golden tile yet. @type {Set<TileWorker>} */
  #starting = new Set();
  #startMessage;
  #options;
  /** @type {Promise<boolean> | undefined} */
  #replacing;
  #isClosed = false;
  /** How the model's golden tile came out in the worker that started last. @type {import("./serve-tiles.js").GoldenCheck | undefined} */
  golden;
  #replacementsLeft;
  /** Why a worker did not start. @type {EngineError | undefined} */
  failure;

  /**
   * @param {Start} start
   * @param {{newWorker?: () => WorkerLike, tilesAtOnce?: number, replacements?: number, pauseMs?: number}} [options] how many tiles a worker gets at
   *   once; how many workers are started in place of ones that ended, after which no more tiles are computed; how long to wait before each
   */
  constructor(start, { newWorker = newTileWorker, tilesAtOnce = 1, replacements = 0, pauseMs = 0 } = {}) {
    this.#startMessage = start;
    this.#options = { newWorker, replacements, pauseMs };
    /** How many tiles a worker gets at once. */
    this.tilesAtOnce = tilesAtOnce;
    this.#replacementsLeft = replacements;
  }

  /** A new run has as many tries as the first one. */
  renew() {
    this.#replacementsLeft = this.#options.replacements;
  }

  /** Whether tiles wait for another worker to start. */
  get isReplacing() {
    return this.#replacing !== undefined;
  }

  /**
   * Starts workers, of which only those count that have passed the model's golden tile.
   *
   * @param {number} count
   * @param {Start} start
   * @param {ConstructorParameters<typeof TilePool>[1]} [options]
   * @returns {Promise<TilePool>}
   */
  static async start(count, start, options) {
    const pool = new TilePool(start, options);
    await Promise.all(Array.from({ length: count }, () => pool.#add()));
    return pool;
  }

  /** How many tiles can be computed at the same time. */
  get size() {
    return this.#all.length * this.tilesAtOnce;
  }

  /** Starts another worker. @returns {Promise<boolean>} whether there is one more */
  async #add() {
    /** @type {TileWorker | undefined} */
    let worker;
    try {
      // Where a worker may not start workers of its own, this throws.
      const started = new TileWorker(this.#options.newWorker(), () => this.#discard(started));
      worker = started;
      this.#starting.add(worker);
      const result = await worker.ask(this.#startMessage);
      if ("golden" in result) this.golden = result.golden;
    } catch (cause) {
      console.warn("A worker for tiles did not start:", cause);
      this.failure = toEngineError(cause);
      worker?.worker.terminate();
      return false;
    } finally {
      if (worker) this.#starting.delete(worker);
    }
    if (this.#isClosed) {
      worker.worker.terminate();
      return false;
    }
    this.#all.push(worker);
    for (let tile = 0; tile < this.tilesAtOnce; tile += 1) this.#release(worker);
    return true;
  }

  /**
   * Computes a tile in the next worker that is idle. A worker that fails is thrown away, and its tiles go to another one as long as there may be
   * replacements.
   *
   * @param {Float32Array} input
   * @param {number} height
   * @param {number} width
   * @returns {Promise<Float32Array>}
   */
  async forward(input, height, width) {
    for (;;) {
      const worker = this.#idle.pop() ?? (await this.#nextIdle());
      if (!worker) {
        if (await this.#replace()) continue;
        throw new EngineError("no_worker", "no worker is left");
      }
      // A copy: the tile may have to go to another worker.
      const sent = input.slice();
      try {
        const result = await worker.ask({ input: sent, height, width }, [sent.buffer]);
        if (!("values" in result)) throw new Error("an answer without values");
        this.#release(worker);
        return result.values;
      } catch (cause) {
        this.#discard(worker);
        if (!(await this.#replace())) throw cause;
      }
    }
  }

  /** Starts a worker in place of the last one. @returns {Promise<boolean>} whether tiles can still be computed */
  async #replace() {
    if (this.#isClosed) return false;
    if (this.#all.length > 0) return this.#options.replacements > 0;
    this.#replacing ??= this.#startReplacement().finally(() => {
      this.#replacing = undefined;
      if (this.#all.length === 0) this.#giveUp();
    });
    return this.#replacing;
  }

  async #startReplacement() {
    let isThere = false;
    while (!isThere && !this.#isClosed && this.#replacementsLeft > 0) {
      this.#replacementsLeft -= 1;
      const { pauseMs } = this.#options;
      // The browser may be about to start its GPU process anew.
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      isThere = !this.#isClosed && (await this.#add());
    }
    return isThere;
  }

  /** Ends all workers; tiles that wait for one fail. */
  close() {
    this.#isClosed = true;
    for (const worker of [...this.#starting, ...this.#all]) this.#discard(worker);
    this.#giveUp();
  }

  #giveUp() {
    for (const next of this.#queue.splice(0)) next(undefined);
  }

  /** @returns {Promise<TileWorker | undefined>} none if none is left */
  #nextIdle() {
    if (this.#all.length === 0 && !this.#replacing) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  /** @param {TileWorker} worker */
  #release(worker) {
    if (!this.#all.includes(worker)) return;
    const next = this.#queue.shift();
    if (next) next(worker);
    else this.#idle.push(worker);
  }

  /** @param {TileWorker} worker */
  #discard(worker) {
    worker.worker.terminate();
    worker.fail(new EngineError("no_worker", "the worker was ended"));
    this.#all = this.#all.filter((other) => other !== worker);
    this.#idle = this.#idle.filter((other) => other !== worker);
    if (this.#all.length === 0 && this.#replacementsLeft === 0 && !this.#replacing) this.#giveUp();
  }
}
