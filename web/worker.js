// @ts-check
// Everything heavy: the model, the scene and the run live here, in wasm. Messages are described in ARCHITECTURE.md.

import init, { Session } from "../wasm/raremap-web.js";
import { chooseBackend } from "./backend.js";

const WASM_URL = new URL("../wasm/raremap-web_bg.wasm", import.meta.url);
const MODEL_URL = new URL("./models/default.raremap", import.meta.url);

// A partial picture costs a pass over the scene: often enough to watch, seldom enough not to slow the run.
const PARTIAL_MS = 700;

/** @type {Session | undefined} */
let session;

/** What the page shows now, so that a partial picture is the one the reader looks at. */
let view = { kind: "mask", options: "{}" };

/** Called by the panic hook before the trap: the last words of a dying instance. */
Reflect.set(self, "raremapPanicked", (/** @type {string} */ message) => self.postMessage({ crashed: message }));

class CodedError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

function currentSession() {
  if (!session) throw new CodedError("not-loaded", "The model is not loaded.");
  return session;
}

/**
 * @param {URL} url
 * @param {(loaded: number, total: number) => void} onBytes total is 0 when the server does not say
 */
async function fetchBytes(url, onBytes) {
  let response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new CodedError("model-fetch", `${url.pathname} could not be fetched: ${cause}`);
  }
  if (!response.ok || !response.body) {
    throw new CodedError("model-fetch", `${url.pathname} could not be fetched: HTTP ${response.status}`);
  }
  // With a content encoding the header counts compressed bytes, which says nothing about what arrives here.
  const total = response.headers.get("content-encoding") ? 0 : Number(response.headers.get("content-length") ?? 0);
  const chunks = [];
  let loaded = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
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

async function startWasm() {
  try {
    await init({ module_or_path: WASM_URL });
  } catch (cause) {
    throw new CodedError("wasm-start", String(cause));
  }
}

/**
 * @param {{backend: string}} params
 * @param {(progress: any) => void} progress
 */
async function load({ backend }, progress) {
  const [choice, model] = await Promise.all([
    chooseBackend(backend),
    fetchBytes(MODEL_URL, (loaded, total) => progress({ phase: "model", loaded, total })),
    startWasm(),
  ]);
  progress({ phase: "check" });
  let { reason } = choice;
  try {
    session = await Session.create(model, choice.backend);
  } catch (cause) {
    // A device that gives wrong numbers, or none, is not used; the processor gives the right ones.
    const code = errorOf(cause).code;
    if (choice.backend !== "webgpu" || !["webgpu-init", "golden-mismatch"].includes(code)) throw cause;
    reason = code;
    session = await Session.create(model, "cpu");
  }
  return {
    backend: session.backend,
    reason,
    adapter: session.backend === "webgpu" ? choice.adapter : "",
    check: JSON.parse(session.check()),
    card: JSON.parse(session.card()),
    scale: JSON.parse(session.scale()),
  };
}

/** @param {{width: number, height: number, rgba: Uint8ClampedArray<ArrayBuffer>}} picture */
async function bitmapOf(picture) {
  return createImageBitmap(new ImageData(picture.rgba, picture.width, picture.height));
}

/** @param {{file: File}} params */
async function open({ file }) {
  return JSON.parse(await currentSession().openScene(file, file.name));
}

/** @param {{bands: number[], maxPx: number}} params */
async function preview({ bands, maxPx }) {
  const picture = await currentSession().preview(Uint32Array.from(bands), maxPx);
  return { bitmap: await bitmapOf(picture), note: picture.note, warnings: JSON.parse(picture.warnings) };
}

/** @param {{kind: string, options: object}} params */
function look({ kind, options }) {
  view = { kind, options: JSON.stringify(options) };
}

/** @param {{kind: string, options: object}} params */
async function layer(params) {
  look(params);
  return { bitmap: await bitmapOf(currentSession().layer(view.kind, view.options)) };
}

/**
 * @param {{options: object}} params
 * @param {(progress: any, transfer?: Transferable[]) => void} progress
 */
async function run({ options }, progress) {
  let lastPartial = performance.now();
  const onTile = (/** @type {number} */ done, /** @type {number} */ total) => {
    progress({ done, total });
    if (done === total || performance.now() - lastPartial < PARTIAL_MS) return undefined;
    lastPartial = performance.now();
    return view;
  };
  const onPicture = async (/** @type {any} */ picture) => {
    const bitmap = await bitmapOf(picture);
    progress({ bitmap }, [bitmap]);
  };
  return JSON.parse(await currentSession().run(JSON.stringify(options), onTile, onPicture));
}

function cancel() {
  session?.cancel();
}

/** @param {{options: object}} params */
function areas({ options }) {
  return JSON.parse(currentSession().areas(JSON.stringify(options)));
}

/** @param {{kind: string, options: object}} params */
function file({ kind, options }) {
  return { bytes: currentSession().file(kind, JSON.stringify(options)) };
}

/** @type {Record<string, (params: any, progress: (value: any, transfer?: Transferable[]) => void) => any>} */
const METHODS = { load, open, preview, look, layer, run, cancel, areas, file };

/**
 * @param {unknown} cause
 * @returns {{code: string, message: string}}
 */
function errorOf(cause) {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "internal";
  return { code, message: cause instanceof Error ? cause.message : String(cause) };
}

/**
 * What can be handed over instead of copied.
 *
 * @param {any} result
 * @returns {Transferable[]}
 */
function transferables(result) {
  return [result?.bitmap, result?.bytes?.buffer].filter(Boolean);
}

self.addEventListener("message", async ({ data: { id, method, params } }) => {
  try {
    const act = METHODS[method];
    if (!act) throw new CodedError("unknown-method", `The worker has no method ${method}.`);
    const result = await act(params, (progress, transfer = []) => self.postMessage({ id, progress }, { transfer }));
    self.postMessage({ id, result }, { transfer: transferables(result) });
  } catch (cause) {
    if (cause instanceof WebAssembly.RuntimeError) self.postMessage({ crashed: cause.message });
    else self.postMessage({ id, error: errorOf(cause) });
  }
});
