// @ts-check
// What the colours of a layer mean.

import { isDoubtful } from "./figures.js";
import { make, swatch } from "./make.js";

/**
 * @typedef {import("../wasm/raremap-web.js").Areas} Areas
 * @typedef {import("../wasm/raremap-web.js").ClassArea} ClassArea
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("./figures.js").Figures} Figures
 * @typedef {import("./speech.js").Speech} Speech
 * @typedef {import("./speech.js").SharedWord} SharedWord
 *
 * @typedef {object} Layer what is drawn
 * @property {LayerKind | "none"} kind
 * @property {[number, number, number][]} scale colours of a continuous layer, low to high
 * @property {Areas} areas
 * @property {number} topK percent
 * @property {Figures} figures how well the model finds its classes
 */

/** The colours of the layer, as raremap-output draws it. @type {[number[], SharedWord][]} */
const DISAGREEMENT = [
  [[230, 159, 0], "auxiliaryAlone"],
  [[86, 180, 233], "mainAlone"],
];

/** @param {[number[], string][]} entries */
const classList = (entries) => make("ul", { class: "classes" }, ...entries.map(([color, text]) => make("li", {}, swatch(color), text)));

/**
 * @param {Layer} layer
 * @param {Speech} speech
 * @returns {(Node | string)[]} nothing if there is nothing to explain
 */
export function legendOf({ kind, scale, areas, topK, figures }, speech) {
  if (kind === "none" || kind === "rare-outline") return [];
  if (kind === "mask") {
    const nameOf = (/** @type {ClassArea} */ { name, rare }) => {
      const isPossible = rare && isDoubtful(figures.classes.find((it) => it.name === name));
      return isPossible ? speech.say("possible", { name: speech.className(name) }) : speech.title(name);
    };
    const present = areas.classes.filter(({ pixels }) => pixels > 0);
    return present.length > 0 ? [classList(present.map((row) => [row.color, nameOf(row)]))] : [];
  }
  if (kind === "disagreement") return [classList(DISAGREEMENT.map(([color, word]) => [color, speech.say(word)]))];
  const caption = kind === "saliency" ? saliency(areas, topK, speech) : speech.say("probabilityOf", { name: speech.className(kind.replace("probability:", "")) });
  return [caption, ramp(scale), make("div", { class: "ends" }, make("span", {}, "0"), make("span", {}, "1"))];
}

/** @param {Areas} areas @param {number} topK @param {Speech} speech */
function saliency({ topK: { threshold } }, topK, speech) {
  if (threshold === null) return speech.say("legendNoSaliency");
  return speech.say("legendSaliency", { percent: speech.number(topK), threshold: speech.number(threshold, 2) });
}

/** @param {[number, number, number][]} scale */
function ramp(scale) {
  const canvas = make("canvas", { width: scale.length, height: 1, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  scale.forEach((color, x) => {
    if (!context) return;
    context.fillStyle = `rgb(${color.join(" ")})`;
    context.fillRect(x, 0, 1, 1);
  });
  return canvas;
}
