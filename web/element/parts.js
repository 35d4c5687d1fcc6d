// @ts-check
// The element's shadow tree, without behaviour.

import { make } from "../view/make.js";

/** @typedef {ReturnType<typeof makeParts>} Parts */

const ACCEPT = ".tif,.tiff,.gtiff,.TIF,.zip,.txt,.xml,.msk,.tfw,.tifw,.wld,.prj,image/tiff,application/zip";

/**
 * A number field with its slider: one value, two ways to set it.
 *
 * @param {string} name
 * @param {{max: number, step: number}} range
 */
function numberField(name, { max, step }) {
  const bounds = { min: 0, max, step };
  const number = make("input", { type: "number", id: name, part: "number", ...bounds, inputmode: "decimal" });
  const range = make("input", { type: "range", part: "range", ...bounds });
  const label = make("label", { for: name });
  return { field: make("div", { class: "field", part: "field" }, label, number, range), label, number, range };
}

/** Everything in the shadow tree, by what it is for. */
export function makeParts() {
  const button = (/** @type {string} */ part, /** @type {string} */ className, /** @type {string} */ text = "") =>
    make("button", { type: "button", part: `button ${part}`, class: className }, text);
  const canvas = make("canvas", { tabindex: 0, role: "application", "aria-roledescription": "map", part: "canvas", hidden: true });
  const choose = button("choose", "primary");
  const emptyTitle = make("strong");
  const accepts = make("p", { class: "muted small" });
  const empty = make("div", { class: "empty", part: "empty" }, make("slot", { name: "empty" }, emptyTitle, accepts), choose);
  const zoom = { in: button("zoom-in", "", "+"), out: button("zoom-out", "", "−"), fit: button("zoom-fit", "", "⤢") };
  const tools = make("div", { class: "tools", part: "tools", hidden: true }, zoom.in, zoom.out, zoom.fit);
  const viewer = make("div", { class: "viewer", part: "viewer" }, canvas, empty, tools);

  const files = make("input", { type: "file", multiple: true, accept: ACCEPT, hidden: true });
  const status = make("p", { class: "status", part: "status", role: "status", "aria-live": "polite" });
  const error = make("div", { class: "error", part: "error", role: "alert", hidden: true });
  const facts = make("p", { class: "muted small", part: "facts" });
  const warnings = make("ul", { class: "warnings small", part: "warnings" });
  const bandsTitle = make("summary");
  const bandSelects = make("div", { class: "bands" });
  const bands = make("details", { part: "bands" }, bandsTitle, bandSelects);
  const another = button("another", "");
  const scene = make("div", { class: "group", part: "scene", hidden: true }, facts, warnings, bands, another);

  const threshold = numberField("threshold", { max: 1, step: 0.01 });
  const topK = numberField("top-k", { max: 100, step: 1 });
  const rareTitle = make("legend");
  const rareChecks = make("div", { class: "checks" });
  const rare = make("fieldset", { part: "rare" }, rareTitle, rareChecks);
  const run = button("run", "primary");
  const progress = make("progress", { part: "progress", value: 0, max: 1 });
  const tiles = make("p", { class: "muted small" });
  const cancel = button("cancel", "");
  const running = make("div", { class: "group", part: "running", hidden: true }, progress, tiles, cancel);
  const options = make("div", { class: "group", part: "options" }, threshold.field, rare, topK.field);

  const layerTitle = make("legend");
  const layerChecks = make("div", { class: "checks" });
  const layers = make("fieldset", { part: "layers" }, layerTitle, layerChecks);
  const head = { class: make("th", { scope: "col" }), area: make("th", { scope: "col", class: "number" }), percent: make("th", { scope: "col", class: "number" }) };
  const rows = make("tbody");
  const table = make("table", { part: "table" }, make("thead", {}, make("tr", {}, head.class, head.area, head.percent)), rows);
  const tableWrap = make("div", { class: "table", tabindex: 0, role: "region" }, table);
  const note = make("p", { class: "muted small", part: "note", role: "status" });
  const downloads = make("div", { class: "downloads", part: "downloads", role: "group" });
  const result = make("div", { class: "group", part: "result", hidden: true }, layers, tableWrap, note, downloads);

  const panel = make("div", { class: "panel", part: "panel" }, make("slot", { name: "header" }), status, error, scene, options, run, running, result, make("slot", { name: "footer" }), files);
  const root = make("div", { class: "root", part: "root" }, viewer, panel);
  return {
    root, viewer, canvas, empty, emptyTitle, accepts, choose, tools, zoom, files, status, error, scene, facts, warnings, bands, bandsTitle, bandSelects,
    another, threshold, topK,
    rareTitle, rareChecks, run, running, progress, tiles, cancel, layerTitle, layerChecks, result, head, rows, tableWrap, note, downloads,
  };
}
