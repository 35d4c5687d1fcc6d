// What was measured, as figures and as a table.

import { pairedRatio, summary } from "./statistics.mjs";

/**
 * What was measured of one side.
 *
 * @typedef {object} Side
 * @property {number} firstMs from the bytes of wasm and model to the first tile's logits
 * @property {number[]} runsMs
 * @property {{dispatches: number, submissions: number, uploaded_bytes: number, read_back_bytes: number}} counts of a run
 * @property {{pipelines: number, peak_buffer_bytes: number, wasm_bytes: number}} totals
 * @property {{max_abs: number, relative: number, mask_agreement: number}} [difference] from the reference
 *
 * @typedef {{multiply_adds: number, least_bytes: number, layer_bytes: number}} Counts
 * @typedef {{multiply_adds_per_s: number, fused_multiply_adds_per_s?: number | null, bytes_per_s: number}} Ceilings
 */

/** Names of the sides in the JSON, and in the table. */
export const SIDES = {
  ours: "raremap",
  ours_page: "raremap, page",
  theirs: "onnxruntime-web",
  theirs_folded: "onnxruntime-web, folded",
};

/**
 * The least time that a tile can take here: its arithmetic and its traffic at the speeds that were measured, whichever takes longer.
 *
 * @param {Counts} counts @param {Ceilings} ceilings
 */
export function floorOf(counts, ceilings) {
  const fastest = Math.max(ceilings.multiply_adds_per_s, ceilings.fused_multiply_adds_per_s ?? 0);
  const arithmetic = (1000 * counts.multiply_adds) / ceilings.multiply_adds_per_s;
  const traffic = (1000 * counts.layer_bytes) / ceilings.bytes_per_s;
  return {
    ...counts,
    arithmetic_ms: arithmetic,
    fused_arithmetic_ms: (1000 * counts.multiply_adds) / fastest,
    traffic_ms: traffic,
    ms: Math.max(arithmetic, traffic),
  };
}

/**
 * The figures of one tile size on one backend.
 *
 * @param {Record<string, Side>} sides by the names of `SIDES`; `ours` and `theirs` are required
 * @param {{original: Counts, folded: Counts}} counts @param {Ceilings | null} ceilings
 */
export function entryOf(sides, counts, ceilings) {
  const names = Object.keys(SIDES).filter((name) => sides[name]);
  const each = (figure) => Object.fromEntries(names.map((name) => [name, figure(sides[name])]));
  const steady = each(({ runsMs }) => summary(runsMs));
  const entry = {
    ours_ms: steady.ours.median,
    theirs_ms: steady.theirs.median,
    ratio: pairedRatio(sides.ours.runsMs, sides.theirs.runsMs),
    ...(sides.theirs_folded && {
      theirs_folded_ms: steady.theirs_folded.median,
      ratio_folded: pairedRatio(sides.ours.runsMs, sides.theirs_folded.runsMs),
    }),
    ...(sides.ours_page && { ours_page_ms: steady.ours_page.median, ratio_page: pairedRatio(sides.ours_page.runsMs, sides.theirs.runsMs) }),
    first: { ...each(({ firstMs }) => firstMs), ratio: sides.ours.firstMs / sides.theirs.firstMs },
    steady,
    per_tile: each((side) => side.counts),
    totals: each(({ totals }) => totals),
    difference: Object.fromEntries(names.filter((name) => sides[name].difference).map((name) => [name, sides[name].difference])),
  };
  // The network is the folded one on our side; the paper's graph has more to do for the same logits.
  if (ceilings) entry.floor = floorOf(counts.folded, ceilings);
  return { ...entry, counts };
}

const digits = (value) => {
  if (value === undefined || value === null) return "";
  if (value === 0 || Number.isInteger(value)) return value.toLocaleString("en-US");
  return Math.abs(value) < 0.01 ? value.toExponential(1) : value.toLocaleString("en-US", { maximumSignificantDigits: value < 100 ? 3 : 4 });
};
const megabytes = (bytes) => (bytes ? `${digits(bytes / 1e6)} MB` : "");
const milliseconds = (ms) => (ms === undefined ? "" : `${digits(ms)} ms`);

/** Lines of a table whose columns are as wide as they need to be. @param {string[][]} rows */
export function columns(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, column) => (column ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))).join("  ").trimEnd());
}

/** @param {string} title @param {ReturnType<typeof entryOf>} entry */
function tileTable(title, entry) {
  const names = Object.keys(entry.steady);
  const row = (label, cell) => [label, ...names.map(cell)];
  const rows = [
    row(title, (name) => SIDES[name]),
    row("steady, median", (name) => milliseconds(entry.steady[name].median)),
    row("  quartiles", (name) => `${digits(entry.steady[name].q1)} to ${digits(entry.steady[name].q3)}`),
    row("  least", (name) => milliseconds(entry.steady[name].min)),
    row("first tile", (name) => milliseconds(entry.first[name])),
    row("kernel launches", (name) => digits(entry.per_tile[name].dispatches)),
    row("pipelines", (name) => digits(entry.totals[name].pipelines)),
    row("submissions", (name) => digits(entry.per_tile[name].submissions)),
    row("wasm memory", (name) => megabytes(entry.totals[name].wasm_bytes)),
    row("GPU buffers, peak", (name) => megabytes(entry.totals[name].peak_buffer_bytes)),
    row("logits, of their range", (name) => digits(entry.difference[name]?.relative)),
    row("equal pixels of the mask", (name) => (entry.difference[name] ? `${(100 * entry.difference[name].mask_agreement).toFixed(3)}%` : "")),
  ];
  // On the CPU nothing passes through WebGPU.
  const filled = rows.filter(([, ...cells]) => cells.some((cell) => cell !== "" && cell !== "0"));
  const ratios = [
    `raremap / onnxruntime-web: ${digits(entry.ratio)}`,
    entry.ratio_folded !== undefined && `with the folded graph: ${digits(entry.ratio_folded)}`,
    entry.ratio_page !== undefined && `with the page's work: ${digits(entry.ratio_page)}`,
    `first: ${digits(entry.first.ratio)}`,
  ];
  const lines = [...columns(filled), ratios.filter(Boolean).join("; ")];
  if (entry.floor) {
    const { ms, multiply_adds, arithmetic_ms, fused_arithmetic_ms, layer_bytes, traffic_ms } = entry.floor;
    const fused = fused_arithmetic_ms < arithmetic_ms ? `, ${milliseconds(fused_arithmetic_ms)} if fused` : "";
    lines.push(
      `floor: ${milliseconds(ms)} (${digits(multiply_adds / 1e6)} million multiply-adds ${milliseconds(arithmetic_ms)}${fused}; ` +
        `${digits(layer_bytes / 1e6)} MB ${milliseconds(traffic_ms)}); raremap takes ${digits(entry.ours_ms / ms)} times that`,
    );
  }
  return lines;
}

/** @param {Record<string, {raw: number, brotli: number}>} parts */
const total = (parts, key) => Object.values(parts).reduce((sum, part) => sum + part[key], 0);

function transferTable(transfer) {
  const rows = [["transfer until the first mask", "wasm", "scripts", "model", "all", "all, brotli"]];
  for (const [backend, sides] of Object.entries(transfer)) {
    for (const [side, parts] of Object.entries(sides)) {
      const cells = ["wasm", "scripts", "model"].map((part) => megabytes(parts[part].raw));
      rows.push([`${backend}, ${SIDES[side]}`, ...cells, megabytes(total(parts, "raw")), megabytes(total(parts, "brotli"))]);
    }
  }
  return columns(rows);
}

/** Everything for people. */
export function table(report) {
  const blocks = [[`${report.model}: ${report.browser}, onnxruntime-web ${report.onnxruntime_web}, ${report.machine}, ${report.adapter ?? "no GPU"}`]];
  for (const backend of ["cpu", "webgpu"]) {
    for (const [tile, entry] of Object.entries(report[backend] ?? {})) blocks.push(tileTable(`${backend}, ${tile} x ${tile}`, entry));
  }
  for (const [tile, entry] of Object.entries(report.cpu_threads ?? {})) {
    blocks.push([
      `cpu, ${tile} x ${tile}, ${entry.threads} threads: raremap ${milliseconds(entry.ours_ms)} a tile, onnxruntime-web ${milliseconds(entry.theirs_ms)}; ` +
        `ratio ${digits(entry.ratio)}`,
    ]);
  }
  blocks.push(transferTable(report.transfer));
  return blocks.map((lines) => lines.join("\n")).join("\n\n");
}
