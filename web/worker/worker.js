// @ts-check
// The worker's entry: messages in, replies out. Everything heavy happens behind it, in wasm. ARCHITECTURE.md describes the messages.

import { dispatcher } from "./dispatch.js";
import { METHODS, wasmBytes } from "./methods.js";

/** @param {import("../engine/messages.js").Reply} reply @param {Transferable[]} [transfer] */
const post = (reply, transfer = []) => postMessage(reply, { transfer });

// The panic hook calls this before the trap, with the last message of a dying instance.
Reflect.set(self, "raremapPanicked", (/** @type {string} */ message) => post({ crashed: message }));

const dispatch = dispatcher(METHODS, post, wasmBytes);
addEventListener("message", ({ data }) => void dispatch(data));
