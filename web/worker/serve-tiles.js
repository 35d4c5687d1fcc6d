// @ts-check
// Computes tiles of a run: what the workers on the processor and the one on the graphics card have in common. They get the compiled wasm and the model,
// then tiles.

import { toEngineError } from "../engine/errors.js";

/** @typedef {import("../wasm/raremap-web.js").GoldenCheck} GoldenCheck */
/** @typedef {import("../wasm/raremap-web.js").PackedModel} PackedModel */
/** On the processor the model is a weights file, on the graphics card what a session packed. @typedef {{module: WebAssembly.Module, model: Uint8Array | PackedModel}} Start */
/** @typedef {{input: Float32Array, height: number, width: number}} Tile */
/** @typedef {{golden: GoldenCheck} | {values: Float32Array}} Result */
/** @typedef {import("../engine/messages.js").ErrorFields} ErrorFields */
/** An answer without an id is the worker's last one: it can do nothing more. @typedef {{id: number, result: Result} | {id?: number, error: ErrorFields}} Answer */

/**
 * A model on a device, in either module.
 *
 * @typedef {object} TileRunner
 * @property {() => GoldenCheck} golden
 * @property {(input: Float32Array, height: number, width: number) => Promise<Float32Array>} forward
 */

/**
 * What a worker has of its module.
 *
 * @typedef {object} TileModule
 * @property {(options: {module_or_path: WebAssembly.Module}) => Promise<{memory: WebAssembly.Memory, __wasm_call_ctors?: () => void}>} init
 * @property {(model: any) => Promise<TileRunner>} create puts the model on the device
 */

/** @param {Answer} answer @param {Transferable[]} [transfer] */
const post = (answer, transfer = []) => postMessage(answer, { transfer });

/** Says that this worker can do nothing more. @param {string} code @param {string} message */
export const end = (code, message) => post({ error: { code, message } });

/** Answers messages from now on. @param {TileModule} tileModule */
export function serveTiles({ init, create }) {
  /** @type {Promise<TileRunner> | undefined} */
  let runner;

  /** @param {Start} start */
  async function begin({ module, model }) {
    const wasm = await init({ module_or_path: module });
    // Once, where there are any: crates/raremap-web-gpu/build.rs says why.
    wasm.__wasm_call_ctors?.();
    return create(model);
  }

  /** @param {Start | Tile} message @returns {Promise<Result>} */
  async function act(message) {
    if ("module" in message) {
      runner = begin(message);
      return { golden: (await runner).golden() };
    }
    if (!runner) throw new Error("no model");
    const { input, height, width } = message;
    return { values: await (await runner).forward(input, height, width) };
  }

  // The panic hook calls this before the trap, with the last message of a dying instance.
  Reflect.set(self, "raremapPanicked", (/** @type {string} */ message) => end("trap", message));

  addEventListener("message", async ({ data: { id, ...message } }) => {
    try {
      const result = await act(message);
      post({ id, result }, "values" in result ? [result.values.buffer] : []);
    } catch (cause) {
      const { code, message } = toEngineError(cause);
      post({ id, error: { code, message } });
    }
  });
}
