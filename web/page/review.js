// @ts-check
// The places to look at first: the regions that top-k marks, ranked. Each is shown by a click, ticked off, and saved with its tick.

import { save } from "../view/make.js";
import { byId, make } from "./dom.js";
import { hectaresText, number, t } from "./text.js";

/** More would not be looked at one by one. */
const SHOWN = 50;

/**
 * @typedef {{x: number, y: number, width: number, height: number}} SceneWindow
 *
 * @typedef {object} PlaceProperties
 * @property {number} rank
 * @property {number} pixels
 * @property {number | null} area_ha
 * @property {number} mean_saliency
 * @property {[number, number, number, number]} window_px left, top, width and height in pixels of the scene
 *
 * @typedef {{properties: PlaceProperties}} Place a feature of review.geojson
 *
 * @typedef {object} Hooks
 * @property {() => Promise<Blob>} read makes review.geojson
 * @property {(window: SceneWindow) => void} onPlace called when a place should be shown
 * @property {(cause: unknown) => void} onError
 */

/** The same region has the same key after the options changed. @param {Place} place */
const keyOf = ({ properties }) => properties.window_px.join(" ");

export class ReviewList {
  /** @type {{features: Place[]} | undefined} */
  #list;
  /** Keys of the places that are ticked off. @type {Set<string>} */
  #checked = new Set();
  /** Counts results: an answer about an older one is dropped. */
  #epoch = 0;

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.hooks = hooks;
    this.details = /** @type {HTMLDetailsElement} */ (byId("review"));
    this.details.addEventListener("toggle", () => void this.#fill());
    byId("review-save").addEventListener("click", () => this.#save());
  }

  /** There is no result any more. */
  clear() {
    this.#checked.clear();
    this.details.hidden = true;
    this.refresh();
  }

  /** @param {string} stem what the saved file's name begins with */
  offer(stem) {
    this.stem = stem;
    this.details.hidden = false;
    void this.#fill();
  }

  /** The options have changed, and with them the places. */
  refresh() {
    this.#epoch += 1;
    this.#list = undefined;
    void this.#fill();
  }

  /** Lists the places if the list is in sight: it takes a pass over the scene. */
  async #fill() {
    if (!this.details.open || this.details.hidden || this.#list) return;
    const epoch = this.#epoch;
    byId("review-note").textContent = t("reviewReading");
    byId("review-list").replaceChildren();
    try {
      const list = JSON.parse(await (await this.hooks.read()).text());
      if (epoch !== this.#epoch) return;
      this.#list = list;
      this.#show(list.features);
    } catch (cause) {
      if (epoch === this.#epoch) this.hooks.onError(cause);
    }
  }

  /** @param {Place[]} places */
  #show(places) {
    byId("review-list").replaceChildren(...places.slice(0, SHOWN).map((place) => this.#item(place)));
    this.#count();
  }

  /** @param {Place} place */
  #item(place) {
    const { rank, pixels, area_ha: hectares, mean_saliency: saliency, window_px: [x, y, width, height] } = place.properties;
    const size = hectares === null ? t("pixels", { count: number(pixels) }) : `${hectaresText(hectares)} ${t("hectares")}`;
    const label = t("reviewPlace", { rank, size, saliency: number(saliency, 2) });
    const box = make("input", { type: "checkbox", "aria-label": t("reviewDone", { rank }) });
    const button = make("button", { type: "button", class: "quiet" }, label);
    box.checked = this.#checked.has(keyOf(place));
    box.addEventListener("change", () => {
      if (box.checked) this.#checked.add(keyOf(place));
      else this.#checked.delete(keyOf(place));
      this.#count();
    });
    button.addEventListener("click", () => this.hooks.onPlace({ x, y, width, height }));
    return make("li", {}, box, button);
  }

  #count() {
    const places = this.#list?.features ?? [];
    const checked = places.filter((place) => this.#checked.has(keyOf(place))).length;
    const total = number(places.length);
    byId("review-note").textContent =
      places.length === 0 ? t("reviewEmpty") : t(places.length > SHOWN ? "reviewCountOfMany" : "reviewCount", { checked, total, shown: SHOWN });
    /** @type {HTMLButtonElement} */ (byId("review-save")).disabled = places.length === 0;
  }

  #save() {
    const list = this.#list;
    if (!list) return;
    const features = list.features.map((place) => ({ ...place, properties: { ...place.properties, checked: this.#checked.has(keyOf(place)) } }));
    save(new Blob([JSON.stringify({ ...list, features })], { type: "application/geo+json" }), `${this.stem}_review-checked.geojson`);
  }
}
