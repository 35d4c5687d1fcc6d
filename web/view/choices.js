// @ts-check
// What is chosen for a scene and its map: bands, rare classes, the layer that is drawn.

import { bandLabel } from "./colors.js";
import { make, swatch } from "./make.js";

/**
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").ModelCard} ModelCard
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("./speech.js").Speech} Speech
 * @typedef {import("../engine/bands.js").Bands} Bands
 */

/**
 * A choice for each of the model's bands.
 *
 * @param {OpenedScene} opened
 * @param {Bands} assigned
 * @param {Speech} speech
 */
export function bandSelects({ scene, modelBands, optionalBands }, assigned, speech) {
  return modelBands.map((name, i) => {
    const select = make("select", { id: `band-${name}`, "data-band": name, part: "select" });
    // Only a person can say which band it is that the scene does not seem to have.
    const isOptional = optionalBands.includes(name);
    if (assigned[i] === null || isOptional) select.append(new Option(speech.say(isOptional ? "bandNotThere" : "chooseBand"), ""));
    select.append(...scene.bands.map((band) => new Option(bandLabel(band, speech), String(band.index))));
    select.value = String(assigned[i] ?? "");
    const title = speech.bandName(name);
    return { select, label: make("label", { for: select.id }, title.charAt(0).toUpperCase() + title.slice(1)) };
  });
}

/** The bands that are chosen. @param {Iterable<HTMLSelectElement>} selects @returns {Bands} */
export function chosenBands(selects) {
  return [...selects].map(({ value }) => (value === "" ? null : Number(value)));
}

/** A box for each rare class. @param {ModelCard} card @param {string[]} selected @param {Speech} speech */
export function rareChecks({ rareClasses, classes }, selected, speech) {
  return rareClasses.map((name) => {
    const box = make("input", { type: "checkbox", name: "rare", value: name });
    box.checked = selected.includes(name);
    const color = classes.find((it) => it.name === name)?.color ?? [0, 0, 0];
    return make("label", { class: "check" }, box, swatch(color), speech.title(name));
  });
}

/** A button for each layer that can be drawn. @param {ModelCard} card @param {LayerKind | "none"} shown @param {Speech} speech */
export function layerChoices({ rareClasses }, shown, speech) {
  const hasRare = rareClasses.length > 0;
  /** @type {[LayerKind | "none", string][]} */
  const kinds = [
    ["mask", speech.say("classes")],
    ...rareClasses.map((name) => /** @type {[LayerKind, string]} */ ([`probability:${name}`, speech.title(name)])),
    .../** @type {[LayerKind, string][]} */ (hasRare ? [["saliency", speech.say("saliency")], ["disagreement", speech.say("disagreement")]] : []),
    ["none", speech.say("sceneOnly")],
  ];
  return kinds.map(([kind, text]) => {
    const radio = make("input", { type: "radio", name: "layer", value: kind });
    radio.checked = kind === shown;
    const label = make("label", {}, radio, text);
    if (kind.startsWith("probability:")) label.title = speech.say("howLikely", { name: text.toLowerCase() });
    return label;
  });
}
