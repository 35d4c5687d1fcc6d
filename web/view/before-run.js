// @ts-check
// What should be known about a scene before it is mapped, and what can be done to it.

import { make } from "./make.js";

/**
 * @typedef {import("../wasm/raremap-web.js").Notice} Notice
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("./speech.js").Speech} Speech
 * @typedef {import("./speech.js").SharedWord} SharedWord
 */

/** What to do about a scene that does not fit the model, by the warning's code. @type {Record<string, SharedWord>} */
const ADVICE = {
  values_8_bit: "warn8Bit",
  values_reflectance: "warnReflectance",
  bands_swapped: "warnSwapped",
  values_hazy: "warnHazy",
  values_unusual: "warnUnusual",
};

/** A warning in one line, and the figures behind it if there are any. @param {Notice} warning @param {Speech} speech */
export function warningText({ code, message }, speech) {
  return Object.hasOwn(ADVICE, code) ? [speech.say(ADVICE[code]), message] : [message, ""];
}

/** @param {Notice[]} warnings @param {Speech} speech */
export function warningItems(warnings, speech) {
  return warnings.map((warning) => {
    const [short, figures] = warningText(warning, speech);
    const details = figures ? [make("details", {}, make("summary", {}, speech.say("figures")), figures)] : [];
    return make("li", { "data-code": warning.code }, short, ...details);
  });
}

/** @param {Notice[]} notices what was done with the files */
export function noticeItems(notices) {
  return notices.map(({ message }) => make("li", {}, message));
}

/** @param {string} id @param {Record<string, string>} [attributes] */
function field(id, attributes = {}) {
  const box = make("input", { type: "checkbox", id, ...attributes });
  const text = make("span");
  return { box, text, element: make("div", { class: "field", id: `${id}-field`, hidden: true }, make("label", { class: "check" }, box, text)) };
}

export class Offers {
  #border = field("border");
  #resample = field("resample");
  #matching = field("matching", { "aria-describedby": "matching-hint" });
  #hint = make("p", { id: "matching-hint", class: "muted hint" });
  /** What was offered last. @type {{opened: OpenedScene, matching: string | null} | undefined} */
  #shown;

  /**
   * @param {Speech} speech
   * @param {(hasEmptyBorder: boolean) => void} onBorder the scene has to be opened anew, with its empty border as no data or as data
   */
  constructor(speech, onBorder) {
    this.speech = speech;
    this.#matching.element.append(this.#hint);
    this.element = make("div", { id: "offers", part: "offers" }, this.#border.element, this.#resample.element, this.#matching.element);
    this.#border.box.addEventListener("change", () => onBorder(this.#border.box.checked));
  }

  /**
   * A scene was opened. Values in other units are matched unless that is switched off, as the command does; another resolution is an offer.
   *
   * @param {boolean} [emptyBorder] how its empty border was taken; as no data if not given
   */
  begin(emptyBorder = true) {
    this.#border.box.checked = emptyBorder;
    this.#resample.box.checked = false;
    this.#matching.box.checked = true;
  }

  /**
   * @param {OpenedScene} opened
   * @param {string | null} matching how the values would be made those of training
   */
  show(opened, matching) {
    this.#shown = { opened, matching };
    const { speech } = this;
    const { hasEmptyBorder, canResample, modelResolutionM } = opened;
    // As long as it is switched off it can be switched on again.
    this.#border.element.hidden = !hasEmptyBorder && this.#border.box.checked;
    this.#border.text.textContent = speech.say("emptyBorder");
    this.#resample.element.hidden = !canResample;
    this.#resample.text.textContent = speech.say("resample", { metres: speech.number(modelResolutionM, modelResolutionM % 1 ? 1 : 0) });
    this.#matching.element.hidden = !matching;
    this.#matching.text.textContent = speech.say("matching");
    this.#hint.textContent = matching ?? "";
  }

  /** Says the same in another language. */
  speak() {
    if (this.#shown) this.show(this.#shown.opened, this.#shown.matching);
  }

  /** @param {boolean} isDisabled */
  set disabled(isDisabled) {
    for (const { box } of [this.#border, this.#resample, this.#matching]) box.disabled = isDisabled;
  }

  /** What was chosen, for a run. */
  get chosen() {
    const isChosen = (/** @type {ReturnType<typeof field>} */ { element, box }) => !element.hidden && box.checked;
    return { resample: isChosen(this.#resample), matching: isChosen(this.#matching) };
  }
}
