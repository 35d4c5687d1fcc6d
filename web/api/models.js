// @ts-check
// One download for all sessions that use the same model.

import { fetchModel } from "../engine/download.js";

/** @typedef {(loaded: number, total: number) => void} OnBytes */

/**
 * @typedef {object} Download
 * @property {Promise<Blob>} blob
 * @property {Set<OnBytes>} listeners
 * @property {AbortController} controller
 * @property {number} waiting sessions that still want it
 */

/** By address; one that failed is forgotten, so that it can be tried again. @type {Map<string, Download>} */
const downloads = new Map();

/** @param {string} url @returns {Download} */
function start(url) {
  const controller = new AbortController();
  /** @type {Set<OnBytes>} */
  const listeners = new Set();
  const onBytes = (/** @type {number} */ loaded, /** @type {number} */ total) => {
    for (const listener of listeners) listener(loaded, total);
  };
  const blob = fetchModel(url, onBytes, controller.signal).then((bytes) => new Blob([bytes]));
  const download = { blob, listeners, controller, waiting: 0 };
  blob.catch(() => downloads.get(url) === download && downloads.delete(url));
  downloads.set(url, download);
  return download;
}

/**
 * The model at an address. Workers are sent a blob, which is not copied.
 *
 * @param {string} url
 * @param {OnBytes} onBytes total is 0 if the server does not say how large the model is
 * @param {AbortSignal} [signal] ends the download if no other session wants it
 * @returns {Promise<Blob>}
 */
export async function sharedModel(url, onBytes, signal) {
  signal?.throwIfAborted();
  const download = downloads.get(url) ?? start(url);
  download.waiting += 1;
  download.listeners.add(onBytes);
  const leave = () => {
    download.waiting -= 1;
    if (download.waiting > 0) return;
    downloads.delete(url);
    download.controller.abort(signal?.reason);
  };
  signal?.addEventListener("abort", leave, { once: true });
  try {
    return await download.blob;
  } finally {
    signal?.removeEventListener("abort", leave);
    download.listeners.delete(onBytes);
  }
}
