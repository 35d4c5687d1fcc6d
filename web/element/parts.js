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

/**
 * Everything in the shadow tree, by what it is for.
 *
 * @param {{canvas: HTMLCanvasElement, offers: HTMLElement, colors: HTMLElement, review: HTMLElement}} views what web/view makes for page and element alike
 */
export function makeParts({ canvas, offers, colors, review }) {
  const button = (/** @type {string} */ part, /** @type {string} */ className, /** @type {string} */ text = "") =>
    make("button", { type: "button", part: `button ${part}`, class: className }, text);
  for (const [name, value] of Object.entries({ tabindex: "0", role: "application", "aria-roledescription": "map", part: "canvas", hidden: "" })) {
    canvas.setAttribute(name, value);
  }
  const choose = button("choose", "primary");
  const emptyTitle = make("strong");
  const accepts = make("p", { class: "muted small" });
  const empty = make("div", { class: "empty", part: "empty" }, make("slot", { name: "empty" }, emptyTitle, accepts), choose);
  const zoom = { in: button("zoom-in", "", "+"), out: button("zoom-out", "", "−"), fit: button("zoom-fit", "", "⤢") };
  const tools = make("div", { class: "tools", part: "tools", hidden: true }, zoom.in, zoom.out, zoom.fit);
  const legend = make("div", { class: "legend", part: "legend", role: "group", hidden: true });
  const viewer = make("div", { class: "viewer", part: "viewer" }, canvas, empty, tools, legend);

  const files = make("input", { type: "file", multiple: true, accept: ACCEPT, hidden: true });
  const status = make("p", { class: "status", part: "status", role: "status", "aria-live": "polite" });
  const error = make("div", { class: "error", part: "error", role: "alert", hidden: true });
  const facts = make("p", { class: "muted small", part: "facts" });
  const warnings = make("ul", { class: "warnings small", part: "warnings" });
  const bandsTitle = make("summary");
  const bandSelects = make("div", { class: "bands" });
  const bands = make("details", { part: "bands" }, bandsTitle, bandSelects);
  const notices = make("ul", { class: "muted small", part: "notices" });
  const colorNote = make("p", { class: "muted small", part: "color-note" });
  const another = button("another", "");
  const scene = make("div", { class: "group", part: "scene", hidden: true }, facts, warnings, notices, offers, colorNote, colors, bands, another);

  const threshold = numberField("threshold", { max: 1, step: 0.01 });
  const topK = numberField("top-k", { max: 100, step: 1 });
  const opacity = numberField("opacity", { max: 100, step: 5 });
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
  const column = (/** @type {string | undefined} */ className) => make("th", { scope: "col", class: className });
  const head = { class: column(undefined), area: column("number"), percent: column("number"), right: column("number") };
  const rows = make("tbody");
  const table = make("table", { part: "table" }, make("thead", {}, make("tr", {}, ...Object.values(head))), rows);
  const tableWrap = make("div", { class: "table", tabindex: 0, role: "region" }, table);
  const rightNote = make("p", { class: "muted small", part: "right-note" });
  const note = make("p", { class: "muted small", part: "note", role: "status" });
  const downloads = make("div", { class: "downloads", part: "downloads", role: "group" });
  const result = make("div", { class: "group", part: "result", hidden: true }, layers, opacity.field, tableWrap, rightNote, note, review, downloads);

  const panel = make("div", { class: "panel", part: "panel" }, make("slot", { name: "header" }), status, error, scene, options, run, running, result, make("slot", { name: "footer" }), files);
  const root = make("div", { class: "root", part: "root" }, viewer, panel);
  return {
    root, viewer, canvas, empty, emptyTitle, accepts, choose, tools, zoom, files, status, error, scene, facts, warnings, notices, colorNote, bands,
    bandsTitle, bandSelects, another, threshold, topK, opacity, legend, rightNote,
    rareTitle, rareChecks, run, running, progress, tiles, cancel, layerTitle, layerChecks, result, head, rows, tableWrap, note, downloads,
  };
}
