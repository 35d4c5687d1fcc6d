// @ts-check
// The choice of the bands that are shown as red, green and blue, and of how far their values are stretched.

import { make } from "./make.js";

/** Percentiles of a band's values that become black and full. @type {[number, number][]} */
export const STRETCHES = [[0, 100], [1, 99], [2, 98], [5, 95]];
/** As the engine draws a scene by itself. */
const USUAL = 2;

/** @type {{word: Word, bands: string[][]}[]} each with the bands that can stand for red, green and blue, the best first */
const PRESETS = [
  { word: "naturalColors", bands: [["red"], ["green"], ["blue"]] },
  { word: "infraredColors", bands: [["nir"], ["red"], ["green"]] },
  { word: "shortWaveColors", bands: [["swir2", "swir1"], ["nir"], ["red"]] },
];

/**
 * @typedef {import("./speech.js").SharedWord} Word
 * @typedef {import("./speech.js").Speech} Speech
 * @typedef {import("../wasm/raremap-web.js").Composition} Composition
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("../wasm/raremap-web.js").SceneBand} SceneBand
 * @typedef {{word: Word, bands: Bands}} Preset
 * @typedef {{opened: OpenedScene, presets: Preset[], automatic: Bands}} Shown
 * @typedef {[number, number, number]} Bands those shown as red, green and blue, from 0
 */

/**
 * The combinations that the scene has the bands for.
 *
 * @param {Pick<OpenedScene, "modelBands" | "scene">} opened
 * @param {(number | null)[]} assigned the scene's band for each of the model's
 * @returns {Preset[]}
 */
export function presetsOf({ modelBands, scene }, assigned) {
  /** @type {Map<string, number>} */
  const known = new Map();
  for (const { index, common } of scene.bands) if (common !== null) known.set(common, index);
  // Whoever assigned them knows better than a name.
  for (const [i, band] of assigned.entries()) if (band !== null) known.set(modelBands[i], band);
  return PRESETS.flatMap(({ word, bands }) => {
    const found = bands.flatMap((names) => names.map((name) => known.get(name)).find((band) => band !== undefined) ?? []);
    return found.length === 3 ? [{ word, bands: /** @type {Bands} */ (found) }] : [];
  });
}

/** A band as people are told of it. @param {SceneBand} band @param {Speech} speech */
export function bandLabel({ index, name }, speech) {
  const number = index + 1;
  return name ? speech.say("bandNamed", { number, name: speech.bandName(name) }) : speech.say("bandNumber", { number });
}

export class ColorChoice {
  #preset = make("select", { name: "colors", part: "select" });
  #channels = [0, 1, 2].map(() => make("select", { part: "select" }));
  #stretch = make("select", { name: "stretch", part: "select" });
  #title = make("summary");
  #grid = make("div", { class: "bands" });
  /** @type {Shown | undefined} */
  #scene;

  /**
   * @param {Speech} speech
   * @param {() => void} onChange another choice was made
   */
  constructor(speech, onChange) {
    this.speech = speech;
    this.element = make("details", { part: "colors", class: "colors" }, this.#title, this.#grid);
    this.#preset.addEventListener("change", () => {
      this.#showChannels(this.#presetBands());
      onChange();
    });
    for (const channel of this.#channels) {
      channel.addEventListener("change", () => {
        this.#preset.value = "ownColors";
        onChange();
      });
    }
    this.#stretch.addEventListener("change", onChange);
  }

  /**
   * Begins anew with a scene, or with other bands that the model is given of it.
   *
   * @param {OpenedScene} opened
   * @param {(number | null)[]} assigned
   */
  show(opened, assigned) {
    const presets = presetsOf(opened, assigned);
    const last = opened.scene.bands.length - 1;
    const first = /** @type {Bands} */ ([0, 1, 2].map((band) => Math.min(band, last)));
    const automatic = presets[0]?.bands ?? first;
    this.#scene = { opened, presets, automatic };
    this.#write(this.#scene, "automaticColors", automatic, USUAL);
  }

  /** Writes everything again, in another language. */
  speak() {
    this.#title.textContent = this.speech.say("colors");
    if (this.#scene) this.#write(this.#scene, this.#preset.value, this.#bands(), this.#stretch.selectedIndex);
  }

  /** How the scene is to be drawn; null for its own colours. @returns {Composition | null} */
  get composition() {
    const stretch = STRETCHES[this.#stretch.selectedIndex];
    return this.#preset.value === "automaticColors" && this.#stretch.selectedIndex === USUAL ? null : { bands: this.#bands(), stretch };
  }

  /** What is shown, in words. @param {Composition} composition */
  note({ bands, stretch: [low, high] }) {
    const [red, green, blue] = bands.map((band) => this.#label(band));
    return this.speech.say("shownBands", { red, green, blue, low, high });
  }

  /** @param {number} index */
  #label(index) {
    const band = this.#scene?.opened.scene.bands[index];
    return band ? bandLabel(band, this.speech) : "";
  }

  /** @returns {Bands} */
  #bands() {
    return /** @type {Bands} */ (this.#channels.map(({ value }) => Number(value)));
  }

  /** The bands of the combination that was chosen; those that are shown, for the reader's own. @returns {Bands} */
  #presetBands() {
    const preset = this.#scene?.presets.find(({ word }) => word === this.#preset.value);
    if (preset) return preset.bands;
    return this.#preset.value === "automaticColors" && this.#scene ? this.#scene.automatic : this.#bands();
  }

  /** @param {Bands} bands */
  #showChannels(bands) {
    for (const [i, channel] of this.#channels.entries()) channel.value = String(bands[i]);
  }

  /** @param {Shown} scene @param {string} chosen @param {Bands} bands @param {number} stretch */
  #write({ opened, presets }, chosen, bands, stretch) {
    /** @type {Word[]} */
    const words = ["automaticColors", ...presets.map(({ word }) => word), "ownColors"];
    this.#title.textContent = this.speech.say("colors");
    this.#preset.replaceChildren(...words.map((word) => new Option(this.speech.say(word), word)));
    this.#preset.value = chosen;
    for (const channel of this.#channels) {
      channel.replaceChildren(...opened.scene.bands.map(({ index }) => new Option(this.#label(index), String(index))));
    }
    this.#showChannels(bands);
    this.#stretch.replaceChildren(...STRETCHES.map(([low, high]) => new Option(this.speech.say("stretchFrom", { low, high }))));
    this.#stretch.selectedIndex = stretch;
    /** @type {[Word, HTMLSelectElement][]} */
    const rows = [
      ["combination", this.#preset], ["shownAsRed", this.#channels[0]], ["shownAsGreen", this.#channels[1]], ["shownAsBlue", this.#channels[2]],
      ["stretch", this.#stretch],
    ];
    this.#grid.replaceChildren(...rows.map(([word, select]) => make("label", {}, make("span", {}, this.speech.say(word)), select)));
  }
}
