// @ts-check
// The results that are kept on the device: listed, opened, saved as files and deleted.

import { PICTURE_MAX_PX } from "../view/layers.js";
import { save } from "../view/make.js";
import { byId, make } from "./dom.js";
import { showErrorBox } from "./error-box.js";
import { deleteKept, keepResult, keptFile, keptResults } from "./kept-store.js";
import { className, dateText, number, speech, t } from "./text.js";

/** What is kept of a result to be saved, if the model gives it. */
const FILES = ["mask.tif", "polygons.geojson", "review.geojson", "areas.csv"];
/**
 * @typedef {import("../engine/engine.js").Engine} Engine
 * @typedef {import("../engine/messages.js").Picture} Picture
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("./kept-store.js").Kept} Kept
 * @typedef {import("./kept-store.js").Shown} Shown
 *
 * @typedef {object} Current the result that an engine has at hand
 * @property {Engine} engine
 * @property {string} stem what the names of its files begin with
 * @property {Omit<Shown, "pictures">} shown
 * @property {Picture} picture of the scene; its bitmap is closed
 * @property {(name: string) => void} [onFile] called before each file
 * @property {AbortSignal} [signal]
 */

/** A picture as a file without loss; its bitmap is closed. @param {ImageBitmap} bitmap */
async function png(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/png" });
}

/** @param {Current} current @returns {Promise<Kept>} */
export async function keepCurrent({ engine, stem, shown, picture, onFile, signal }) {
  const { options, areas, facts } = shown;
  /** @type {import("./kept-store.js").KeptPicture[]} */
  const pictures = [];
  const listed = (await engine.files(options)).filter(({ name }) => FILES.includes(name));
  const about = {
    scene: facts.name,
    stem,
    date: new Date().toISOString(),
    rare: areas.classes.filter(({ rare }) => rare).map(({ name, pixels, hectares }) => ({ name, pixels, hectares })),
    files: listed.map(({ name }) => name),
    shown: { ...shown, pictures },
  };
  /** @returns {AsyncGenerator<[string, Blob]>} */
  async function* files() {
    const layer = (/** @type {LayerKind} */ kind) => engine.layer({ kind, options, maxPx: PICTURE_MAX_PX });
    /** @type {[import("./kept-store.js").KeptPicture["layer"], () => Promise<Picture>][]} */
    const layers = [["scene", async () => picture], ["overlay", () => layer("mask")], ["outline", () => layer("rare-outline")]];
    for (const [name, make] of layers) {
      const { bitmap, extent } = await make();
      const file = `${name}.png`;
      pictures.push({ layer: name, file, extent });
      yield [file, await png(bitmap)];
    }
    for (const file of listed) {
      signal?.throwIfAborted();
      onFile?.(file.name);
      yield [file.name, (await engine.file(file, options)).blob];
    }
  }
  return keepResult(about, files());
}

/** @param {Kept} result @param {string} name */
export async function saveKept({ id, stem }, name) {
  save(await keptFile(id, name), `${stem}_${name}`);
}

export class KeptList {
  /** @param {(result: Kept) => void} onOpen */
  constructor(onOpen) {
    this.onOpen = onOpen;
    void this.show();
  }

  /** Lists what is kept; nothing is shown while there is nothing. */
  async show() {
    const section = /** @type {HTMLDetailsElement} */ (byId("kept"));
    const results = await keptResults();
    section.hidden = results.length === 0;
    byId("kept-count").textContent = number(results.length);
    byId("kept-list").replaceChildren(...results.map((result) => this.#item(result)));
  }

  /** @param {Kept} result */
  #item(result) {
    const button = (/** @type {string} */ text, /** @type {Record<string, string | boolean>} */ attributes, /** @type {() => void} */ onClick) => {
      const made = make("button", { type: "button", class: "quiet", ...attributes }, text);
      made.addEventListener("click", onClick);
      return made;
    };
    const { scene } = result;
    const open = result.shown ? [button(t("open"), { "data-open": true, "aria-label": t("openNamed", { name: scene }) }, () => this.onOpen(result))] : [];
    const saves = result.files.map((name) =>
      button(name, { "data-file": name }, () => void saveKept(result, name).catch((cause) => showErrorBox(t("notWritten", { name }), cause))),
    );
    const remove = button(t("delete"), { "data-remove": true, "aria-label": t("deleteNamed", { name: scene }) }, () => void deleteKept(result.id).then(() => this.show()));
    return make(
      "li",
      {},
      make("strong", {}, scene),
      make("span", { class: "muted" }, [dateText(result.date), ...rareTexts(result)].join(", ")),
      make("span", {}, ...open, ...saves, remove),
    );
  }
}

/** Areas of the rare classes, such as "water 12.4 ha". @param {Kept} result */
export function rareTexts({ rare }) {
  return rare.map(({ name, pixels, hectares }) => {
    const area = hectares === null ? t("countedPixels", { count: number(pixels) }) : `${speech.area(hectares)} ${t("hectares")}`;
    return `${className(name)} ${area}`;
  });
}

/**
 * Keeps the result at hand when its button is pressed.
 *
 * @param {KeptList} list
 * @param {() => Promise<Current | undefined>} current
 */
export function keepOnDemand(list, current) {
  const button = /** @type {HTMLButtonElement} */ (byId("keep-result"));
  const note = byId("download-note");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const result = await current();
      if (!result) return;
      await keepCurrent({ ...result, onFile: (name) => (note.textContent = t("keeping", { name })) });
      note.textContent = t("keptResult");
      await list.show();
    } catch (cause) {
      note.textContent = "";
      showErrorBox(t("notKeptResult"), cause);
    } finally {
      button.disabled = false;
    }
  });
}
