// @ts-check
// A run that goes on: a promise of its result, and an iterable of what happens until then.

/**
 * @typedef {import("../engine/messages.js").Picture} Picture
 * @typedef {import("./result.js").Result} Result
 *
 * @typedef {object} RunEvent
 * @property {number} done tiles that are done
 * @property {number} total tiles of the scene
 * @property {Picture | null} picture of the finished part, every now and then, if the run was asked for a layer of it; its bitmap is the
 *   receiver's to close
 */

/**
 * A run that goes on: a promise of its result, and an async iterable that gives a `RunEvent` after every tile.
 *
 * @implements {PromiseLike<Result>}
 * @implements {AsyncIterable<RunEvent>}
 */
export class Run {
  /** @type {Promise<Result>} */
  #result;
  /** @type {AbortController} */
  #stopping;
  /** @type {RunEvent | undefined} */
  #last;
  #isOver = false;
  /** @type {Set<Queue>} */
  #queues = new Set();

  /**
   * @internal
   * @param {(hooks: {signal: AbortSignal, emit: (event: RunEvent) => void, cancel: () => void}) => Promise<Result>} start
   */
  constructor(start) {
    this.#stopping = new AbortController();
    const hooks = { signal: this.#stopping.signal, emit: this.#emit.bind(this), cancel: this.cancel.bind(this) };
    this.#result = start(hooks).finally(() => {
      this.#isOver = true;
      for (const queue of this.#queues) queue.end();
    });
    // Those who only iterate are told of the failure there.
    this.#result.catch(() => {});
  }

  /** Ends the run after the tile at hand. The part that is done is the result, which then says that it is not complete. */
  cancel() {
    this.#stopping.abort();
  }

  /**
   * @template [T=Result]
   * @template [U=never]
   * @param {((result: Result) => T | PromiseLike<T>) | null} [onResult]
   * @param {((cause: any) => U | PromiseLike<U>) | null} [onError]
   * @returns {Promise<T | U>}
   */
  // oxlint-disable-next-line unicorn/no-thenable
  then(onResult, onError) {
    return this.#result.then(onResult, onError);
  }

  /**
   * @template [U=never]
   * @param {((cause: any) => U | PromiseLike<U>) | null} [onError]
   * @returns {Promise<Result | U>}
   */
  catch(onError) {
    return this.#result.catch(onError);
  }

  /** @param {(() => void) | null} [onEnd] @returns {Promise<Result>} */
  finally(onEnd) {
    return this.#result.finally(onEnd);
  }

  /** Every tile from now on, in order; ends with the run, and fails as it does. @returns {AsyncIterableIterator<RunEvent>} */
  async *[Symbol.asyncIterator]() {
    const queue = new Queue();
    if (this.#last) queue.push({ ...this.#last, picture: null });
    if (this.#isOver) queue.end();
    this.#queues.add(queue);
    try {
      for (let event = await queue.next(); event; event = await queue.next()) yield event;
      await this.#result;
    } finally {
      this.#queues.delete(queue);
      queue.clear();
    }
  }

  /** @param {RunEvent} event */
  #emit(event) {
    this.#last = event;
    // A bitmap can have one owner: the first who iterates.
    let { picture } = event;
    for (const queue of this.#queues) {
      queue.push({ ...event, picture });
      picture = null;
    }
    picture?.bitmap.close();
  }
}

/** Events that nobody has asked for yet; of their pictures, only the newest is kept. */
class Queue {
  /** @type {RunEvent[]} */
  #events = [];
  #isOver = false;
  #wake = () => {};

  /** @param {RunEvent} event */
  push(event) {
    if (event.picture) this.#closePictures();
    this.#events.push(event);
    this.#wake();
  }

  end() {
    this.#isOver = true;
    this.#wake();
  }

  clear() {
    this.#closePictures();
    this.#events = [];
  }

  #closePictures() {
    for (const event of this.#events) {
      event.picture?.bitmap.close();
      event.picture = null;
    }
  }

  /** @returns {Promise<RunEvent | undefined>} */
  async next() {
    while (this.#events.length === 0 && !this.#isOver) {
      await new Promise((resolve) => (this.#wake = () => resolve(undefined)));
    }
    return this.#events.shift();
  }
}
