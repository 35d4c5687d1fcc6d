// @ts-check
// Everything heavy: the model, the scene and the run live here, in wasm. Messages are described in ARCHITECTURE.md.

import init, { Session } from "../../wasm/raremap-web.js";
import { chooseBackend } from "./backend.js";
import { keep, openRoom, takeFile } from "./scratch-files.js";

const WASM_URL = new URL("../../wasm/raremap-web_bg.wasm", import.meta.url);
const MODEL_URL = new URL("../models/default.raremap", import.meta.url);

// A picture of a part costs a pass over the scene: often enough to watch, and at most a tenth of the time.
const PICTURE_MS = 700;
const PICTURE_COST = 10;
// How often it is told how far unpacking, and a pass over the rows of a scene, are.
const PROGRESS_MS = 200;

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

/** Told of each row that areas and files are made of. @type {(row: number, rows: number) => void} */
let onRow = () => {};

/**
 * Tells how far a pass over the scene is while `act` makes some.
 *
 * @template T
 * @param {(progress: any) => void} progress
 * @param {() => T | Promise<T>} act
 */
async function tellingRows(progress, act) {
  const before = onRow;
  let last = performance.now();
  onRow = (done, total) => {
    if (performance.now() - last < PROGRESS_MS) return;
    last = performance.now();
    progress({ done, total });
  };
  try {
    return await act();
  } finally {
    onRow = before;
  }
}

function currentSession() {
  if (!session) throw new CodedError("not_loaded", "The model is not loaded.");
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
    throw new CodedError("model_fetch", `${url.pathname} could not be fetched: ${cause}`);
  }
  if (!response.ok || !response.body) {
    throw new CodedError("model_fetch", `${url.pathname} could not be fetched: HTTP ${response.status}`);
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

/** Wasm's memory, which never shrinks: its size is the most it ever was. @type {WebAssembly.Memory | undefined} */
let memory;

async function startWasm() {
  try {
    const wasm = await init({ module_or_path: WASM_URL });
    // Once: crates/raremap-web/build.rs says why.
    wasm.__wasm_call_ctors();
    memory = wasm.memory;
  } catch (cause) {
    throw new CodedError("wasm_start", String(cause));
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
  /** @type {string} */
  let reason = choice.reason;
  try {
    session = await Session.create(model, choice.backend, takeFile, (row, rows) => onRow(row, rows));
  } catch (cause) {
    // A device that gives wrong numbers, or none, is not used; the processor gives the right ones.
    const code = errorOf(cause).code;
    if (choice.backend !== "webgpu" || !["webgpu_failed", "golden_tile_differs"].includes(code)) throw cause;
    reason = code;
    session = await Session.create(model, "cpu", takeFile, (row, rows) => onRow(row, rows));
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

/**
 * A picture as the page draws it; frees what wasm holds of it.
 *
 * @param {import("../../wasm/raremap-web.js").Picture} picture
 */
async function bitmapOf(picture) {
  const { rgba, width, height, extent } = picture;
  picture.free();
  const bitmap = await createImageBitmap(new ImageData(new Uint8ClampedArray(rgba.buffer), width, height));
  return { bitmap, extent: [...extent] };
}

/**
 * @param {{entries?: {path: string, file: File}[], url?: string}} params
 * @param {(progress: any) => void} progress
 */
async function open({ entries = [], url }, progress) {
  await openRoom();
  let last = 0;
  const onUnpacked = (/** @type {number} */ done, /** @type {number} */ total) => {
    if (done < total && performance.now() - last < PROGRESS_MS) return;
    last = performance.now();
    progress({ phase: "unpack", done, total });
  };
  const opening = url
    ? currentSession().openAddress(url, decodeURIComponent(new URL(url).pathname.split("/").pop() ?? ""), onUnpacked)
    : currentSession().openFiles(entries.map(({ path }) => path), entries.map(({ file }) => file), onUnpacked);
  return JSON.parse(await opening);
}

/** @param {{x: number, y: number, width: number, height: number, bands: number[]}} params */
async function read({ x, y, width, height, bands }) {
  return { values: await currentSession().read(x, y, width, height, Uint32Array.from(bands)) };
}

/** @param {{bands: number[], maxPx: number}} params */
async function preview({ bands, maxPx }) {
  const shown = await currentSession().preview(Uint32Array.from(bands), maxPx);
  const { note, warnings, matching } = shown;
  const picture = /** @type {import("../../wasm/raremap-web.js").Picture} */ (shown.takePicture());
  shown.free();
  return { ...(await bitmapOf(picture)), note, matching: matching ?? null, warnings: JSON.parse(warnings) };
}

/** @param {{x: number, y: number, width: number, height: number}} params */
async function detail({ x, y, width, height }) {
  return bitmapOf(await currentSession().detail(x, y, width, height));
}

/** @param {{kind: string, options: object}} params */
function look({ kind, options }) {
  view = { kind, options: JSON.stringify(options) };
}

/** @param {{kind: string, options: object}} params */
async function layer({ kind, options }) {
  return bitmapOf(currentSession().layer(kind, JSON.stringify(options)));
}

const channel = new MessageChannel();
channel.port1.start();

/** Resolves after the worker has looked at its messages; a timer would wait 4 ms or more. */
function nextTask() {
  return new Promise((resolve) => {
    channel.port1.addEventListener("message", resolve, { once: true });
    channel.port2.postMessage(null);
  });
}

/**
 * @param {{options: object}} params
 * @param {(progress: any, transfer?: Transferable[]) => void} progress
 */
async function run({ options }, progress) {
  await openRoom();
  const start = performance.now();
  let lastPicture = start;
  let pictureMs = 0;
  const onTile = async (/** @type {number} */ done, /** @type {number} */ total) => {
    progress({ done, total });
    await nextTask();
    const isDue = performance.now() - lastPicture > Math.max(PICTURE_MS, PICTURE_COST * pictureMs);
    if (!isDue || done === total || view.kind === "none") return undefined;
    lastPicture = performance.now();
    return view;
  };
  const onPicture = async (/** @type {any} */ picture) => {
    pictureMs = performance.now() - lastPicture;
    const drawn = await bitmapOf(picture);
    progress({ picture: drawn }, [drawn.bitmap]);
  };
  const { done, total } = JSON.parse(await currentSession().run(JSON.stringify(options), onTile, onPicture));
  return { done, total, cancelled: done < total, secs: (performance.now() - start) / 1000 };
}

function cancel() {
  session?.cancel();
}

/**
 * @param {{options: object}} params
 * @param {(progress: any) => void} progress
 */
function areas({ options }, progress) {
  return tellingRows(progress, () => JSON.parse(currentSession().areas(JSON.stringify(options))));
}

/** @param {{options: object}} params */
function files({ options }) {
  return JSON.parse(currentSession().files(JSON.stringify(options)));
}

/**
 * @param {{name: string, type: string, options: object}} params
 * @param {(progress: any) => void} progress
 */
async function file({ name, type, options }, progress) {
  await openRoom();
  return tellingRows(progress, async () => {
    const made = currentSession().makeFile(name, JSON.stringify(options));
    try {
      return { blob: await keep(made, name, type), notice: made.notice ?? null };
    } finally {
      made.free();
    }
  });
}

/** @type {Record<string, (params: any, progress: (value: any, transfer?: Transferable[]) => void) => any>} */
const METHODS = { load, open, preview, detail, read, look, layer, run, cancel, areas, files, file };

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
  return [result?.bitmap, result?.values?.buffer].filter(Boolean);
}

self.addEventListener("message", async ({ data: { id, method, params } }) => {
  try {
    const act = METHODS[method];
    if (!act) throw new CodedError("unknown_method", `The worker has no method ${method}.`);
    const result = await act(params, (progress, transfer = []) => self.postMessage({ id, progress }, { transfer }));
    self.postMessage({ id, result, wasmBytes: memory?.buffer.byteLength }, { transfer: transferables(result) });
  } catch (cause) {
    if (cause instanceof WebAssembly.RuntimeError) self.postMessage({ crashed: cause.message });
    else self.postMessage({ id, error: errorOf(cause) });
  }
});
