// @ts-check
// The places to look at first: the regions that top-k marks, ranked. Each is shown by a click, ticked off, and saved with its tick.

import { make, save } from "./make.js";

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
 * @property {import("./speech.js").Speech} speech
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

  #title = make("summary", { id: "review-title" });
  #note = make("p", { id: "review-note", class: "muted hint", role: "status" });
  #places = make("ol", { id: "review-list" });
  #button = make("button", { type: "button", id: "review-save", class: "secondary", part: "button review-save" });

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.hooks = hooks;
    this.element = make("details", { id: "review", part: "review", hidden: true }, this.#title, this.#note, this.#places, this.#button);
    this.element.addEventListener("toggle", () => void this.#fill());
    this.#button.addEventListener("click", () => this.#save());
    this.speak();
  }

  /** Says everything in the language of the moment. */
  speak() {
    const { speech } = this.hooks;
    this.#title.textContent = speech.say("review");
    this.#button.textContent = speech.say("reviewSave");
    if (this.#list) this.#show(this.#list.features);
  }

  /** There is no result any more. */
  clear() {
    this.#checked.clear();
    this.element.hidden = true;
    this.refresh();
  }

  /** @param {string} stem what the saved file's name begins with */
  offer(stem) {
    this.stem = stem;
    this.element.hidden = false;
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
    if (!this.element.open || this.element.hidden || this.#list) return;
    const epoch = this.#epoch;
    this.#note.textContent = this.hooks.speech.say("reviewReading");
    this.#places.replaceChildren();
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
    this.#places.replaceChildren(...places.slice(0, SHOWN).map((place) => this.#item(place)));
    this.#count();
  }

  /** @param {Place} place */
  #item(place) {
    const { rank, pixels, area_ha: hectares, mean_saliency: saliency, window_px: [x, y, width, height] } = place.properties;
    const { speech } = this.hooks;
    const size = hectares === null ? speech.say("countedPixels", { count: speech.number(pixels) }) : `${speech.area(hectares)} ${speech.say("hectares")}`;
    const label = speech.say("reviewPlace", { rank, size, saliency: speech.number(saliency, 2) });
    const box = make("input", { type: "checkbox", "aria-label": speech.say("reviewDone", { rank }) });
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
    const { speech } = this.hooks;
    const total = speech.number(places.length);
    const word = places.length > SHOWN ? "reviewCountOfMany" : "reviewCount";
    this.#note.textContent = places.length === 0 ? speech.say("reviewEmpty") : speech.say(word, { checked, total, shown: SHOWN });
    this.#button.disabled = places.length === 0;
  }

  #save() {
    const list = this.#list;
    if (!list) return;
    const features = list.features.map((place) => ({ ...place, properties: { ...place.properties, checked: this.#checked.has(keyOf(place)) } }));
    save(new Blob([JSON.stringify({ ...list, features })], { type: "application/geo+json" }), `${this.stem}_review-checked.geojson`);
  }
}
