// @ts-check
// Turns a request into its replies, whatever its method does.

import { EngineError, toEngineError } from "../engine/errors.js";

/**
 * @typedef {import("../engine/messages.js").Method} Method
 * @typedef {import("../engine/messages.js").Methods} Methods
 * @typedef {import("../engine/messages.js").Reply} Reply
 * @typedef {import("../engine/messages.js").Request} Request
 */

/** @template T @typedef {(progress: T, transfer?: Transferable[]) => void} Report tells how far a request is */

/** @typedef {{[M in Method]: (params: Methods[M]["params"], report: Report<Methods[M]["progress"]>) => Methods[M]["result"] | Promise<Methods[M]["result"]>}} MethodTable */

/**
 * Answers requests by a table of methods.
 *
 * @param {MethodTable} methods
 * @param {(reply: Reply, transfer?: Transferable[]) => void} post
 * @param {() => number | undefined} wasmBytes size of wasm's memory
 * @returns {(request: Request) => Promise<void>}
 */
export function dispatcher(methods, post, wasmBytes) {
  return async ({ id, method, params }) => {
    try {
      if (!Object.hasOwn(methods, method)) throw new EngineError("unknown_method", `The worker has no method ${method}.`);
      const act = /** @type {(params: any, report: Report<any>) => unknown} */ (methods[method]);
      const result = await act(params, (progress, transfer) => post({ id, progress }, transfer));
      post({ id, result, wasmBytes: wasmBytes() }, transferables(result));
    } catch (cause) {
      if (cause instanceof WebAssembly.RuntimeError) {
        post({ crashed: cause.message });
        return;
      }
      const { code, message } = toEngineError(cause);
      post({ id, error: { code, message } });
    }
  };
}

/**
 * What can be handed over instead of copied.
 *
 * @param {any} result
 * @returns {Transferable[]}
 */
function transferables(result) {
  return [result?.bitmap, result?.values?.buffer].filter(Boolean);
}
