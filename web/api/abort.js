// @ts-check
// Stops waiting for what a worker cannot be stopped from doing.

/**
 * Settles as `promise` does, or fails with the signal's reason as soon as that is aborted.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function abortable(promise, signal) {
  if (!signal) return promise;
  // Its failure is told to nobody once the signal was aborted.
  promise.catch(() => {});
  signal.throwIfAborted();
  /** @type {() => void} */
  let onAbort = () => {};
  /** @type {Promise<never>} */
  const aborted = new Promise((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
