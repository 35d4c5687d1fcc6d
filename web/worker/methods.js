// @ts-check
// What the worker does for each method. The model, the scene and the run are in wasm; everything that only the browser has is here.

import init, { Session } from "../wasm/raremap-web.js";
import { fetchModel } from "../engine/download.js";
import { EngineError } from "../engine/errors.js";
import { chooseBackend } from "./backend.js";
import { warpToMercator } from "./overlay.js";
import { prepareScratchFiles, saveFile, takeScratchFile } from "./scratch-files.js";
import { RunTiles } from "./run-tiles.js";
import { MOST_WORKERS, TilePool, newGpuTileWorker, workersFor } from "./tile-pool.js";

// A picture of a part costs a pass over the scene. It is drawn often enough to watch, and takes at most a tenth of the time.
const PICTURE_MS = 700;
const PICTURE_COST = 10;
// Time between two reports of how far unpacking, or a pass over the rows of a scene, is.
const PROGRESS_MS = 200;
// One tile is read back while the next one is computed.
const GPU_TILES_AT_ONCE = 2;
// A graphics card that was lost is given this many more tries in a run, after a pause. After that, the processor computes.
const GPU_REPLACEMENTS = 2;
const GPU_PAUSE_MS = 500;
// A smaller scene is done before workers for its tiles have started.
const LEAST_PIXELS_FOR_WORKERS = 1 << 19;

/**
 * @typedef {import("../engine/messages.js").Methods} Methods
 * @typedef {import("../engine/messages.js").Progress} Progress
 * @typedef {import("../wasm/raremap-web.js").LayerRequest} LayerRequest
 * @typedef {import("../wasm/raremap-web.js").Picture} Picture
 */
/** @template {keyof Methods} M @typedef {import("./dispatch.js").MethodTable[M]} Implementation */

/** @type {Session | undefined} */
let session;
/** @type {WebAssembly.Memory | undefined} */
let memory;
/** The layer that pictures of an unfinished run show. @type {LayerRequest | null} */
let partialLayer = null;
let isCancelWanted = false;
/** Height and width of the scene that was opened last. @type {[number, number]} */
let sceneSize = [0, 0];
/** Called for each row that areas and files are made of. @type {(row: number, rows: number) => void} */
let onRow = () => {};
/** What workers that compute tiles on the processor start from. @type {import("./serve-tiles.js").Start | undefined} */
let tileStart;
/** The worker that computes tiles on the graphics card, if the model runs there. @type {TilePool | undefined} */
let gpu;
/** Whether the model was put on a graphics card that was lost. */
let isGpuLost = false;
/** Counts models, so that one that took longer to load than the next does not replace it. */
let loads = 0;
/** The tiles of the run that goes on. @type {RunTiles | undefined} */
let tiles;
/** @type {Promise<TilePool> | undefined} */
let tilePool;
/** How many workers it was started with. */
let tileCount = 0;

/** Size of wasm's memory. It never shrinks, so this is the largest size so far. */
export function wasmBytes() {
  return memory?.buffer.byteLength;
}

function currentSession() {
  if (!session) throw new EngineError("not_loaded", "The model is not loaded.");
  return session;
}

/** @type {Promise<void> | undefined} */
let starting;
/** @type {WebAssembly.Module | undefined} */
let wasmModule;

/** Compiles the wasm at an address, while it arrives if the server says what it is. @param {string} url */
async function compileWasm(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const isKnown = response.headers.get("content-type")?.startsWith("application/wasm");
  return isKnown ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

/** @param {string} url */
async function instantiate(url) {
  // Kept, so that the workers that compute tiles need not compile it again.
  wasmModule = await compileWasm(url);
  return init({ module_or_path: wasmModule });
}

/** Starts wasm, unless it was started before. @param {string} url */
function startWasm(url) {
  starting ??= instantiate(url).then(
    (wasm) => {
      memory = wasm.memory;
    },
    (cause) => {
      starting = undefined;
      throw new EngineError("wasm_start", String(cause));
    },
  );
  return starting;
}

/** The module for the graphics card, and its address. @type {{url: string, compiling: Promise<WebAssembly.Module>} | undefined} */
let gpuModule;

/** Compiles the module for the graphics card, unless that was done before; undefined if it cannot be loaded. @param {string} url */
async function compileForGpu(url) {
  if (gpuModule?.url !== url) gpuModule = { url, compiling: compileWasm(url) };
  try {
    return await gpuModule.compiling;
  } catch (cause) {
    gpuModule = undefined;
    console.warn(`${url} could not be loaded:`, cause);
    return undefined;
  }
}

/** @type {Implementation<"load">} */
async function load({ backend, model: given, wasmUrl, gpuWasmUrl }, report) {
  const choosing = chooseBackend(backend, navigator);
  // The session does not wait for it. This promise never rejects, so none is left unhandled if another part fails.
  const compilingForGpu = choosing.then(
    ({ backend }) => (backend === "webgpu" ? compileForGpu(gpuWasmUrl) : undefined),
    () => undefined,
  );
  const [choice, model] = await Promise.all([
    choosing,
    typeof given === "string"
      ? fetchModel(given, (loaded, total) => report({ phase: "model", loaded, total }))
      : given.arrayBuffer().then((buffer) => new Uint8Array(buffer)),
    startWasm(wasmUrl),
  ]);
  report({ phase: "check" });
  loads += 1;
  const number = loads;
  const hooks = { takeScratchFile, onRow: (/** @type {number} */ row, /** @type {number} */ rows) => onRow(row, rows) };
  const created = await Session.create(model, hooks);
  refuseIfSuperseded(number);
  session = created;
  const info = session.info();
  closeTilePool();
  gpu?.close();
  gpu = undefined;
  isGpuLost = false;
  tileStart = { module: /** @type {WebAssembly.Module} */ (wasmModule), model };
  if (choice.backend === "cpu") return { ...info, backend: "cpu", reason: choice.reason, adapter: "" };
  const packed = session.packed();
  if (!packed) return { ...info, backend: "cpu", reason: "network", adapter: "" };
  const module = await compilingForGpu;
  refuseIfSuperseded(number);
  if (!module) return { ...info, backend: "cpu", reason: "gpu_module", adapter: "" };
  const options = { newWorker: newGpuTileWorker, tilesAtOnce: GPU_TILES_AT_ONCE, replacements: GPU_REPLACEMENTS, pauseMs: GPU_PAUSE_MS };
  const pool = await TilePool.start(1, { module, model: packed }, options);
  if (number !== loads) pool.close();
  refuseIfSuperseded(number);
  if (pool.size === 0) {
    // A device that gives wrong numbers, or none, is not used; the processor gives the right ones.
    const isWrong = pool.failure?.code === "golden_tile_differs";
    return { ...info, backend: "cpu", reason: isWrong ? "golden_tile_differs" : "webgpu_failed", adapter: "" };
  }
  gpu = pool;
  return { ...info, golden: pool.golden ?? info.golden, backend: "webgpu", reason: choice.reason, adapter: choice.adapter };
}

/** @param {number} number of a model that was being loaded */
function refuseIfSuperseded(number) {
  if (number !== loads) throw new EngineError("superseded", "Another model was loaded meanwhile.");
}

/** Reports how far something is, every now and then and at its end. @param {(progress: Progress) => void} report */
function progressOf(report) {
  let last = 0;
  return (/** @type {number} */ done, /** @type {number} */ total) => {
    if (done < total && performance.now() - last < PROGRESS_MS) return;
    last = performance.now();
    report({ done, total });
  };
}

/** @type {Implementation<"open">} */
async function open(source, report) {
  await prepareScratchFiles();
  const onUnpacked = progressOf(report);
  const session = currentSession();
  const opened = await ("url" in source
    ? session.openAddress(source.url, source.name, onUnpacked, source.emptyBorder)
    : session.openFiles(
        source.entries.map(({ path }) => path),
        source.entries.map(({ file }) => file),
        onUnpacked,
        source.emptyBorder,
      ));
  sceneSize = [opened.scene.height, opened.scene.width];
  // They start while the user looks at the scene.
  if (!gpu) void startTilePool();
  return opened;
}

/**
 * Starts the workers that compute tiles, unless they run already or the scene is too small for them.
 *
 * @param {number} [count] as many as suit the device if not given
 */
async function startTilePool(count = sceneSize[0] * sceneSize[1] < LEAST_PIXELS_FOR_WORKERS ? 0 : workersFor(navigator)) {
  checkWorkers(count);
  if (count !== tileCount) closeTilePool();
  if (!tileStart || count === 0) return undefined;
  tileCount = count;
  tilePool ??= TilePool.start(count, tileStart);
  return tilePool;
}

/** @param {number} count */
function checkWorkers(count) {
  if (!Number.isInteger(count) || count < 0 || count > MOST_WORKERS) {
    throw new EngineError("misuse", `${count} workers were asked for; it must be a whole number from 0 to ${MOST_WORKERS}.`);
  }
}

/** Gives back the memory of the workers that compute tiles. */
function closeTilePool() {
  void tilePool?.then((pool) => pool.close());
  tilePool = undefined;
}

/**
 * A picture as a canvas draws it.
 *
 * @param {Picture} picture
 * @returns {Promise<import("../engine/messages.js").Picture>}
 */
async function bitmapOf({ rgba, width, height, extent }) {
  return { bitmap: await createImageBitmap(new ImageData(rgba, width, height)), extent };
}

/** @type {Implementation<"preview">} */
async function preview({ bands, maxPx }) {
  const { picture, note, matching, warnings } = await currentSession().preview({ bands, maxPx });
  return { ...(await bitmapOf(picture)), note, matching, warnings };
}

/** @type {Implementation<"look">} */
function look(options) {
  return currentSession().look(options);
}

/** @type {Implementation<"statistics">} */
function statistics({ bands, maxPx }) {
  return currentSession().statistics(Uint32Array.from(bands), maxPx);
}

/** @type {Implementation<"compose">} */
async function compose(options) {
  return bitmapOf(await currentSession().compose(options));
}

/** @type {Implementation<"detail">} */
async function detail(window) {
  return bitmapOf(await currentSession().detail(window));
}

/** @type {Implementation<"read">} */
async function read({ window, bands }) {
  return { values: await currentSession().read(window, Uint32Array.from(bands)) };
}

/** @type {Implementation<"lonLat">} */
function lonLat({ pixels }) {
  return { values: currentSession().lonLat(pixels) };
}

// A scene on a server is read in many ranges.
performance.setResourceTimingBufferSize(100_000);

/** @type {Implementation<"requests">} */
function requests() {
  return performance.getEntriesByType("resource").map(({ name }) => name);
}

/** @type {Implementation<"showPartial">} */
function showPartial({ layer }) {
  partialLayer = layer;
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

/** @type {Implementation<"run">} */
async function run({ options, workers }, report) {
  isCancelWanted = false;
  const start = performance.now();
  if (workers !== undefined) checkWorkers(workers);
  const [ofModel, hadGpu] = [tileStart, gpu !== undefined];
  const running = new RunTiles(
    gpu,
    // Those of another model that was loaded meanwhile would be wrong.
    async () => (ofModel === tileStart ? startTilePool(workers) : undefined),
    (lost) => {
      if (gpu !== lost) return;
      gpu = undefined;
      isGpuLost = true;
    },
  );
  tiles = running;
  gpu?.renew();
  await Promise.all([running.start(), prepareScratchFiles()]);
  let lastPicture = start;
  let pictureMs = 0;
  const hooks = {
    async onTile(/** @type {number} */ done, /** @type {number} */ total) {
      report({ kind: "tiles", done, total });
      await nextTask();
      const isDue = performance.now() - lastPicture > Math.max(PICTURE_MS, PICTURE_COST * pictureMs);
      if (isCancelWanted || !isDue || done === total || !partialLayer) return { cancel: isCancelWanted, layer: null };
      lastPicture = performance.now();
      return { cancel: false, layer: partialLayer };
    },
    async onPicture(/** @type {Picture} */ picture) {
      pictureMs = performance.now() - lastPicture;
      const drawn = await bitmapOf(picture);
      report({ kind: "picture", picture: drawn }, [drawn.bitmap]);
    },
    get tileWorkers() {
      return running.size;
    },
    forwardTile(/** @type {Float32Array} */ input, /** @type {number} */ height, /** @type {number} */ width) {
      return running.forward(input, height, width);
    },
    devices: () => running.devices,
  };
  const began = hadGpu ? 0 : running.workers;
  try {
    const { done, total } = await currentSession().run(options, hooks);
    const secs = (performance.now() - start) / 1000;
    return { done, total, cancelled: done < total, secs, workers: began, isGpuLost };
  } finally {
    running.end();
    if (tiles === running) tiles = undefined;
    closeTilePool();
  }
}

/** @type {Implementation<"cancel">} */
function cancel() {
  isCancelWanted = true;
  tiles?.cancel();
}

/** @type {Implementation<"layer">} */
async function layer(request) {
  return bitmapOf(currentSession().layer(request));
}

/** @type {Implementation<"values">} */
function values(request) {
  return currentSession().values(request);
}

/** @type {Implementation<"overlay">} */
async function overlay(request) {
  const session = currentSession();
  const { rgba, width, height, extent } = warpToMercator(session.layer(request), sceneSize, (pixels) => session.lonLat(pixels));
  return { bitmap: await createImageBitmap(new ImageData(rgba, width, height)), extent };
}

/**
 * Reports the progress of the passes over the scene's rows that `act` makes.
 *
 * @template T
 * @param {(progress: Progress) => void} report
 * @param {() => T | Promise<T>} act
 */
async function reportingRows(report, act) {
  const before = onRow;
  let last = performance.now();
  onRow = (done, total) => {
    if (performance.now() - last < PROGRESS_MS) return;
    last = performance.now();
    report({ done, total });
  };
  try {
    return await act();
  } finally {
    onRow = before;
  }
}

/** @type {Implementation<"areas">} */
function areas({ options }, report) {
  return reportingRows(report, () => currentSession().areas(options));
}

/** @type {Implementation<"files">} */
function files({ options }) {
  return currentSession().files(options);
}

/** @type {Implementation<"file">} */
async function file({ name, type, options }, report) {
  await prepareScratchFiles();
  return reportingRows(report, async () => {
    const made = currentSession().makeFile(name, options);
    try {
      return { blob: await saveFile(made, name, type), notice: made.notice ?? null };
    } finally {
      made.free();
    }
  });
}

/** @type {import("./dispatch.js").MethodTable} */
export const METHODS = {
  load, open, preview, look, statistics, compose, detail, read, lonLat, requests, showPartial, run, cancel, layer, values, overlay, areas, files, file,
};
