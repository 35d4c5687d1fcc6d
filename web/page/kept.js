// @ts-check
// Results that the user keeps on the device, in the browser's private file system, until they are deleted: a folder each.

import { EngineError } from "../engine/errors.js";
import { save } from "../view/make.js";
import { byId, make } from "./dom.js";
import { showErrorBox } from "./error-box.js";
import { className, dateText, fileStem, hectaresText, number, t } from "./text.js";

const FOLDER = "raremap-results";
const ABOUT = "about.json";
/** What is kept of a result, if the model gives it. */
const FILES = ["mask.tif", "areas.csv", "review.geojson"];

/**
 * @typedef {object} About what is said of a kept result
 * @property {string} scene
 * @property {string} stem what the names of its files begin with
 * @property {string} date of the run
 * @property {{name: string, pixels: number, hectares: number | null}[]} rare areas of the rare classes
 * @property {string[]} files
 *
 * @typedef {About & {id: string}} Kept
 *
 * @typedef {object} Current the result at hand
 * @property {import("../engine/engine.js").Engine} engine
 * @property {import("../wasm/raremap-web.js").Areas | undefined} areas
 * @property {import("../wasm/raremap-web.js").DecideOptions} options
 * @property {string | undefined} scene
 */

/** @returns {Promise<FileSystemDirectoryHandle>} */
async function root() {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });
}

/**
 * @param {FileSystemDirectoryHandle} folder
 * @param {string} name
 * @param {Blob | string} content
 */
async function write(folder, name, content) {
  const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
  await stream.write(content);
  await stream.close();
}

/**
 * Keeps a result. What is said of it is written last: a folder without that is not a result.
 *
 * @param {Omit<About, "files">} about
 * @param {(name: string) => Promise<Blob | undefined>} fileOf makes a file of the result; nothing if it has none of this name
 */
async function keepResult(about, fileOf) {
  const all = await root();
  const id = crypto.randomUUID();
  const folder = await all.getDirectoryHandle(id, { create: true });
  try {
    const files = [];
    for (const name of FILES) {
      const blob = await fileOf(name);
      if (!blob) continue;
      await write(folder, name, blob);
      files.push(name);
    }
    await write(folder, ABOUT, JSON.stringify({ ...about, files }));
  } catch (cause) {
    await all.removeEntry(id, { recursive: true }).catch(() => {});
    if (cause instanceof DOMException && cause.name === "QuotaExceededError") {
      throw new EngineError("storage_full", "The browser's storage is full.");
    }
    throw cause;
  }
}

/** @returns {Promise<Kept[]>} the newest first */
async function keptResults() {
  const all = await root();
  const found = [];
  for await (const id of all.keys()) {
    try {
      const folder = await all.getDirectoryHandle(id);
      const file = await (await folder.getFileHandle(ABOUT)).getFile();
      found.push({ ...JSON.parse(await file.text()), id });
    } catch {
      // Another tab is in the middle of keeping or deleting it.
    }
  }
  return found.toSorted((a, b) => (a.date < b.date ? 1 : -1));
}

/** @param {Kept} result @param {string} name */
async function saveFile({ id, stem }, name) {
  const folder = await (await root()).getDirectoryHandle(id);
  save(await (await folder.getFileHandle(name)).getFile(), `${stem}_${name}`);
}

/** Lists what is kept; nothing is shown while there is nothing, or no private file system. */
async function showKept() {
  const section = /** @type {HTMLDetailsElement} */ (byId("kept"));
  /** @type {Kept[]} */
  const results = await keptResults().catch(() => []);
  section.hidden = results.length === 0;
  byId("kept-count").textContent = number(results.length);
  byId("kept-list").replaceChildren(...results.map(item));
}

/** @param {Kept} result */
function item(result) {
  const rare = result.rare.map(({ name, pixels, hectares }) => {
    const area = hectares === null ? t("pixels", { count: number(pixels) }) : `${hectaresText(hectares)} ${t("hectares")}`;
    return `${className(name)} ${area}`;
  });
  const buttons = result.files.map((name) => {
    const button = make("button", { type: "button", class: "quiet", "data-file": name }, name);
    button.addEventListener("click", () => void saveFile(result, name));
    return button;
  });
  const label = t("deleteNamed", { name: result.scene });
  const remove = make("button", { type: "button", class: "quiet", "data-remove": true, "aria-label": label }, t("delete"));
  remove.addEventListener("click", async () => {
    await (await root()).removeEntry(result.id, { recursive: true });
    await showKept();
  });
  return make(
    "li",
    {},
    make("strong", {}, result.scene),
    make("span", { class: "muted" }, [dateText(result.date), ...rare].join(", ")),
    make("span", {}, ...buttons, remove),
  );
}

/**
 * Lists what is kept, and keeps the result at hand when its button is pressed.
 *
 * @param {() => Current} current
 */
export function keepOnDemand(current) {
  const button = /** @type {HTMLButtonElement} */ (byId("keep-result"));
  const note = byId("download-note");
  button.addEventListener("click", async () => {
    const { engine, areas, options, scene } = current();
    if (!areas || !scene) return;
    button.disabled = true;
    try {
      const files = await engine.files(options);
      const rare = areas.classes.filter((it) => it.rare).map(({ name, pixels, hectares }) => ({ name, pixels, hectares }));
      await keepResult({ scene, stem: fileStem(scene), date: new Date().toISOString(), rare }, async (name) => {
        const file = files.find((it) => it.name === name);
        note.textContent = t("keeping", { name });
        return file && (await engine.file(file, options)).blob;
      });
      note.textContent = t("keptResult");
      await showKept();
    } catch (cause) {
      note.textContent = "";
      showErrorBox(t("notKeptResult"), cause);
    } finally {
      button.disabled = false;
    }
  });
  void showKept();
}
