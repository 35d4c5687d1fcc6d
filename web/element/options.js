// @ts-check
// The options of <rare-map>: properties, each with an attribute.

/** @typedef {import("../engine/messages.js").WantedBackend} WantedBackend */

const BACKENDS = ["auto", "cpu", "webgpu"];
const PROPERTIES = ["model", "src", "threshold", "rare", "topK", "opacity", "backend"];

// Importing this where there is no document, as a server that renders pages does, must not fail.
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

export class MapOptions extends Base {
  static observedAttributes = ["model", "src", "threshold", "rare", "top-k", "opacity", "backend", "lang"];

  /** A weights file that the property was set to. @type {Blob | undefined} */
  #modelFile;

  /** The model's address; the default model if there is none. A weights file can be set, too. @returns {string | Blob | null} */
  get model() {
    return this.#modelFile ?? this.getAttribute("model");
  }

  set model(value) {
    const had = this.#modelFile;
    this.#modelFile = value instanceof Blob ? value : undefined;
    if (had !== this.#modelFile) this.onOption("model");
    this.#reflect("model", value instanceof Blob ? null : value);
  }

  /** The address of a scene. @returns {string | null} */
  get src() {
    return this.getAttribute("src");
  }

  set src(value) {
    this.#reflect("src", value);
  }

  /** From 0 to 1; 0.5 if absent or out of range. @returns {number} */
  get threshold() {
    return this.#number("threshold", 1, 0.5);
  }

  set threshold(value) {
    this.#reflect("threshold", value);
  }

  /** The most salient percent, from 0 to 100; 20 if absent or out of range. @returns {number} */
  get topK() {
    return this.#number("top-k", 100, 20);
  }

  set topK(value) {
    this.#reflect("top-k", value);
  }

  /** How opaque the map lies over the scene, in percent; 70 if absent or out of range. @returns {number} */
  get opacity() {
    return this.#number("opacity", 100, 70);
  }

  set opacity(value) {
    this.#reflect("opacity", value);
  }

  /** Names of the rare classes to look for; all of the model's if absent. The attribute separates them by commas. @returns {string[]} */
  get rare() {
    const known = this.rareOfModel;
    const text = this.getAttribute("rare");
    if (text === null) return [...(known ?? [])];
    const wanted = text.split(",").map((name) => name.trim()).filter(Boolean);
    return known ? wanted.filter((name) => known.includes(name)) : wanted;
  }

  set rare(value) {
    this.#reflect("rare", value === null || value === undefined ? null : [...value].join(","));
  }

  /** Where the model runs. @returns {WantedBackend} */
  get backend() {
    const wanted = this.getAttribute("backend") ?? "auto";
    return BACKENDS.includes(wanted) ? /** @type {WantedBackend} */ (wanted) : "auto";
  }

  set backend(value) {
    this.#reflect("backend", value);
  }

  /** @param {string} name @param {string | null} before @param {string | null} value */
  attributeChangedCallback(name, before, value) {
    if (before !== value) this.onOption(name);
  }

  /** The rare classes of the model, once it is loaded. @internal @returns {string[] | undefined} */
  get rareOfModel() {
    return undefined;
  }

  /** An attribute has another value. @internal @param {string} _name */
  onOption(_name) {}

  /** What was set before the element was defined would hide the accessors. @internal */
  takeEarlyProperties() {
    for (const name of PROPERTIES) {
      if (!Object.hasOwn(this, name)) continue;
      const value = Reflect.get(this, name);
      Reflect.deleteProperty(this, name);
      Reflect.set(this, name, value);
    }
  }

  /** @param {string} name @param {unknown} value */
  #reflect(name, value) {
    if (value === null || value === undefined) this.removeAttribute(name);
    else this.setAttribute(name, String(value));
  }

  /** @param {string} name @param {number} max @param {number} fallback */
  #number(name, max, fallback) {
    const text = this.getAttribute(name);
    const value = Number(text);
    return text !== null && text.trim() !== "" && value >= 0 && value <= max ? value : fallback;
  }
}
