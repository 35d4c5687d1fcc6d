// @ts-check
// The page: its states, and what happens when the user acts. The engine computes, in a worker.

import { assigned, unassigned } from "../engine/bands.js";
import { EngineError, toEngineError } from "../engine/errors.js";
import { fileStem } from "../engine/names.js";
import { addressOptions, fileAt } from "./address.js";
import { hideApart, offerApart } from "./apart.js";
import { bindControls, showSwipe } from "./controls.js";
import { byId } from "./dom.js";
import { acceptDrops } from "./drop.js";
import { clearError, showErrorBox } from "./error-box.js";
import { EngineHost } from "./host.js";
import { Inspector } from "./inspector.js";
import { keepOnDemand } from "./kept.js";
import { keptFile } from "./kept-store.js";
import { picturesOf, showKept } from "./kept-view.js";
import { startLanguage } from "./language.js";
import { isWeightsFile, offerModel, showModelLine } from "./model.js";
import { startOffline } from "./offline.js";
import * as panel from "./panel.js";
import { showRequestsOnDemand } from "./requests.js";
import { PICTURE_MAX_PX, ResultView } from "./result.js";
import { SAMPLE, fetchSample } from "./sample.js";
import { areApart, scenesOf } from "./scenes.js";
import { SeveralScenes, nameOf } from "./several.js";
import { offerSiteFolder } from "./site-folder.js";
import { showProgress, showState, showUnpacking } from "./states.js";
import { TileTimer } from "./timer.js";
import { Offers } from "../view/before-run.js";
import { figuresOf } from "../view/figures.js";
import { ReviewList } from "../view/review.js";
import { ScenePicture } from "../view/scene-picture.js";
import { Viewer } from "../view/viewer.js";
import { durationText, number, speech, t } from "./text.js";
import { readCard } from "./weights-file.js";

/** Longest side of the pictures that show what the bands could be. */
const CHOICE_MAX_PX = 120;
const REVIEW = { name: "review.geojson", type: "application/geo+json" };

/**
 * @typedef {import("../engine/messages.js").Entry} Entry
 * @typedef {import("../engine/messages.js").LoadedModel} LoadedModel
 * @typedef {import("../engine/messages.js").SceneSource} SceneSource
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 *
 * @typedef {import("./host.js").OwnModel} OwnModel
 * @typedef {import("./kept-store.js").Kept} Kept
 *
 * @typedef {object} Source
 * @property {string} name what the page calls the scene
 * @property {SceneSource} from
 * @property {Entry[][]} [apart] the scenes that its files may be as well
 */

const address = addressOptions(location.search);
startLanguage(address.lang);
const host = new EngineHost(address.backend, { onProgress: showLoading, onCrash });
const viewer = new Viewer(/** @type {HTMLCanvasElement} */ (byId("canvas")), onView);
const result = new ResultView(host.engine, viewer, showError, onMeasuring);
const picture = new ScenePicture(viewer, {
  speech,
  engine: () => host.engine,
  onNote: (text) => (byId("scene-note").textContent = text),
  onDrawn: () => result.onColors(),
  onError: (cause) => showErrorBox(t("notDrawnInColors"), cause),
});
byId("colors").append(picture.choice.element);
const offers = new Offers(speech, (emptyBorder) => {
  // Its pixels have data then, or none, in every picture and in the run: the scene is opened anew.
  if (source) void openScene({ ...source, from: { ...source.from, emptyBorder } });
});
byId("scene-note").before(offers.element);
const review = new ReviewList({
  speech,
  read: async () => {
    if (kept) return keptFile(kept.id, REVIEW.name);
    return (await host.engine.file(REVIEW, result.options())).blob;
  },
  onPlace(window) {
    viewer.show(window);
    viewer.mark(window);
  },
  onError: (cause) => showErrorBox(t("placesNotListed"), cause),
});
byId("downloads").before(review.element);
const inspector = new Inspector(viewer, () => {
  if (!info || !host.loaded || state === "running") return undefined;
  return { engine: host.engine, info, card: host.loaded.card, bands, options: result.isFinished ? result.options() : undefined };
});

const several = new SeveralScenes(host, {
  settings: () => ({
    options: result.options(), tile: address.tile, workers: address.workers, figures: result.figures, model: host.loaded?.card.name ?? "",
  }),
  onOpen: (found) => void openKept(found),
  onScene: (item) => void openScene(item),
});

/** @type {import("./states.js").State} */
let state = "empty";
/** @type {Source | undefined} */
let source;
/** @type {OpenedScene | undefined} */
let info;
/** @type {import("../view/choices.js").Bands} */
let bands = [];
/** What does not fit the model. @type {import("../wasm/raremap-web.js").Notice[]} */
let warnings = [];
/** The kept result that is shown in place of a scene. @type {Kept | undefined} */
let kept;
/** Counts opened files: an answer about an older one is dropped. */
let opened = 0;
/** @type {Promise<void>} */
let running = Promise.resolve();
/** Ends the run. */
let cancelling = new AbortController();

/**
 * @param {import("./states.js").State} next
 * @param {string} message for #status, read out by screen readers
 */
function setState(next, message) {
  state = next;
  showState(next, message, { hasScene: Boolean(info), canRun: Boolean(info && unassigned(info, bands).length === 0) });
  showSwipe(viewer);
}

/**
 * @param {string} what one sentence, such as "scene.tif could not be opened"
 * @param {unknown} cause
 */
function showError(what, cause) {
  if (!host.loaded) byId("backend").textContent = "";
  setState("error", what);
  showErrorBox(what, cause);
}

function onView() {
  // Of a kept result there is nothing sharper.
  if (info) result.onView();
  inspector.onView();
}

/** The scene, or how it is read, is another one. */
function clearResult() {
  kept = undefined;
  picture.forget();
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

/** @param {string} text */
function showLoading(text) {
  if (state !== "empty" && state !== "reading") return;
  byId("status").textContent = text;
  byId("reading-text").textContent = text;
}

async function boot() {
  try {
    showModel(await host.start());
    if (state === "empty") setState("empty", t("ready"));
  } catch (cause) {
    // A file that is being opened waits for the same promise and tells about the failure itself.
    if (state !== "reading") showError(t("modelNotLoaded"), cause);
  }
}

/** @param {LoadedModel} model */
function showModel(model) {
  const { card } = model;
  result.scale = model.scale;
  result.figures = figuresOf(card.whole.metrics);
  panel.showRare(card, refresh);
  panel.showLayerChoices(card, (kind) => result.setKind(kind));
  panel.showAbout(model);
  showModelLine(host.own?.name);
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

/** @param {OwnModel | undefined} next nothing for the default model */
async function takeModel(next) {
  await host.loading.catch(() => {});
  if (state === "running") await cancelRun();
  const before = { state, message: byId("status").textContent ?? "" };
  const scene = info && source;
  clearError();
  setState("reading", t("loadingNamed", { name: next?.name ?? "default" }));
  let model;
  try {
    model = await host.exchange(next);
  } catch (cause) {
    setState(before.state, before.message);
    throw cause;
  }
  result.setEngine(host.engine);
  clearResult();
  showModel(model);
  if (scene) await openScene(scene);
  else setState("empty", t("modelReady", { name: model.card.name }));
}

/** The worker is gone, the page goes on: the scene is opened again in a new one. @param {Promise<unknown>} restarted */
function onCrash(restarted) {
  host.loading = restarted.then(reopen);
  host.loading.catch((cause) => {
    info = undefined;
    showError(t("notRestarted"), cause);
  });
}

async function reopen() {
  if (!info || !source) return;
  await host.engine.open(source.from);
  showPreview(await host.engine.preview({ bands: assigned(info, bands), maxPx: PICTURE_MAX_PX }));
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

/** Files are one scene, unless archives are among them; if they turn out to be several, those are mapped one after another. @param {Entry[]} entries */
async function openEntries(entries) {
  const scenes = scenesOf(entries);
  if (areApart(entries) && scenes.length > 1) {
    enqueue(scenes);
    return;
  }
  const scene = areApart(entries) && scenes.length === 1 ? scenes[0] : entries;
  await openScene({ name: nameOf(scene), from: { entries: scene }, apart: scenes.length > 1 ? scenes : undefined });
}

/** @param {Entry[][]} scenes */
function enqueue(scenes) {
  clearError();
  hideApart();
  several.add(scenes);
  if (state === "empty") setState("empty", t("queued", { count: number(scenes.length) }));
}

/** Shows a result that was kept, in place of a scene. @param {Kept} found */
async function openKept(found) {
  const token = ++opened;
  if (state === "running") await cancelRun();
  if (token !== opened || !found.shown) return;
  clearError();
  try {
    const pictures = await picturesOf(found);
    if (token !== opened) return;
    clearResult();
    kept = found;
    info = undefined;
    source = undefined;
    hideApart();
    showKept(viewer, found, found.shown, pictures, result.opacity());
    setState("kept", t("keptOpened", { name: found.scene }));
    if (found.files.includes(REVIEW.name)) review.offer(found.stem);
    byId("scene").scrollIntoView();
  } catch (cause) {
    if (token !== opened) return;
    const text = t("notOpened", { name: found.scene });
    // What was being read is not read any more.
    if (state === "reading") showError(text, cause);
    else showErrorBox(text, cause);
  }
}

/** @param {string} text an address, relative to the page's or whole */
async function openAddress(text) {
  try {
    const { name, url } = fileAt(text, location.href);
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
  hideApart();
  byId("reading-progress").removeAttribute("value");
  setState("reading", t("reading", { name: next.name }));
  try {
    await host.loading;
    if (token !== opened) return;
    setState("reading", t("reading", { name: next.name }));
    const opening = await host.engine.open(next.from, {
      onProgress: (progress) => token === opened && showUnpacking(next.name, progress),
    });
    if (token !== opened) return;
    const choices = [];
    for (const { bands } of opening.assignment.choices) choices.push(await host.engine.preview({ bands, maxPx: CHOICE_MAX_PX }));
    // Last, so that parts of the scene are drawn as it is.
    const preview = await host.engine.preview({ bands: assigned(opening, opening.assignment.bands), maxPx: PICTURE_MAX_PX });
    if (token !== opened) return;
    info = opening;
    bands = info.assignment.bands;
    panel.showScene(info.scene);
    panel.showBands(info, onBands);
    panel.showBandChoices(info, choices);
    panel.showNotices(info.notices);
    offers.begin(next.from.emptyBorder);
    setState("ready", unassigned(info, bands).length > 0 ? t("bandMissing") : t("opened", { name: next.name }));
    byId("panel").scrollTop = 0;
    viewer.setScene(info.scene.width, info.scene.height);
    showPreview(preview);
    offerApart(next.apart, true, enqueue);
  } catch (cause) {
    if (token !== opened) return;
    if (next.apart && toEngineError(cause).code === "several_products") {
      setState("empty", "");
      enqueue(next.apart);
      return;
    }
    showError(t("notOpened", { name: next.name }), cause);
    offerApart(next.apart, false, enqueue);
  }
}

/** @param {import("../engine/messages.js").Preview} preview */
function showPreview(preview) {
  if (!info) return;
  picture.show(info, bands, preview);
  offers.show(info, preview.matching);
  warnings = [...info.warnings, ...preview.warnings];
  panel.showWarnings(warnings);
}

/** @param {import("../view/choices.js").Bands} chosen */
async function onBands(chosen) {
  const token = opened;
  if (!info) return;
  bands = chosen;
  clearError();
  clearResult();
  setState("ready", t(unassigned(info, chosen).length > 0 ? "bandMissing" : "bandsChanged"));
  try {
    const preview = await host.engine.preview({ bands: assigned(info, chosen), maxPx: PICTURE_MAX_PX });
    if (token === opened && bands === chosen) showPreview(preview);
  } catch (cause) {
    if (token === opened) showError(t("notDrawnWithBands"), cause);
  }
}

async function openSample() {
  const token = ++opened;
  try {
    if (state === "running") await cancelRun();
    clearError();
    setState("reading", t("fetchingSample"));
    const sample = await fetchSample();
    if (token === opened) await openEntries([{ path: sample.name, file: sample }]);
  } catch (cause) {
    if (token === opened) showError(t("sampleNotOpened"), cause);
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
  showProgress(0, 0, t("starting"), "");
  setState("running", t("running"));
  byId("cancel").focus({ preventScroll: true });
  const timer = new TileTimer();
  cancelling = new AbortController();
  const { signal } = cancelling;
  try {
    await host.loading;
    if (token !== opened) return;
    if (signal.aborted) {
      setState("ready", t("cancelledEarly"));
      return;
    }
    const options = { bands: info ? assigned(info, bands) : [], tile: address.tile, ...offers.chosen };
    const { done, total, cancelled, secs, workers, isGpuLost } = await host.engine.run(options, {
      onProgress: ({ done, total }) => showProgress(done, total, t("tiles", { done: number(done), total: number(total) }), timer.left(done, total)),
      onPicture: (picture) => result.showPart(picture),
      signal,
      workers: address.workers,
    });
    if (isGpuLost) host.lostGpu();
    // Another file waits for this run's end: what it left is of no interest.
    if (token !== opened) return;
    Object.assign(byId("status").dataset, { seconds: String(secs), workers: String(workers) });
    await result.finish();
    if (token !== opened) return;
    const stem = fileStem(info?.scene.name ?? "scene");
    await result.showFiles(stem);
    if (token !== opened) return;
    if (!cancelled && host.loaded?.card.rareClasses.length) review.offer(stem);
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
 * The areas of a large scene take a while, after its tiles and after options changed.
 *
 * @param {number} done rows
 * @param {number} total
 */
function onMeasuring(done, total) {
  const text = t("measuring", { percent: number(Math.floor((100 * done) / total)) });
  if (state === "running") showProgress(done, total, text, "");
  else byId("result-note").textContent = text;
}

// Wiring

bindControls(
  {
    onEntries: takeEntries,
    onQueued: (entries) => several.addFiles(entries),
    onSample: openSample,
    onRun: run,
    onCancel: cancelRun,
    onOptions: refresh,
    onOutline: () => result.refresh(),
    onDefaultModel: () => void takeModel(undefined).catch((cause) => showErrorBox(t("defaultNotLoaded"), cause)),
  },
  viewer,
);
byId("sample").hidden = SAMPLE === "";
offerSiteFolder(() => host.own?.source);
keepOnDemand(several.kept, async () => {
  const { areas, figures } = result;
  const shownPicture = await viewer.copyOf("scene");
  if (!areas || !info || !shownPicture) return undefined;
  const shown = {
    facts: info.scene, areas, options: result.options(), warnings, figures, model: host.loaded?.card.name ?? "",
    note: byId("scene-note").textContent ?? "",
  };
  return { engine: host.engine, stem: fileStem(info.scene.name), shown, picture: shownPicture };
});
showRequestsOnDemand(() => host.engine.requests());

acceptDrops(takeEntries, (cause) => showError(t("folderNotListed"), new EngineError("folder_unreadable", String(cause))));
void startOffline(boot());
if (address.scene) openAddress(address.scene);
if (address.model) {
  try {
    const { name, url } = fileAt(address.model, location.href);
    void considerModel({ name, source: url });
  } catch (cause) {
    showErrorBox(t("modelAddress"), cause);
  }
}
