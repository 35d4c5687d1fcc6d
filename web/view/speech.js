// @ts-check
// Sentences, names and numbers in a language.

/**
 * @typedef {object} Language
 * @property {Record<string, string>} messages with {names} in braces that are filled in
 * @property {Record<string, string>} names of classes and bands in data, where they are not those of the data
 */

/** What the modules of web/view say. @typedef {keyof typeof import("./messages/en.js").shared} SharedWord */

/** Bands whose names people write otherwise than data does. @type {Record<string, string>} */
const BANDS = { nir: "band_nir", swir1: "band_swir1", swir2: "band_swir2" };

/** @template {string} [Word=SharedWord] */
export class Speech {
  #languages;
  #tag = "en";

  /** @param {Record<string, Language>} languages by their tags; English is one of them */
  constructor(languages) {
    this.#languages = languages;
  }

  /** The tag of the language that is spoken. */
  get language() {
    return this.#tag;
  }

  /**
   * The first of the wanted languages that is spoken here; English if there is none.
   *
   * @param {(string | null | undefined)[]} wanted tags such as `hi-IN`
   */
  nearest(wanted) {
    const languages = wanted.map((tag) => tag?.toLowerCase().split("-")[0]);
    return languages.find((tag) => tag && Object.hasOwn(this.#languages, tag)) ?? "en";
  }

  /** @param {string} tag one of the languages */
  speak(tag) {
    this.#tag = tag;
  }

  /**
   * @param {Word} word
   * @param {Record<string, string | number>} [values] in place of the names in braces
   */
  say(word, values = {}) {
    return this.#languages[this.#tag].messages[word].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
  }

  /** @param {number} value @param {number} [digits] decimals */
  number(value, digits = 0) {
    return value.toLocaleString(this.#tag, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  /** @param {number} hectares */
  area(hectares) {
    if (hectares === 0) return "0";
    if (hectares < 0.01) return "< 0.01";
    return this.number(hectares, hectares >= 100 ? 0 : hectares >= 1 ? 1 : 2);
  }

  /** @param {number} percent */
  percent(percent) {
    if (percent === 0) return "0";
    if (percent < 0.01) return "< 0.01";
    return this.number(percent, percent >= 1 ? 1 : 2);
  }

  /** A class's name within a sentence: `grass_shrub` is "grass / shrub". @param {string} name */
  className(name) {
    return this.#languages[this.#tag].names[name] ?? name.replaceAll("_", " / ");
  }

  /** A class's or a band's name by itself: "Grass / shrub". @param {string} name */
  title(name) {
    const words = this.className(name);
    return words.charAt(0).toUpperCase() + words.slice(1);
  }

  /** A band's common name as people write it. @param {string} name */
  bandName(name) {
    const { messages, names } = this.#languages[this.#tag];
    return messages[BANDS[name]] ?? names[name] ?? name.replaceAll("_", " ");
  }
}
