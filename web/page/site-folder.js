// @ts-check
// The whole site as a zip archive, with the model that is in use as its default one: a folder for any static server.

import { EngineError } from "../engine/errors.js";
import { save } from "../view/make.js";
import { byId } from "./dom.js";
import { showErrorBox } from "./error-box.js";
import { integrityOf, listIn, withList } from "./site-list.js";
import { t } from "./text.js";
import { zip } from "./zip.js";

const ROOT = new URL("../../", import.meta.url);
const FOLDER = "raremap-site/";
const MODEL = "web/models/default.raremap";

/**
 * @param {string} path
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function bytesOf(path) {
  const response = await fetch(new URL(path, ROOT)).catch((cause) => {
    throw new EngineError("site_fetch", `${path} could not be fetched: ${cause}`);
  });
  if (!response.ok) throw new EngineError("site_fetch", `${path} could not be fetched: HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/**
 * @param {File | URL | undefined} model in place of the default one
 * @param {string} readMe what is written beside the page for those who get the folder
 * @param {(done: number, total: number) => void} onProgress called with files
 * @returns {Promise<Blob>}
 */
async function siteFolder(model, readMe, onProgress) {
  const script = new TextDecoder().decode(await bytesOf("sw.js"));
  const files = listIn(script);
  const text = (/** @type {string} */ content) => new TextEncoder().encode(content);
  async function* contents() {
    const total = Object.keys(files).length;
    for (const [done, path] of Object.keys(files).entries()) {
      onProgress(done, total);
      let bytes;
      if (path === MODEL && model) {
        bytes = model instanceof File ? new Uint8Array(await model.arrayBuffer()) : await bytesOf(model.href);
        files[path] = await integrityOf(bytes);
      } else bytes = await bytesOf(path);
      yield { path: FOLDER + (path === "./" ? "index.html" : path), bytes };
    }
    yield { path: `${FOLDER}sw.js`, bytes: text(await withList(script, files)) };
    yield { path: `${FOLDER}README.txt`, bytes: text(readMe) };
  }
  return zip(contents());
}

/** @param {() => File | URL | undefined} model that is in use, if it is not the default one */
export function offerSiteFolder(model) {
  const button = /** @type {HTMLButtonElement} */ (byId("site-folder"));
  const note = byId("offline");
  // Digests are only computed on secure pages.
  button.hidden = !isSecureContext;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const archive = await siteFolder(model(), t("siteReadMe"), (done, total) => (note.textContent = t("sitePacking", { done, total })));
      save(archive, "raremap-site.zip");
      note.textContent = t("sitePacked");
    } catch (cause) {
      note.textContent = "";
      showErrorBox(t("siteNotPacked"), cause);
    } finally {
      button.disabled = false;
    }
  });
}
