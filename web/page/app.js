// @ts-check
// The page: its states, and what happens when the user acts. The engine computes, in a worker.

import { assigned, unassigned } from "../engine/bands.js";
import { Engine, EngineError, toEngineError } from "../engine/engine.js";
import { addressOptions, fileNameOf, fileUrl } from "./address.js";
import { bindNumber, byId } from "./dom.js";
import { acceptDrops, entriesOf } from "./drop.js";
import { clearError, showErrorBox } from "./error-box.js";
import { Inspector } from "./inspector.js";
import { keepOnDemand } from "./kept.js";
import { startLanguage } from "./language.js";
import { isWeightsFile, offerModel, showModelLine } from "./model.js";
import { startOffline } from "./offline.js";
import * as panel from "./panel.js";
import { showRequestsOnDemand } from "./requests.js";
import { PICTURE_MAX_PX, ResultView } from "./result.js";
import { ReviewList } from "./review.js";
import { offerSiteFolder } from "./site-folder.js";
import { TileTimer } from "./timer.js";
import { Viewer } from "../view/viewer.js";
import { backendText, bytesText, durationText, entriesName, fileStem, number, t } from "./text.js";
import { figuresOf, readCard } from "./weights-file.js";

/** Longest side of the pictures that show what the bands could be. */
const CHOICE_MAX_PX = 120;

/**
 * @typedef {import("../engine/messages.js").Entry} Entry
 * @typedef {import("../engine/messages.js").LoadedModel} LoadedModel
 * @typedef {import("../engine/messages.js").LoadProgress} LoadProgress
 * @typedef {import("../engine/messages.js").SceneSource} SceneSource
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 *
 * @typedef {{name: string, from: SceneSource}} Source where a scene comes from, and what the page calls it
 * @typedef {{name: string, source: File | URL}} OwnModel a weights file in place of the default one
 * @typedef {"empty" | "reading" | "ready" | "running" | "done" | "cancelled" | "error"} State
 */

const address = addressOptions(location.search);
startLanguage(address.lang);
/** The model of the user's that is in use. @type {OwnModel | undefined} */
let own;
let engine = newEngine(own);
const viewer = new Viewer(/** @type {HTMLCanvasElement} */ (byId("canvas")), onView);
const result = new ResultView(engine, viewer, showError, onMeasuring);
const review = new ReviewList({
  read: async () => (await engine.file({ name: "review.geojson", type: "application/geo+json" }, result.options())).blob,
  onPlace(window) {
    viewer.show(window);
    viewer.mark(window);
  },
  onError: (cause) => showErrorBox(t("placesNotListed"), cause),
});
const inspector = new Inspector(viewer, () => {
  if (!info || !loaded || state === "running") return undefined;
  return { engine, info, card: loaded.card, bands, options: result.isFinished ? result.options() : undefined };
});

/** @type {LoadedModel | undefined} */
let loaded;
/** The model, and after a crash the scene too. @type {Promise<unknown>} */
let loading = Promise.resolve();
/** @type {State} */
let state = "empty";
/** @type {Source | undefined} */
let source;
/** @type {OpenedScene | undefined} */
let info;
/** @type {panel.Bands} */
let bands = [];
let isLoading = false;
/** Counts opened files: an answer about an older one is dropped. */
let opened = 0;
/** @type {Promise<void>} */
let running = Promise.resolve();
/** Ends the run. */
let cancelling = new AbortController();

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
  byId("reading").hidden = next !== "reading";
  byId("reading-text").textContent = message;
  byId("canvas").hidden = !hasScene;
  byId("viewer-tools").hidden = !hasScene;
  byId("scene").hidden = !hasScene;
  byId("running").hidden = next !== "running";
  byId("run").hidden = next === "running";
  /** @type {HTMLButtonElement} */ (byId("run")).disabled = !hasScene || next === "reading" || Boolean(info && unassigned(info, bands).length > 0);
  byId("result").hidden = !["running", "done", "cancelled"].includes(next);
  byId("incomplete").hidden = next !== "cancelled";
  showSwipe();
  for (const button of byId("downloads").querySelectorAll("button")) button.disabled = next !== "done";
  byId("keep-result").hidden = next !== "done" || !navigator.storage?.getDirectory;
  for (const choice of document.querySelectorAll("#band-selects select, #offers input")) {
    /** @type {HTMLSelectElement | HTMLInputElement} */ (choice).disabled = next === "running";
  }
}

/**
 * @param {string} what one sentence, such as "scene.tif could not be opened"
 * @param {unknown} cause
 */
function showError(what, cause) {
  if (!loaded) byId("backend").textContent = "";
  setState("error", what);
  showErrorBox(what, cause);
}

function onView() {
  result.onView();
  inspector.onView();
}

/** The scene, or how it is read, is another one. */
function clearResult() {
  result.clear();
  review.clear();
  inspector.hide();
}

/** The options have changed. */
function refresh() {
  review.refresh();
  return result.refresh();
}

// The model

/** @param {OwnModel | undefined} model */
function newEngine(model) {
  const made = new Engine({
    modelUrl: model?.source instanceof URL ? model.source : undefined,
    onCrash: () => made === engine && onCrash(),
    onMemory: (bytes) => (byId("status").dataset.wasmBytes = String(bytes)),
  });
  return made;
}

/**
 * Starts an engine with a model in it. If the address leaves the choice of device open and a graphics card brings the engine down, the
 * processor takes over.
 *
 * @param {Engine} target
 * @param {OwnModel | undefined} model
 * @param {boolean} isGpuSuspect it has brought the engine down before
 * @returns {Promise<LoadedModel>}
 */
async function load(target, model, isGpuSuspect) {
  const canFallBack = address.backend === "auto";
  const usesFallback = canFallBack && isGpuSuspect;
  isLoading = true;
  try {
    const backend = usesFallback ? "cpu" : address.backend;
    const file = model?.source instanceof File ? model.source : undefined;
    loaded = await target.load({ backend, model: file, onProgress: onLoadProgress });
  } catch (cause) {
    if (!canFallBack || isGpuSuspect || toEngineError(cause).code !== "trap") throw cause;
    return load(target, model, true);
  } finally {
    isLoading = false;
  }
  const { backend, adapter } = loaded;
  const reason = usesFallback ? "crashed" : loaded.reason;
  const line = byId("backend");
  line.dataset.backend = backend;
  line.dataset.reason = reason;
  line.textContent = backendText({ backend, reason, adapter });
  return loaded;
}

/** @param {{loaded: number, total: number}} progress in bytes */
function loadingText({ loaded, total }) {
  return total ? t("loadingModelOf", { loaded: bytesText(loaded), total: bytesText(total) }) : t("loadingModel", { loaded: bytesText(loaded) });
}

/** @param {LoadProgress} progress */
function onLoadProgress(progress) {
  const text = progress.phase === "check" ? t("checkingModel") : loadingText(progress);
  if (state !== "empty" && state !== "reading") return;
  byId("status").textContent = text;
  byId("reading-text").textContent = text;
}

async function boot() {
  /** @type {LoadedModel} */
  let model;
  try {
    const first = load(engine, own, false);
    loading = first;
    model = await first;
  } catch (cause) {
    // A file that is being opened waits for the same promise and tells about the failure itself.
    if (state !== "reading") showError(t("modelNotLoaded"), cause);
    return;
  }
  showModel(model);
  if (state === "empty") setState("empty", t("ready"));
}

/** @param {LoadedModel} model */
function showModel(model) {
  const { card } = model;
  result.scale = model.scale;
  result.figures = figuresOf(card.whole.metrics);
  panel.showRare(card, refresh);
  panel.showLayerChoices(card, (kind) => result.setKind(kind));
  panel.showAbout(model);
  showModelLine(own?.name);
  /** @type {HTMLButtonElement} */ (byId("about-open")).disabled = false;
}

/** Shows what a weights file says of itself, and uses it if the user wants that. @param {OwnModel} next */
async function considerModel(next) {
  try {
    if (await offerModel(next.name, await readCard(next.source))) await takeModel(next);
  } catch (cause) {
    const isOutOfReach = toEngineError(cause).code === "model_fetch";
    showErrorBox(t("modelUnusable", { name: next.name }), cause, t(isOutOfReach ? "tryConnection" : "modelKept"));
  }
}

/**
 * Loads a model into an engine of its own. It takes the place of the one before only once it has been checked there.
 *
 * @param {OwnModel | undefined} next nothing for the default model
 */
async function takeModel(next) {
  await loading.catch(() => {});
  if (state === "running") await cancelRun();
  const before = { state, message: byId("status").textContent ?? "" };
  const scene = info && source;
  clearError();
  setState("reading", t("loadingNamed", { name: next?.name ?? "default" }));
  const trial = newEngine(next);
  let model;
  try {
    model = await load(trial, next, false);
  } catch (cause) {
    trial.close();
    setState(before.state, before.message);
    throw cause;
  }
  engine.close();
  engine = trial;
  result.setEngine(trial);
  own = next;
  loading = Promise.resolve();
  clearResult();
  showModel(model);
  if (scene) await openScene(scene);
  else setState("empty", t("modelReady", { name: model.card.name }));
}

/** The worker is gone, the page goes on: a new one is loaded, and the scene opened again in it. */
function onCrash() {
  // A crash while loading is told to the one who loads.
  if (isLoading) return;
  loading = restart(byId("backend").dataset.backend === "webgpu");
  loading.catch((cause) => {
    info = undefined;
    showError(t("notRestarted"), cause);
  });
}

/** @param {boolean} isGpuSuspect */
async function restart(isGpuSuspect) {
  await load(engine, own, isGpuSuspect);
  if (!info || !source) return;
  await engine.open(source.from);
  showPreview(await engine.preview({ bands: assigned(info, bands), maxPx: PICTURE_MAX_PX }));
}

// The scene

/** Scenes, a weights file, or both. @param {Entry[]} entries */
function takeEntries(entries) {
  const isModel = (/** @type {Entry} */ { path }) => isWeightsFile(path);
  const model = entries.find(isModel);
  const scene = entries.filter((entry) => !isModel(entry));
  if (model) void considerModel({ name: model.file.name, source: model.file });
  if (scene.length > 0) void openEntries(scene);
}

/** @param {Entry[]} entries */
function openEntries(entries) {
  /** @type {HTMLInputElement} */ (byId("border")).checked = true;
  return openScene({ name: entriesName(entries.map(({ path }) => path)), from: { entries } });
}

/** @param {string} text an address, relative to the page's or whole */
async function openAddress(text) {
  try {
    const url = fileUrl(text, location.href);
    const name = fileNameOf(url);
    await openScene({ name, from: { url: url.href, name } });
  } catch (cause) {
    showError(t("sceneAddress"), cause);
  }
}

/** @param {Source} next */
async function openScene(next) {
  const token = ++opened;
  if (state === "running") await cancelRun();
  if (token !== opened) return;
  clearError();
  clearResult();
  source = next;
  info = undefined;
  byId("reading-progress").removeAttribute("value");
  setState("reading", t("reading", { name: next.name }));
  try {
    await loading;
    if (token !== opened) return;
    setState("reading", t("reading", { name: next.name }));
    const opening = await engine.open(next.from, { onProgress: (progress) => onOpening(token, next, progress) });
    if (token !== opened) return;
    const choices = [];
    for (const { bands } of opening.assignment.choices) choices.push(await engine.preview({ bands, maxPx: CHOICE_MAX_PX }));
    // Last, so that parts of the scene are drawn as it is.
    const picture = await engine.preview({ bands: assigned(opening, opening.assignment.bands), maxPx: PICTURE_MAX_PX });
    if (token !== opened) return;
    info = opening;
    bands = info.assignment.bands;
    panel.showScene(info.scene);
    panel.showBands(info, onBands);
    panel.showBandChoices(info, choices);
    panel.showNotices(info.notices);
    // Values in other units are matched unless that is switched off, as the command does; another resolution is an offer.
    /** @type {HTMLInputElement} */ (byId("resample")).checked = false;
    /** @type {HTMLInputElement} */ (byId("matching")).checked = true;
    setState("ready", unassigned(info, bands).length > 0 ? t("bandMissing") : t("opened", { name: next.name }));
    byId("panel").scrollTop = 0;
    viewer.setScene(info.scene.width, info.scene.height);
    showPreview(picture);
  } catch (cause) {
    if (token === opened) showError(t("notOpened", { name: next.name }), cause);
  }
}

/**
 * @param {number} token
 * @param {Source} next
 * @param {import("../engine/messages.js").Progress} progress of unpacking, in bytes
 */
function onOpening(token, next, { done, total }) {
  if (token !== opened) return;
  const bar = /** @type {HTMLProgressElement} */ (byId("reading-progress"));
  bar.max = total;
  bar.value = done;
  byId("reading-text").textContent = t("unpacking", { name: next.name, done: bytesText(done), total: bytesText(total) });
}

/** @param {import("../engine/messages.js").Preview} preview */
function showPreview({ bitmap, extent, note, matching, warnings }) {
  viewer.setLayer("scene", { bitmap, extent });
  if (info) panel.showOffers(info, matching);
  panel.showWarnings([...(info?.warnings ?? []), ...warnings]);
  byId("scene-note").textContent = note;
}

/** @param {panel.Bands} chosen */
async function onBands(chosen) {
  const token = opened;
  if (!info) return;
  bands = chosen;
  clearError();
  clearResult();
  setState("ready", t(unassigned(info, chosen).length > 0 ? "bandMissing" : "bandsChanged"));
  try {
    const picture = await engine.preview({ bands: assigned(info, chosen), maxPx: PICTURE_MAX_PX });
    if (token === opened && bands === chosen) showPreview(picture);
  } catch (cause) {
    if (token === opened) showError(t("notDrawnWithBands"), cause);
  }
}

async function openSample() {
  const name = "sample.tif";
  const token = ++opened;
  try {
    if (state === "running") await cancelRun();
    clearError();
    setState("reading", t("fetchingSample"));
    const response = await fetch(new URL("../sample/scene.tif", import.meta.url));
    if (!response.ok) throw new EngineError("sample_fetch", `The sample could not be fetched: HTTP ${response.status}.`);
    const blob = await response.blob();
    if (token === opened) await openEntries([{ path: name, file: new File([blob], name, { type: "image/tiff" }) }]);
  } catch (cause) {
    const error = cause instanceof TypeError ? new EngineError("sample_fetch", cause.message) : cause;
    if (token === opened) showError(t("sampleNotOpened"), error);
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
  review.clear();
  inspector.hide();
  result.startRun();
  showProgress(0, 0, "");
  setState("running", t("running"));
  byId("cancel").focus({ preventScroll: true });
  const timer = new TileTimer();
  cancelling = new AbortController();
  const { signal } = cancelling;
  try {
    await loading;
    if (token !== opened) return;
    if (signal.aborted) {
      setState("ready", t("cancelledEarly"));
      return;
    }
    const options = { bands: info ? assigned(info, bands) : [], tile: address.tile, ...panel.chosenOffers() };
    const { done, total, cancelled, secs, workers } = await engine.run(options, {
      onProgress: ({ done, total }) => showProgress(done, total, timer.left(done, total)),
      onPicture: (picture) => result.showPart(picture),
      signal,
      workers: address.workers,
    });
    // Another file waits for this run's end: what it left is of no interest.
    if (token !== opened) return;
    Object.assign(byId("status").dataset, { seconds: String(secs), workers: String(workers) });
    await result.finish();
    if (token !== opened) return;
    const stem = fileStem(info?.scene.name ?? "scene");
    await result.showFiles(stem);
    if (token !== opened) return;
    if (!cancelled && loaded?.card.rareClasses.length) review.offer(stem);
    if (cancelled) setState("cancelled", t("cancelled", { done: number(done), total: number(total) }));
    else setState("done", t("done", { time: durationText(secs) }));
    byId("run").focus({ preventScroll: true });
    // The numbers are what was waited for: they come into sight where the panel is too short for all.
    byId("result").scrollIntoView({ block: "nearest" });
  } catch (cause) {
    if (token === opened) showError(t("notMapped", { name: info?.scene.name ?? t("theScene") }), cause);
  }
}

async function cancelRun() {
  /** @type {HTMLButtonElement} */ (byId("cancel")).disabled = true;
  byId("status").textContent = t("stopping");
  cancelling.abort();
  await running;
  /** @type {HTMLButtonElement} */ (byId("cancel")).disabled = false;
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
  byId("progress-tiles").textContent = total ? t("tiles", { done: number(done), total: number(total) }) : t("starting");
  byId("progress-left").textContent = left;
}

/**
 * The areas of a large scene take a while, after its tiles and after options changed.
 *
 * @param {number} done rows
 * @param {number} total
 */
function onMeasuring(done, total) {
  const text = t("measuring", { percent: number(Math.floor((100 * done) / total)) });
  if (state !== "running") {
    byId("result-note").textContent = text;
    return;
  }
  const bar = /** @type {HTMLProgressElement} */ (byId("progress"));
  bar.max = total;
  bar.value = done;
  byId("progress-tiles").textContent = text;
  byId("progress-left").textContent = "";
}

/** Shows the result on the left of the slider, and the scene alone on its right. */
function showSwipe() {
  const slider = /** @type {HTMLInputElement} */ (byId("swipe"));
  const isOn = /** @type {HTMLInputElement} */ (byId("compare")).checked && !byId("result").hidden;
  slider.hidden = !isOn;
  viewer.setSwipe(isOn ? slider.valueAsNumber / 100 : 1);
}

// Wiring

for (const [input, buttons] of [
  ["file-input", ["drop-zone", "open-another"]],
  ["folder-input", ["choose-folder", "open-folder"]],
  ["model-input", ["model-choose"]],
]) {
  const dialog = /** @type {HTMLInputElement} */ (byId(/** @type {string} */ (input)));
  dialog.addEventListener("change", () => {
    const entries = entriesOf(dialog.files ?? []);
    takeEntries(entries);
    // The same file can be chosen again, for example after it was mended.
    dialog.value = "";
  });
  for (const button of buttons) byId(button).addEventListener("click", () => dialog.click());
}
byId("sample").addEventListener("click", openSample);
byId("run").addEventListener("click", run);
byId("cancel").addEventListener("click", cancelRun);
byId("zoom-in").addEventListener("click", () => viewer.zoom(1.5));
byId("zoom-out").addEventListener("click", () => viewer.zoom(1 / 1.5));
byId("zoom-fit").addEventListener("click", () => viewer.fit());
// Its pixels have data then, or none, in every picture and in the run: the scene is opened anew.
byId("border").addEventListener("change", () => {
  const emptyBorder = /** @type {HTMLInputElement} */ (byId("border")).checked;
  if (source) openScene({ ...source, from: { ...source.from, emptyBorder } });
});
byId("outline").addEventListener("change", () => result.refresh());
bindNumber("threshold", refresh);
bindNumber("top-k", refresh);
for (const id of ["compare", "swipe"]) byId(id).addEventListener("input", showSwipe);
bindNumber("opacity", () => viewer.setOpacity(result.opacity()));

const about = /** @type {HTMLDialogElement} */ (byId("about"));
byId("about-open").addEventListener("click", () => about.showModal());
for (const id of ["about-close", "model-choose"]) byId(id).addEventListener("click", () => about.close());
byId("model-default").addEventListener("click", () => {
  takeModel(undefined).catch((cause) => showErrorBox(t("defaultNotLoaded"), cause));
});
offerSiteFolder(() => own?.source);
keepOnDemand(() => ({ engine, areas: result.areas, options: result.options(), scene: info?.scene.name }));
showRequestsOnDemand(() => engine.requests());

acceptDrops(takeEntries, (cause) => showError(t("folderNotListed"), new EngineError("folder_unreadable", String(cause))));
void startOffline(boot());
if (address.scene) openAddress(address.scene);
if (address.model) {
  try {
    const source = fileUrl(address.model, location.href);
    void considerModel({ name: fileNameOf(source), source });
  } catch (cause) {
    showErrorBox(t("modelAddress"), cause);
  }
}
