// @ts-check
// The areas of the classes, as rows of a table.

import { isDoubtful, precisionText } from "./figures.js";
import { make, swatch } from "./make.js";

/**
 * @typedef {import("../wasm/raremap-web.js").Areas} Areas
 * @typedef {import("./figures.js").Figures} Figures
 * @typedef {import("./speech.js").Speech} Speech
 */

/**
 * A row for each class: its name, its area or its pixels, its share, and how much of what is marked as it was right, if that is known.
 *
 * @param {Areas} areas
 * @param {Figures} figures
 * @param {Speech} speech
 */
export function classRows(areas, { classes }, speech) {
  return areas.classes.map((row) => {
    const known = classes.find(({ name }) => name === row.name);
    const isPossible = row.rare && isDoubtful(known);
    const label = isPossible ? speech.say("possible", { name: speech.className(row.name) }) : speech.title(row.name);
    const name = make("span", { class: "name" }, swatch(row.color), label);
    if (row.rare) name.append(make("span", { class: "rare" }, speech.say("rare")));
    const header = make("th", { scope: "row" }, name);
    if (isPossible) header.append(make("span", { class: "doubt" }, speech.say("lookAtEach")));
    const hectares = row.hectares ?? undefined;
    const number = (/** @type {string} */ text) => make("td", { class: "number" }, text);
    return make(
      "tr",
      { part: row.rare ? "row rare" : "row", "data-class": row.name, "data-pixels": row.pixels, "data-hectares": hectares, "data-percent": row.percent },
      header,
      number(hectares === undefined ? speech.number(row.pixels) : speech.area(hectares)),
      number(speech.percent(row.percent)),
      ...(classes.length > 0 ? [number(precisionText(known, speech))] : []),
    );
  });
}

/** What the column of shares that were right means; empty if it is not known. @param {Figures} figures @param {Speech} speech */
export function rightNote({ classes, threshold }, speech) {
  const measured = threshold === null ? "" : speech.say("rightThreshold", { threshold: speech.number(threshold, 2) });
  return classes.length > 0 ? `${speech.say("rightNote")} ${measured}` : "";
}

/** What should be known about the numbers. @param {Areas} areas @param {Speech} speech */
export function areasNote(areas, speech) {
  return [
    areas.validHectares === null ? speech.say("noGeoreference") : "",
    areas.complete ? "" : speech.say("partOnly"),
    // Part of a map may well be one class.
    ...(areas.complete ? areas.warnings.map(({ message }) => message) : []),
    areas.nodataPixels > 0 && areas.complete ? speech.say("noDataPixels", { count: speech.number(areas.nodataPixels) }) : "",
  ]
    .filter(Boolean)
    .join(" ");
}
