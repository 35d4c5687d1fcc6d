// @ts-check
// The panel's parts that depend on the scene, the card and the result.

import { byId, make, swatch } from "./dom.js";
import { figuresTable, isDoubtful, precisionText } from "./model.js";
import { bandName, className, hectaresText, listing, number, percentText, t, title, warningText } from "./text.js";
import { figuresOf } from "./weights-file.js";

/**
 * @typedef {import("../engine/messages.js").LoadedModel} LoadedModel
 * @typedef {import("../wasm/raremap-web.js").Areas} Areas
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").ModelCard} ModelCard
 * @typedef {import("../wasm/raremap-web.js").Notice} Notice
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("../wasm/raremap-web.js").ResultFile} ResultFile
 * @typedef {import("../wasm/raremap-web.js").SceneBand} SceneBand
 * @typedef {import("../wasm/raremap-web.js").SceneFacts} SceneFacts
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

/** The button's id: `download-mask-tif` of `mask.tif`. @param {string} name of a file */
export function downloadId(name) {
  return `download-${name.replace(".", "-")}`;
}

/** What the files are in the user's words, by name. @type {Record<string, import("./text.js").Message>} */
const FILES = {
  "mask.tif": "fileMaskTif",
  "mask.png": "fileMaskPng",
  "probability.tif": "fileProbability",
  "saliency.tif": "fileSaliency",
  "polygons.geojson": "filePolygons",
  "review.geojson": "fileReview",
  "areas.csv": "fileAreasCsv",
  "areas.json": "fileAreasJson",
  "item.json": "fileItem",
};

/**
 * @param {ResultFile[]} files
 * @param {(file: ResultFile) => void} onChoice
 */
export function showFiles(files, onChoice) {
  const buttons = files.map((file) => {
    const what = FILES[file.name] ? t(FILES[file.name]) : file.name;
    const button = make("button", { type: "button", id: downloadId(file.name), class: "secondary", title: file.title }, what);
    button.addEventListener("click", () => onChoice(file));
    return button;
  });
  byId("download-note").textContent = "";
  byId("downloads").replaceChildren(...buttons);
}

/**
 * Shows what can be done to the scene before the run.
 *
 * @param {OpenedScene} info
 * @param {string | null} matching how the values would be made those of training
 */
export function showOffers(info, matching) {
  // As long as it is switched off it can be switched on again.
  const border = /** @type {HTMLInputElement} */ (byId("border"));
  byId("border-field").hidden = !info.hasEmptyBorder && border.checked;
  byId("resample-field").hidden = !info.canResample;
  byId("resample-text").textContent = t("resample", { metres: number(info.modelResolutionM, info.modelResolutionM % 1 ? 1 : 0) });
  byId("matching-field").hidden = !matching;
  byId("matching-text").textContent = t("matching");
  byId("matching-hint").textContent = matching ?? "";
}

/** Which of these the user chose. */
export function chosenOffers() {
  const isChosen = (/** @type {string} */ id) =>
    !byId(`${id}-field`).hidden && /** @type {HTMLInputElement} */ (byId(id)).checked;
  return { resample: isChosen("resample"), matching: isChosen("matching") };
}

/** @param {Notice[]} notices what was done with the files */
export function showNotices(notices) {
  byId("notices").replaceChildren(...notices.map(({ message }) => make("li", {}, message)));
}

/** @param {Notice[]} warnings */
export function showWarnings(warnings) {
  const items = warnings.map(({ code, message }) => {
    const [short, figures] = warningText(code, message);
    const item = make("li", { "data-code": code }, short);
    if (figures) item.append(make("details", {}, make("summary", {}, t("figures")), figures));
    return item;
  });
  byId("warnings").replaceChildren(...items);
}

/** @typedef {(number | null)[]} Bands the scene's band for each of the model's; null as long as it is not assigned */
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
  const label = (/** @type {SceneBand} */ { index, name }) => (name ? t("bandNamed", { number: index + 1, name: bandName(name) }) : t("bandNumber", { number: index + 1 }));
  const selects = info.modelBands.map((name, i) => {
    const select = make("select", { id: `band-${name}`, "data-band": name });
    const guessed = info.assignment.bands[i];
    const isOptional = info.optionalBands.includes(name);
    // Only a person can say which band it is that the scene does not seem to have.
    if (guessed === null || isOptional) select.append(new Option(t(isOptional ? "bandNotThere" : "chooseBand"), ""));
    select.append(...info.scene.bands.map((band) => new Option(label(band), String(band.index))));
    select.value = guessed === null ? "" : String(guessed);
    return select;
  });
  const chosen = () => selects.map((select) => (select.value === "" ? null : Number(select.value)));
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
  byId("band-selects").replaceChildren(
    ...selects.flatMap((select, i) => {
      const name = title(bandName(info.modelBands[i]));
      return [make("label", { for: select.id }, name), select];
    }),
  );
  byId("bands-reason").textContent = info.assignment.reason;
  /** @type {HTMLDetailsElement} */ (byId("bands")).open = info.assignment.certainty === "unknown";
  summarize();
}

/**
 * @param {ModelCard} card
 * @param {() => void} onChange
 */
export function showRare(card, onChange) {
  const boxes = card.rareClasses.map((name) => {
    const box = make("input", { type: "checkbox", name: "rare", value: name });
    box.checked = true;
    box.addEventListener("change", onChange);
    const color = card.classes.find((it) => it.name === name)?.color ?? [0, 0, 0];
    return make("label", { class: "check" }, box, swatch(color), title(name));
  });
  const rare = byId("rare");
  rare.replaceChildren(/** @type {Node} */ (rare.querySelector("legend")), make("div", { class: "checks" }, ...boxes));
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
  /** @type {[LayerKind | "none", string][]} */
  const kinds = [
    ["mask", t("classes")],
    ...card.rareClasses.map((name) => /** @type {[LayerKind, string]} */ ([`probability:${name}`, title(name)])),
    ["saliency", t("saliency")],
    .../** @type {[LayerKind, string][]} */ (card.rareClasses.length > 0 ? [["disagreement", t("disagreement")]] : []),
    ["none", t("sceneOnly")],
  ];
  const chips = kinds.map(([kind, text], i) => {
    const radio = make("input", { type: "radio", name: "layer", value: kind });
    radio.checked = i === 0;
    radio.addEventListener("change", () => onChange(kind));
    const label = make("label", {}, radio, text);
    if (kind.startsWith("probability:")) label.title = t("howLikely", { name: text.toLowerCase() });
    return label;
  });
  byId("layer-choices").replaceChildren(...chips);
}

/** What a rare class is called if most of what the model marks as it is wrong. @param {string} name */
function possible(name) {
  return t("possible", { name: className(name) });
}

/**
 * @param {Areas} areas
 * @param {import("./weights-file.js").Figures} figures how well the model finds its classes
 */
export function showTable(areas, { classes, threshold }) {
  byId("right-column").hidden = classes.length === 0;
  byId("area-unit").textContent = t(areas.validHectares === null ? "pixelsUnit" : "hectares");
  const rows = areas.classes.map((row) => {
    const known = classes.find(({ name }) => name === row.name);
    const isPossible = row.rare && isDoubtful(known);
    const name = make("span", { class: "name" }, swatch(row.color), isPossible ? possible(row.name) : title(row.name));
    if (row.rare) name.append(make("span", { class: "rare" }, t("rare")));
    const header = make("th", { scope: "row" }, name);
    if (isPossible) header.append(make("span", { class: "doubt" }, t("lookAtEach")));
    const hectares = row.hectares ?? undefined;
    return make(
      "tr",
      { "data-class": row.name, "data-pixels": row.pixels, "data-hectares": hectares, "data-percent": row.percent },
      header,
      make("td", { class: "number" }, hectares === undefined ? number(row.pixels) : hectaresText(hectares)),
      make("td", { class: "number" }, percentText(row.percent)),
      ...(classes.length > 0 ? [make("td", { class: "number" }, precisionText(known))] : []),
    );
  });
  const measured = threshold === null ? "" : t("rightThreshold", { threshold: number(threshold, 2) });
  byId("right-note").textContent = classes.length > 0 ? `${t("rightNote")} ${measured}` : "";
  byId("class-table").replaceChildren(...rows);
  byId("result-note").textContent = [
    areas.validHectares === null ? t("noGeoreference") : "",
    areas.complete ? "" : t("partOnly"),
    // Part of a map may well be one class.
    ...(areas.complete ? areas.warnings.map(({ message }) => message) : []),
    areas.nodataPixels > 0 && areas.complete ? t("noDataPixels", { count: number(areas.nodataPixels) }) : "",
  ].join(" ");
}

/** The colours of the layer, as raremap-output draws it. @type {[number[], import("./text.js").Message][]} */
const DISAGREEMENT = [
  [[230, 159, 0], "auxiliaryAlone"],
  [[86, 180, 233], "mainAlone"],
];

/**
 * @param {LayerKind | "none"} kind of layer
 * @param {[number, number, number][]} scale colours of a continuous layer, low to high
 * @param {Areas} areas
 * @param {number} topK percent
 * @param {import("./weights-file.js").Figures} figures how well the model finds its classes
 */
export function showLegend(kind, scale, areas, topK, { classes }) {
  const legend = byId("legend");
  legend.hidden = kind === "none";
  if (kind === "mask") {
    const nameOf = (/** @type {import("../wasm/raremap-web.js").ClassArea} */ { name, rare }) =>
      rare && isDoubtful(classes.find((it) => it.name === name)) ? possible(name) : title(name);
    const present = areas.classes.filter(({ pixels }) => pixels > 0);
    legend.replaceChildren(
      make("ul", { class: "classes" }, ...present.map((row) => make("li", {}, swatch(row.color), nameOf(row)))),
    );
    legend.hidden = present.length === 0;
    return;
  }
  if (kind === "disagreement") {
    const items = DISAGREEMENT.map(([color, message]) => make("li", {}, swatch(color), t(message)));
    legend.replaceChildren(make("ul", { class: "classes" }, ...items));
    return;
  }
  const { threshold } = areas.topK;
  const saliency = () =>
    threshold === null ? t("legendNoSaliency") : t("legendSaliency", { percent: number(topK), threshold: number(threshold, 2) });
  const caption = kind === "saliency" ? saliency() : t("probabilityOf", { name: className(kind.replace("probability:", "")) });
  legend.replaceChildren(caption, ramp(scale), make("div", { class: "ends" }, make("span", {}, "0"), make("span", {}, "1")));
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
