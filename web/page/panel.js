// @ts-check
// The panel's parts that depend on the scene, the card and the result.

import { noticeItems, warningItems } from "../view/before-run.js";
import { bandSelects, chosenBands, layerChoices, rareChecks } from "../view/choices.js";
import { areasNote, classRows, rightNote } from "../view/class-table.js";
import { figuresOf } from "../view/figures.js";
import { fileButtons } from "../view/files.js";
import { legendOf } from "../view/legend.js";
import { byId, make } from "./dom.js";
import { figuresTable } from "./model.js";
import { bandName, className, listing, number, speech, t } from "./text.js";

/**
 * @typedef {import("../engine/messages.js").LoadedModel} LoadedModel
 * @typedef {import("../wasm/raremap-web.js").Areas} Areas
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").ModelCard} ModelCard
 * @typedef {import("../wasm/raremap-web.js").Notice} Notice
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("../wasm/raremap-web.js").ResultFile} ResultFile
 * @typedef {import("../wasm/raremap-web.js").SceneFacts} SceneFacts
 * @typedef {import("../view/choices.js").Bands} Bands
 * @typedef {import("../view/figures.js").Figures} Figures
 */

/** @param {SceneFacts} info */
export function showScene(info) {
  byId("scene-name").textContent = info.name;
  const facts = [
    [t("size"), t("sizePixels", { width: number(info.width), height: number(info.height) })],
    [t("bands"), `${info.bands.length}, ${info.sampleType}`],
    [t("crs"), info.crs ?? t("noCrs")],
    [t("pixel"), info.resolution ?? t("unknownSize")],
  ];
  byId("scene-facts").replaceChildren(...facts.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, text)]));
  byId("scene").hidden = false;
}

/**
 * @param {ResultFile[]} files
 * @param {(file: ResultFile, button: HTMLButtonElement) => void} onChoice
 */
export function showFiles(files, onChoice) {
  byId("download-note").textContent = "";
  byId("downloads").replaceChildren(...fileButtons(files, onChoice, speech));
}

/** @param {Notice[]} notices what was done with the files */
export function showNotices(notices) {
  byId("notices").replaceChildren(...noticeItems(notices));
}

/** @param {Notice[]} warnings */
export function showWarnings(warnings) {
  byId("warnings").replaceChildren(...warningItems(warnings, speech));
}

/** @typedef {import("../engine/messages.js").Picture} Picture */

/**
 * All that the bands could be, each with a small picture.
 *
 * @param {OpenedScene} info
 * @param {Picture[]} pictures of the choices
 */
export function showBandChoices(info, pictures) {
  const buttons = info.assignment.choices.map(({ product, bands }, i) => {
    const { bitmap } = pictures[i];
    const canvas = make("canvas", { width: bitmap.width, height: bitmap.height, "aria-hidden": "true" });
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
    const numbers = info.modelBands.map((name, at) => `${bandName(name)} ${bandNumber(bands[at])}`).join(", ");
    const button = make("button", { type: "button", class: "secondary" }, canvas, make("span", {}, product), make("span", { class: "muted" }, numbers));
    button.addEventListener("click", () => chooseBands(info, bands));
    return button;
  });
  byId("band-choices").replaceChildren(...buttons);
}

/**
 * @param {OpenedScene} info
 * @param {Bands} bands
 */
function chooseBands(info, bands) {
  info.modelBands.forEach((name, i) => {
    /** @type {HTMLSelectElement} */ (byId(`band-${name}`)).value = String(bands[i] ?? "");
  });
  byId(`band-${info.modelBands[0]}`).dispatchEvent(new Event("change"));
}

/** @param {number | null} band from 0 */
const bandNumber = (band) => (band === null ? t("missing") : String(band + 1));

/**
 * @param {OpenedScene} info
 * @param {(bands: Bands) => void} onChange
 */
export function showBands(info, onChange) {
  const rows = bandSelects(info, info.assignment.bands, speech);
  const selects = rows.map(({ select }) => select);
  const chosen = () => chosenBands(selects);
  const summarize = () => {
    const parts = info.modelBands.map((name, i) => `${bandName(name)} ${bandNumber(chosen()[i])}`);
    byId("bands-summary").textContent = parts.join(", ");
  };
  for (const select of selects) {
    select.addEventListener("change", () => {
      summarize();
      byId("bands-reason").textContent = t("youChose");
      onChange(chosen());
    });
  }
  byId("band-selects").replaceChildren(...rows.flatMap(({ label, select }) => [label, select]));
  byId("bands-reason").textContent = info.assignment.reason;
  /** @type {HTMLDetailsElement} */ (byId("bands")).open = info.assignment.certainty === "unknown";
  summarize();
}

/**
 * @param {ModelCard} card
 * @param {() => void} onChange
 */
export function showRare(card, onChange) {
  const rare = byId("rare");
  const checks = make("div", { class: "checks" }, ...rareChecks(card, card.rareClasses, speech));
  checks.addEventListener("change", onChange);
  rare.replaceChildren(/** @type {Node} */ (rare.querySelector("legend")), checks);
}

/** @returns {string[]} names of the selected rare classes */
export function selectedRare() {
  const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("input[name=rare]:checked"));
  return [...boxes].map((box) => box.value);
}

/**
 * @param {ModelCard} card
 * @param {(kind: LayerKind | "none") => void} onChange
 */
export function showLayerChoices(card, onChange) {
  const chips = layerChoices(card, "mask", speech);
  for (const chip of chips) {
    chip.addEventListener("change", ({ target }) => onChange(/** @type {LayerKind | "none"} */ (/** @type {HTMLInputElement} */ (target).value)));
  }
  byId("layer-choices").replaceChildren(...chips);
}

/**
 * @param {Areas} areas
 * @param {Figures} figures how well the model finds its classes
 */
export function showTable(areas, figures) {
  byId("right-column").hidden = figures.classes.length === 0;
  byId("area-unit").textContent = t(areas.validHectares === null ? "pixelsUnit" : "hectares");
  byId("class-table").replaceChildren(...classRows(areas, figures, speech));
  byId("right-note").textContent = rightNote(figures, speech);
  byId("result-note").textContent = areasNote(areas, speech);
}

/** @param {import("../view/legend.js").Layer} layer */
export function showLegend(layer) {
  const legend = byId("legend");
  const content = legendOf(layer, speech);
  legend.hidden = content.length === 0;
  legend.replaceChildren(...content);
}

/** @param {LoadedModel} model */
export function showAbout({ card, golden }) {
  const { classes } = figuresOf(card.whole.metrics);
  const [finest, coarsest] = card.groundResolutionRangeM;
  const trained = finest < coarsest ? [finest, coarsest] : [finest];
  const facts = [
    [t("aboutModel"), card.name],
    [t("aboutCreated"), card.created.slice(0, 10)],
    [t("aboutInputs"), listing(card.bands.map(bandName))],
    [t("aboutValues"), card.valueScaling],
    [t("pixelSize"), t("trainedAt", { metres: trained.map((metres) => number(metres)).join("–") })],
    [t("classes"), listing(card.classes.map(({ name }) => className(name)))],
    [t("rareClasses"), listing(card.rareClasses.map(className))],
    [t("trainedOn"), card.dataset],
    [t("source"), card.provenance],
    [t("weights"), card.quantization],
    [t("testTile"), t("testTileDiffers", { difference: golden.maxAbs.toExponential(1), tolerance: golden.tolerance.toExponential(1) })],
  ];
  byId("about-body").replaceChildren(
    make("p", {}, card.description),
    make("dl", {}, ...facts.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, text)])),
    ...(classes.length > 0 ? [figuresTable(classes)] : []),
    make(
      "details",
      {},
      make("summary", {}, t("wholeCard")),
      make("pre", { tabindex: 0 }, JSON.stringify(card.whole, null, 2)),
    ),
  );
}
