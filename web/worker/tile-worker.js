// @ts-check
// Computes tiles of a run on a thread of its own, on the processor or on the graphics card: it gets the compiled wasm and the model, then tiles.

import { toEngineError } from "../engine/errors.js";
import init, { TileRunner } from "../wasm/raremap-web.js";
import { watchDevices } from "./devices.js";

/** @typedef {"cpu" | "webgpu"} Backend */
/** @typedef {import("../wasm/raremap-web.js").GoldenCheck} GoldenCheck */
/** @typedef {{module: WebAssembly.Module, model: Uint8Array, backend: Backend}} Start */
/** @typedef {{input: Float32Array, height: number, width: number}} Tile */
/** @typedef {{golden: GoldenCheck} | {values: Float32Array}} Result */
/** @typedef {import("../engine/messages.js").ErrorFields} ErrorFields */
/** An answer without an id is the worker's last one: it can do nothing more. @typedef {{id: number, result: Result} | {id?: number, error: ErrorFields}} Answer */

/** @type {Promise<TileRunner> | undefined} */
let runner;

/** @param {Answer} answer @param {Transferable[]} [transfer] */
const post = (answer, transfer = []) => postMessage(answer, { transfer });

/** @param {string} code @param {string} message */
const end = (code, message) => post({ error: { code, message } });

/** @param {Start} start */
async function create({ module, model, backend }) {
  // Before wasm asks for one.
  if (backend === "webgpu") watchDevices(end);
  const wasm = await init({ module_or_path: module });
  // Once: crates/raremap-web/build.rs says why.
  wasm.__wasm_call_ctors();
  return TileRunner.create(model, backend);
}

/** @param {Start | Tile} message @returns {Promise<Result>} */
async function act(message) {
  if ("module" in message) {
    runner = create(message);
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
