// @ts-check
// The model's bytes from its server, with progress.

import { EngineError } from "./errors.js";

/**
 * @param {string} url
 * @param {(loaded: number, total: number) => void} onBytes total is 0 where the server does not say
 * @param {AbortSignal} [signal]
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function fetchModel(url, onBytes, signal) {
  const failed = (/** @type {unknown} */ reason) =>
    new EngineError("model_fetch", `${new URL(url).pathname} could not be fetched: ${reason}`);
  const response = await fetch(url, { signal }).catch((cause) => {
    throw failed(cause);
  });
  if (!response.ok || !response.body) throw failed(`HTTP ${response.status}`);
  // With a content encoding the header counts compressed bytes, which says nothing about what arrives here.
  const total = response.headers.get("content-encoding") ? 0 : Number(response.headers.get("content-length") ?? 0);
  const chunks = [];
  let loaded = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause) => {
      throw failed(cause);
    });
    if (done) break;
    chunks.push(value);
    loaded += value.length;
    onBytes(loaded, total);
  }
  const bytes = new Uint8Array(loaded);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
