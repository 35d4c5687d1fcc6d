// @ts-check
// The page's side of the worker: numbered requests, progress, and a fresh worker when the old one is beyond repair.

/** An error that came from the worker, with a code that does not change between versions. */
export class EngineError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "EngineError";
    this.code = code;
  }
}

/**
 * @typedef {object} Pending
 * @property {(result: any) => void} resolve
 * @property {(error: EngineError) => void} reject
 * @property {((progress: any) => void) | undefined} onProgress
 */

export class Engine {
  /** @type {Worker | undefined} */
  #worker;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #lastId = 0;

  /**
   * @param {() => void} onCrash called after a worker died and was thrown away
   * @param {(bytes: number) => void} onMemory called with the size of wasm's memory after each answer
   */
  constructor(onCrash, onMemory) {
    this.onCrash = onCrash;
    this.onMemory = onMemory;
  }

  #start() {
    const worker = new Worker(new URL("../worker/worker.js", import.meta.url), { type: "module", name: "raremap" });
    worker.addEventListener("message", (event) => this.#receive(worker, event.data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#crash(worker, event.message ? "trap" : "worker_missing", event.message || "The worker's script did not load.");
    });
    return worker;
  }

  /**
   * @param {Worker} worker
   * @param {any} data
   */
  #receive(worker, data) {
    if (worker !== this.#worker) return;
    if (data.crashed) return this.#crash(worker, "trap", data.crashed);
    const pending = this.#pending.get(data.id);
    if (!pending) return;
    if ("progress" in data) return pending.onProgress?.(data.progress);
    this.#pending.delete(data.id);
    if (data.wasmBytes) this.onMemory(data.wasmBytes);
    if (data.error) pending.reject(new EngineError(data.error.code, data.error.message));
    else pending.resolve(data.result);
  }

  /**
   * A wasm instance that panicked or ran out of memory cannot be used again: the worker goes, all that waits for it fails.
   *
   * @param {Worker} worker
   * @param {string} code
   * @param {string} message
   */
  #crash(worker, code, message) {
    if (worker !== this.#worker) return;
    worker.terminate();
    this.#worker = undefined;
    const error = new EngineError(code, message);
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    this.onCrash();
    for (const { reject } of waiting) reject(error);
  }

  /**
   * @param {string} method
   * @param {object} [params]
   * @param {(progress: any) => void} [onProgress]
   * @returns {Promise<any>}
   */
  call(method, params = {}, onProgress) {
    const worker = (this.#worker ??= this.#start());
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onProgress });
      worker.postMessage({ id, method, params });
    });
  }
}
