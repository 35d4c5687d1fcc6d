// @ts-check
// Computes tiles of a run on a thread of its own: it gets the compiled wasm and the model, then one tile after the other.

import init, { TileRunner } from "../wasm/raremap-web.js";

/** @typedef {{module: WebAssembly.Module, model: Uint8Array}} Start */
/** @typedef {{input: Float32Array, height: number, width: number}} Tile */
/** @typedef {{ready: true} | {values: Float32Array} | {error: string}} Answer */

/** @type {Promise<TileRunner> | undefined} */
let runner;

/** @param {Start} start */
async function create({ module, model }) {
  const wasm = await init({ module_or_path: module });
  // Once: crates/raremap-web/build.rs says why.
  wasm.__wasm_call_ctors();
  return TileRunner.create(model);
}

/** @param {Start | Tile} message @returns {Promise<Answer>} */
async function answer(message) {
  try {
    if ("module" in message) {
      runner = create(message);
      await runner;
      return { ready: true };
    }
    if (!runner) return { error: "no model" };
    const { input, height, width } = message;
    return { values: await (await runner).forward(input, height, width) };
  } catch (cause) {
    return { error: String(cause) };
  }
}

// The panic hook calls this before the trap, with the last message of a dying instance.
Reflect.set(self, "raremapPanicked", (/** @type {string} */ message) => postMessage({ error: message }));

addEventListener("message", async ({ data }) => {
  const reply = await answer(data);
  postMessage(reply, { transfer: "values" in reply ? [reply.values.buffer] : [] });
});
