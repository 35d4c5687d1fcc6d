// @ts-check
// The page: what the reader does, and which state it is in. The computing is the worker's (worker.js).

import { Engine, EngineError } from "./client.js";
import { bindNumber, byId, make } from "./dom.js";
import * as panel from "./panel.js";
import { Viewer } from "./viewer.js";
import { backendText, bytesText, durationText, explain, number } from "./words.js";

/** @typedef {"empty" | "reading" | "ready" | "running" | "done" | "cancelled" | "error"} State */

// Long side of the pictures on the screen; the mask itself is always computed and saved at the scene's size.
const PICTURE_MAX_PX = 2048;
const REFRESH_MS = 40;

const address = new URLSearchParams(location.search);
const viewer = new Viewer(/** @type {HTMLCanvasElement} */ (byId("canvas")));
const engine = new Engine(onCrash);

/** What the model brought with it. @type {any} */
let loaded;
/** @type {Promise<any>} */
let loading = Promise.resolve();
/** @type {State} */
let state = "empty";
/** @type {File | undefined} */
let file;
/** @type {panel.SceneInfo | undefined} */
let info;
/** @type {number[]} the scene's band for each of the model's */
let bands = [];
let layerKind = "mask";
/** Counts opened files: an answer about an older one is dropped. */
let opened = 0;
/** @type {Promise<void>} */
let running = Promise.resolve();

const threshold = () => /** @type {HTMLInputElement} */ (byId("threshold-range")).valueAsNumber;
const topK = () => /** @type {HTMLInputElement} */ (byId("top-k-range")).valueAsNumber;
const opacity = () => /** @type {HTMLInputElement} */ (byId("opacity-range")).valueAsNumber / 100;
const hasOutline = () => /** @type {HTMLInputElement} */ (byId("outline")).checked;
const hasResult = () => state === "done" || state === "cancelled";

/** The options as the worker takes them: what a finished run can still be looked at with. */
function viewOptions() {
  return { threshold: threshold(), rare: panel.selectedRare(), topK: topK(), maxPx: PICTURE_MAX_PX };
}

/**
 * @param {State} next
 * @param {string} message for #status, read out by screen readers
 */
function setState(next, message) {
  state = next;
  document.body.dataset.state = next;
  const status = byId("status");
  status.dataset.state = next;
  status.textContent = message;
  const hasScene = Boolean(info);
  byId("empty").hidden = hasScene || next === "reading";
  byId("canvas").hidden = !hasScene;
  byId("viewer-tools").hidden = !hasScene;
  byId("scene").hidden = !hasScene;
  byId("running").hidden = next !== "running";
  byId("run").hidden = next === "running";
  /** @type {HTMLButtonElement} */ (byId("run")).disabled = !hasScene || next === "reading";
  byId("result").hidden = !hasResult() && next !== "running";
  byId("result").toggleAttribute("data-partial", next !== "done");
  byId("incomplete").hidden = next !== "cancelled";
  for (const button of byId("downloads").querySelectorAll("button")) button.disabled = next !== "done";
  for (const select of byId("band-selects").querySelectorAll("select")) select.disabled = next === "running";
  if (!hasResult()) byId("legend").hidden = true;
}

/** @param {unknown} cause */
function asError(cause) {
  return cause instanceof EngineError ? cause : new EngineError("internal", String(cause));
}

/**
 * @param {string} what one sentence, such as "scene.tif could not be opened"
 * @param {unknown} cause
 */
function showError(what, cause) {
  const { code, cause: happened, advice, detail } = explain(asError(cause));
  const box = byId("error");
  box.dataset.code = code;
  box.replaceChildren(
    make("strong", {}, what),
    make("p", {}, happened),
    make("p", {}, advice),
    make("details", {}, make("summary", {}, "Details"), make("code", {}, detail)),
  );
  box.hidden = false;
  setState("error", what);
}

function clearError() {
  byId("error").hidden = true;
  byId("error").replaceChildren();
}

// The model

/** @param {string} backend "auto", "cpu" or "webgpu" */
function load(backend) {
  loading = engine.call("load", { backend }, onLoadProgress).then((result) => {
    loaded = result;
    const line = byId("backend");
    line.dataset.backend = result.backend;
    line.dataset.reason = result.reason;
    line.textContent = backendText(result);
    return result;
  });
  return loading;
}

/** @param {{phase: string, loaded?: number, total?: number}} progress */
function onLoadProgress({ phase, loaded: got = 0, total = 0 }) {
  const text =
    phase === "check"
      ? "Checking the model on this device."
      : `Loading the model, ${bytesText(got)}${total ? ` of ${bytesText(total)}` : ""}.`;
  if (state === "empty" || state === "reading") byId("status").textContent = text;
}

async function boot() {
  try {
    await load(address.get("backend") ?? "auto");
  } catch (cause) {
    // A file that is being opened waits for the same promise and tells about the failure itself.
    if (state !== "reading") showError("The model could not be loaded", cause);
    return;
  }
  const { card, check } = loaded;
  panel.showRare(card, refresh);
  panel.showLayerChoices(card, onLayer);
  panel.showAbout(card, check);
  /** @type {HTMLButtonElement} */ (byId("about-open")).disabled = false;
  if (state === "empty") setState("empty", "Ready for an image.");
}

/**
 * The worker is gone, the page goes on: a new one is loaded, and the scene opened again in it.
 *
 * @param {EngineError} error
 */
function onCrash(error) {
  const { backend } = byId("backend").dataset;
  const wanted = address.get("backend") ?? "auto";
  // Where the address leaves the choice, a graphics card that brought the engine down is not tried again.
  const isGpuSuspect = wanted === "auto" && backend !== "cpu" && error.code === "trap";
  if (error.code === "worker-missing" || !loaded) {
    loading = Promise.reject(error);
    loading.catch(() => {});
    return;
  }
  const reopen = info && file;
  queueMicrotask(async () => {
    try {
      await load(isGpuSuspect ? "cpu" : wanted);
      if (reopen && reopen === file) await engine.call("open", { file });
    } catch (cause) {
      info = undefined;
      showError("The engine could not be started anew", cause);
    }
  });
}

// The scene

/** @param {File} next */
async function openFile(next) {
  const token = ++opened;
  if (state === "running") await cancelRun();
  if (token !== opened) return;
  clearError();
  file = next;
  info = undefined;
  setState("reading", `Reading ${next.name}.`);
  try {
    await loading;
    if (token !== opened) return;
    const opening = await engine.call("open", { file: next });
    if (token !== opened) return;
    const picture = await engine.call("preview", { bands: opening.assignment.bands, maxPx: PICTURE_MAX_PX });
    if (token !== opened) return;
    info = /** @type {panel.SceneInfo} */ (opening);
    bands = info.assignment.bands;
    panel.showScene(info);
    panel.showBands(info, onBands);
    setState("ready", `${next.name} is open.`);
    viewer.setScene(info.width, info.height);
    showPreview(picture);
  } catch (cause) {
    if (token === opened) showError(`${next.name} could not be opened`, cause);
  }
}

/** @param {{bitmap: ImageBitmap, note: string, warnings: {text: string}[]}} picture */
function showPreview({ bitmap, note, warnings }) {
  viewer.setLayer("scene", bitmap);
  panel.showWarnings([...(info?.warnings ?? []), ...warnings]);
  byId("scene-note").textContent = note;
}

/** @param {number[]} chosen */
async function onBands(chosen) {
  const token = opened;
  bands = chosen;
  clearError();
  viewer.setLayer("overlay", undefined);
  viewer.setLayer("outline", undefined);
  setState("ready", "The bands are changed; run to map the scene with them.");
  try {
    const picture = await engine.call("preview", { bands: chosen, maxPx: PICTURE_MAX_PX });
    if (token === opened && bands === chosen) showPreview(picture);
  } catch (cause) {
    if (token === opened) showError("The scene could not be drawn with these bands", cause);
  }
}

async function openSample() {
  const name = "sample.tif";
  const token = ++opened;
  try {
    if (state === "running") await cancelRun();
    clearError();
    setState("reading", "Fetching the sample.");
    const response = await fetch(new URL("./sample/scene.tif", import.meta.url));
    if (!response.ok) throw new EngineError("sample-fetch", `The sample could not be fetched: HTTP ${response.status}.`);
    const blob = await response.blob();
    if (token === opened) await openFile(new File([blob], name, { type: "image/tiff" }));
  } catch (cause) {
    const error = cause instanceof TypeError ? new EngineError("sample-fetch", cause.message) : cause;
    if (token === opened) showError("The sample could not be opened", error);
  }
}

// The run

function run() {
  running = runScene();
  return running;
}

async function runScene() {
  const token = opened;
  clearError();
  viewer.setLayer("overlay", undefined);
  viewer.setLayer("outline", undefined);
  byId("class-table").replaceChildren();
  byId("result-note").textContent = "";
  showProgress(0, 0, "");
  setState("running", "Mapping the scene.");
  byId("cancel").focus({ preventScroll: true });
  engine.call("look", { kind: layerKind, options: viewOptions() });
  const timer = new TileTimer();
  const tile = Number(address.get("tile")) || undefined;
  try {
    const result = await engine.call("run", { options: { bands, tile, ...viewOptions() } }, (progress) => {
      if (progress.bitmap) showOverlay(progress.bitmap);
      else showProgress(progress.done, progress.total, timer.left(progress.done, progress.total));
    });
    if (token !== opened && result.cancelled) return;
    byId("status").dataset.seconds = String(result.secs);
    if (result.cancelled) setState("cancelled", `Cancelled after ${result.done} of ${result.total} tiles.`);
    else setState("done", `Mapped in ${durationText(result.secs)}.`);
    await refresh();
    byId("run").focus({ preventScroll: true });
  } catch (cause) {
    showError(`${info?.name ?? "The scene"} could not be mapped`, cause);
  }
}

async function cancelRun() {
  /** @type {HTMLButtonElement} */ (byId("cancel")).disabled = true;
  engine.call("cancel");
  await running;
  /** @type {HTMLButtonElement} */ (byId("cancel")).disabled = false;
}

/** How long the rest will take, from the tiles after the first: that one also warms the engine up. */
class TileTimer {
  #start = performance.now();
  #first = 0;

  /**
   * @param {number} done
   * @param {number} total
   */
  left(done, total) {
    const now = performance.now();
    if (done <= 1) this.#first = now;
    if (done < 3) return "";
    const from = this.#first || this.#start;
    return `${durationText(((now - from) / 1000 / (done - 1)) * (total - done))} left`;
  }
}

/**
 * @param {number} done
 * @param {number} total
 * @param {string} left
 */
function showProgress(done, total, left) {
  const bar = /** @type {HTMLProgressElement} */ (byId("progress"));
  bar.max = total || 1;
  bar.value = done;
  byId("progress-tiles").textContent = total ? `${number(done)} of ${number(total)} tiles` : "Starting";
  byId("progress-left").textContent = left;
}

// The result

/** @param {ImageBitmap} bitmap */
function showOverlay(bitmap) {
  viewer.setLayer("overlay", bitmap, opacity());
}

/** @param {string} kind */
function onLayer(kind) {
  layerKind = kind;
  refresh();
}

let isRefreshing = false;
let isStale = false;

/** Draws the result anew after any option changed: the newest options win, and never two drawings at once. */
async function refresh() {
  isStale = true;
  if (isRefreshing) return;
  isRefreshing = true;
  while (isStale) {
    isStale = false;
    const token = opened;
    try {
      if (state === "running") await engine.call("look", { kind: layerKind, options: viewOptions() });
      if (hasResult()) await drawResult(token);
    } catch (cause) {
      if (token === opened) showError("The result could not be drawn", cause);
    }
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
  }
  isRefreshing = false;
}

/** @param {number} token */
async function drawResult(token) {
  const kind = layerKind;
  const options = viewOptions();
  const areas = await engine.call("areas", { options });
  const overlay = kind === "none" ? undefined : await engine.call("layer", { kind, options });
  const outline = hasOutline() ? await engine.call("layer", { kind: "rare-outline", options }) : undefined;
  // The scene may have changed while these were drawn.
  if (token !== opened || !hasResult()) return;
  viewer.setLayer("overlay", overlay?.bitmap, opacity());
  viewer.setLayer("outline", outline?.bitmap);
  panel.showTable(areas);
  panel.showLegend(kind, loaded.scale, areas, options.topK);
}

/**
 * @param {string} kind of file
 * @param {string} ending of its name
 * @param {string} type
 */
async function download(kind, ending, type) {
  const stem = (info?.name ?? "scene").replace(/\.[^.]+$/, "");
  const button = /** @type {HTMLButtonElement} */ (byId(`download-${kind}`));
  button.disabled = true;
  try {
    const { bytes } = await engine.call("file", { kind, options: viewOptions() });
    const url = URL.createObjectURL(new Blob([bytes], { type }));
    make("a", { href: url, download: `${stem}${ending}` }).click();
    // The browser reads the blob after the click returns.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (cause) {
    showError(`${stem}${ending} could not be written`, cause);
  } finally {
    button.disabled = state !== "done";
  }
}

// Wiring

const fileInput = /** @type {HTMLInputElement} */ (byId("file-input"));
fileInput.addEventListener("change", () => {
  const [chosen] = fileInput.files ?? [];
  if (chosen) openFile(chosen);
  // The same file can be chosen again, for example after it was mended.
  fileInput.value = "";
});
for (const id of ["drop-zone", "open-another"]) byId(id).addEventListener("click", () => fileInput.click());
byId("sample").addEventListener("click", openSample);
byId("run").addEventListener("click", run);
byId("cancel").addEventListener("click", cancelRun);
byId("zoom-in").addEventListener("click", () => viewer.zoom(1.5));
byId("zoom-out").addEventListener("click", () => viewer.zoom(1 / 1.5));
byId("zoom-fit").addEventListener("click", () => viewer.fit());
byId("outline").addEventListener("change", refresh);
bindNumber("threshold", refresh);
bindNumber("top-k", refresh);
bindNumber("opacity", () => viewer.setOpacity("overlay", opacity()));

byId("download-mask-tif").addEventListener("click", () => download("mask-tif", "_mask.tif", "image/tiff"));
byId("download-mask-png").addEventListener("click", () => download("mask-png", "_mask.png", "image/png"));
byId("download-probability-tif").addEventListener("click", () => download("probability-tif", "_probability.tif", "image/tiff"));
byId("download-saliency-tif").addEventListener("click", () => download("saliency-tif", "_saliency.tif", "image/tiff"));

const about = /** @type {HTMLDialogElement} */ (byId("about"));
byId("about-open").addEventListener("click", () => about.showModal());
byId("about-close").addEventListener("click", () => about.close());

// A file may be dropped anywhere; the zone only says so.
let dragDepth = 0;
/** @param {boolean} isOver */
const setDropping = (isOver) => document.body.classList.toggle("dropping", isOver);
addEventListener("dragenter", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  dragDepth += 1;
  setDropping(true);
});
addEventListener("dragleave", () => {
  dragDepth = Math.max(0, dragDepth - 1);
  if (dragDepth === 0) setDropping(false);
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  dragDepth = 0;
  setDropping(false);
  const [dropped] = event.dataTransfer?.files ?? [];
  if (dropped) openFile(dropped);
});

boot();
