// @ts-check
// Models other than the default one: what a weights file says of itself, before it is used.

import { byId, make, swatch } from "./dom.js";
import { bandName, bytesText, className, listing, number, speech, t, title } from "./text.js";

/**
 * @typedef {import("../view/figures.js").ClassFigures} ClassFigures
 * @typedef {import("./weights-file.js").OfferedModel} OfferedModel
 */

/** Whether a file's name is that of a weights file. @param {string} name */
export function isWeightsFile(name) {
  return /\.raremap$/i.test(name);
}

/** Counts models that were offered. */
let offers = 0;

/**
 * Shows a model's card and asks whether to use it.
 *
 * @param {string} name of its file
 * @param {OfferedModel} model
 * @returns {Promise<boolean>} the answer; false if another model is shown before there is one
 */
export function offerModel(name, model) {
  const turn = ++offers;
  const dialog = /** @type {HTMLDialogElement} */ (byId("offer"));
  const [finest, coarsest] = model.resolutionM ?? [0, 0];
  const metres = finest < coarsest ? `${number(finest)}–${number(coarsest)}` : number(finest);
  const rare = new Set(model.rareClasses);
  /** @type {[string, string | Node][]} */
  const facts = [
    [t("file"), model.sizeBytes > 0 ? `${name}, ${bytesText(model.sizeBytes)}` : name],
    [t("neededBands"), listing(model.bands.map(bandName))],
    [t("optionalBands"), listing(model.optionalBands.map(bandName))],
    [t("pixelSize"), finest > 0 ? t("trainedAt", { metres }) : ""],
    [t("trainedOn"), model.dataset],
  ];
  const classes = model.classes.map(({ name, color }) => {
    const item = make("li", {}, ...(color ? [swatch(color)] : []), title(name));
    if (rare.has(name)) item.append(make("span", { class: "rare" }, t("rare")));
    return item;
  });
  byId("offer-title").textContent = t("offerTitle", { name: model.name || name });
  byId("offer-body").replaceChildren(
    make("p", {}, model.description),
    make("dl", {}, ...facts.flatMap(([term, about]) => (about === "" ? [] : [make("dt", {}, term), make("dd", {}, about)]))),
    make("h3", {}, t("classes")),
    make("ul", { class: "classes" }, ...classes),
    ...(model.figures.classes.length > 0 ? [figuresTable(model.figures.classes)] : [make("p", { class: "muted" }, t("noFigures"))]),
    make("p", { class: "muted hint" }, model.provenance),
  );
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(turn === offers && dialog.returnValue === "take"), { once: true });
  });
}

/**
 * How well each class was found.
 *
 * @param {ClassFigures[]} figures
 */
export function figuresTable(figures) {
  const percent = (/** @type {number | null} */ share) => (share === null ? "–" : speech.percent(100 * share));
  const columns = [t("class"), t("precision"), t("recall"), "IoU"];
  return make(
    "table",
    { class: "figures" },
    make("caption", {}, t("figuresCaption")),
    make("thead", {}, make("tr", {}, ...columns.map((name, i) => make("th", { scope: "col", class: i > 0 && "number" }, name)))),
    make(
      "tbody",
      {},
      ...figures.map((it) =>
        make(
          "tr",
          {},
          make("th", { scope: "row" }, className(it.name)),
          ...[it.precision, it.recall, it.iou].map((share) => make("td", { class: "number" }, percent(share))),
        ),
      ),
    ),
  );
}

/**
 * Says which model of the user's is in use.
 *
 * @param {string | undefined} name nothing for the default model
 */
export function showModelLine(name) {
  byId("own-model").hidden = name === undefined;
  byId("own-model-name").textContent = name === undefined ? "" : t("ownModel", { name });
}
