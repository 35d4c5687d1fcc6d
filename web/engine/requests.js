// @ts-check
// Matches the worker's replies to the requests they answer.

import { EngineError } from "./errors.js";

/** @typedef {import("./messages.js").Reply} Reply */

/**
 * @typedef {object} Waiting
 * @property {(result: any) => void} resolve
 * @property {(error: EngineError) => void} reject
 * @property {((progress: any) => void) | undefined} onProgress
 */

export class Requests {
  /** @type {Map<number, Waiting>} */
  #waiting = new Map();
  #lastId = 0;

  /**
   * Gives a request a number, and returns the promise of its result.
   *
   * @param {((progress: any) => void) | undefined} [onProgress]
   * @returns {{id: number, result: Promise<any>}}
   */
  add(onProgress) {
    const id = ++this.#lastId;
    const result = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject, onProgress }));
    return { id, result };
  }

  /**
   * Hands a reply to the request that waits for it. A reply that nobody waits for is dropped: its request has failed already.
   *
   * @param {Exclude<Reply, {crashed: string}>} reply
   */
  receive(reply) {
    const waiting = this.#waiting.get(reply.id);
    if (!waiting) return;
    if ("progress" in reply) {
      waiting.onProgress?.(reply.progress);
      return;
    }
    this.#waiting.delete(reply.id);
    if ("error" in reply) waiting.reject(new EngineError(reply.error.code, reply.error.message));
    else waiting.resolve(reply.result);
  }

  /**
   * Fails all requests that wait: no replies will come.
   *
   * @param {EngineError} error
   */
  failAll(error) {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}
