// @ts-check
// The page without a network: its service worker saves it, and the page says so, and says when a newer version is there.

import { trusted } from "../engine/start-worker.js";
import { byId } from "./dom.js";
import { t } from "./text.js";

/**
 * @typedef {"saving" | "ready" | "failed" | "insecure" | "unsupported"} OfflineState
 *
 * @typedef {object} OfflineHooks
 * @property {(state: OfflineState, code?: string) => void} onState `code` is that of an error: why the page, or a newer version of it, could
 *   not be saved
 * @property {(reload: () => void) => void} onUpdate called when a newer version is saved completely
 */

const SCRIPT = new URL("../../sw.js", import.meta.url).href;
/** A page may stay open for days. */
const CHECK_MS = 60 * 60_000;

/**
 * When another tab takes a new version, this one's scripts are of the old one. That may be at any moment after they were loaded.
 *
 * @param {OfflineHooks["onUpdate"]} onUpdate
 */
function followOtherTabs(onUpdate) {
  const workers = navigator.serviceWorker;
  let isControlled = Boolean(workers?.controller);
  workers?.addEventListener("controllerchange", () => {
    if (isControlled) onUpdate(() => location.reload());
    isControlled = true;
  });
}

/** @param {OfflineHooks} hooks */
async function saveForOffline({ onState, onUpdate }) {
  const workers = navigator.serviceWorker;
  if (!workers) {
    onState(isSecureContext ? "unsupported" : "insecure");
    return;
  }
  /** @type {ServiceWorkerRegistration} */
  let registration;
  workers.addEventListener("message", ({ data }) => {
    if (data?.offlineFailed) onState(registration?.active ? "ready" : "failed", data.offlineFailed);
  });
  try {
    registration = await workers.register(trusted(SCRIPT), { updateViaCache: "none" });
  } catch {
    // Private windows of some browsers have no service workers.
    onState("unsupported");
    return;
  }
  onState(registration.active ? "ready" : "saving");

  /** @param {ServiceWorker} newer */
  const offer = (newer) =>
    onUpdate(() => {
      workers.addEventListener("controllerchange", () => location.reload(), { once: true });
      newer.postMessage("skipWaiting");
    });
  /** @param {ServiceWorker | null} next */
  const follow = (next) => {
    // A version that could not be saved changes nothing: the one before goes on.
    next?.addEventListener("statechange", () => {
      if (next.state === "installed" && registration.active) offer(next);
      if (next.state === "activated") onState("ready");
    });
  };
  if (registration.waiting && registration.active) offer(registration.waiting);
  follow(registration.installing);
  registration.addEventListener("updatefound", () => follow(registration.installing));
  setInterval(() => void registration.update().catch(() => {}), CHECK_MS);
}

/** @type {Record<OfflineState, () => string>} */
const SENTENCES = {
  saving: () => t("offlineSaving"),
  ready: () => t("offlineReady"),
  failed: () => t("offlineFailed"),
  insecure: () => t("offlineInsecure"),
  unsupported: () => "",
};

/** @type {OfflineHooks["onState"]} */
function showState(state, code) {
  const line = byId("offline");
  line.dataset.state = state;
  if (code) line.dataset.code = code;
  else delete line.dataset.code;
  if (code === "storage_full") line.textContent = t(state === "ready" ? "offlineUpdateFull" : "offlineFull");
  else line.textContent = SENTENCES[state]();
  if (state === "ready") void showKeep();
}

/** Saved pages may be removed when disk space runs out; the browser can be asked not to. */
async function showKeep() {
  const storage = navigator.storage;
  byId("keep").hidden = !storage?.persist || (await storage.persisted());
}

async function keep() {
  const isKept = await navigator.storage.persist();
  byId("keep").hidden = isKept;
  byId("offline").textContent = t(isKept ? "kept" : "notKept");
}

/** Takes the newest version that is saved. */
let reload = () => location.reload();

/** @type {OfflineHooks["onUpdate"]} */
function showUpdate(take) {
  reload = take;
  byId("update").hidden = false;
}

/** Browsers that can install the page say so by an event. */
function offerInstallation() {
  /** @type {(Event & {prompt(): Promise<unknown>}) | undefined} */
  let offer;
  const button = byId("install");
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    offer = /** @type {typeof offer} */ (event);
    button.hidden = false;
  });
  addEventListener("appinstalled", () => (button.hidden = true));
  button.addEventListener("click", () => void offer?.prompt());
}

/**
 * Wires the page's elements, and saves the page.
 *
 * @param {Promise<unknown>} loaded settled when the network has nothing better to do
 */
export async function startOffline(loaded) {
  byId("update-reload").addEventListener("click", () => reload());
  byId("keep").addEventListener("click", () => void keep());
  offerInstallation();
  followOtherTabs(showUpdate);
  await loaded.catch(() => {});
  await saveForOffline({ onState: showState, onUpdate: showUpdate });
}
