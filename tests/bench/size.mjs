// Accuracy against time: a plot of the networks of a learning curve, each by the milliseconds that a tile takes it on the browser's CPU path.
//   target/release/raremap export runs/curve/RUN --out small.raremap                                            # for each network, any seed
//   node tests/bench/browser.mjs --backend cpu --tile 256 --model small.raremap --json small.json               # likewise
//   node tests/bench/size.mjs docs/learning-curve/results.json docs/learning-curve/size.svg "0.1 M parameters=small.json" ...
// Prints the figures as a table in Markdown.

import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

import { mean } from "./statistics.mjs";

/**
 * @typedef {object} Point a network of the plot
 * @property {string} row its row in the table
 * @property {string} tile edge in pixels
 * @property {number} ms that a tile takes
 * @property {number} parameters
 * @property {number[]} seeds mean IoU of each run, in percent
 * @property {number} wetland mean of its IoU over the runs, in percent
 */

/**
 * The figures of a row.
 *
 * @param {{row: string, parameters: number, evaluation: {mean_iou: number, classes: {name: string, iou: number}[]}}[]} runs of the whole table
 * @param {string} row @param {{cpu?: Record<string, {ours_ms: number}>}} bench what browser.mjs wrote
 * @returns {Point}
 */
export function pointOf(runs, row, bench) {
  const own = runs.filter((run) => run.row === row);
  if (own.length === 0) throw new Error(`the results have no row "${row}"`);
  const [measured, ...others] = Object.entries(bench.cpu ?? {});
  if (!measured || others.length > 0) throw new Error(`the bench of "${row}" must have the CPU path at one tile size`);
  const [tile, { ours_ms: ms }] = measured;
  const wetland = own.map(({ evaluation }) => evaluation.classes.find(({ name }) => name === "wetland")?.iou ?? 0);
  const seeds = own.map(({ evaluation }) => 100 * evaluation.mean_iou);
  return { row, tile, ms, parameters: own[0].parameters, seeds, wetland: 100 * mean(wetland) };
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 380, 60, 24, 24, 52];

/** The plot as SVG. @param {Point[]} points */
export function plotOf(points) {
  const [{ tile }] = points;
  if (points.some((point) => point.tile !== tile)) throw new Error("the tiles of the benches have different sizes");
  const most = 1.3 * Math.max(...points.map(({ ms }) => ms));
  const all = points.flatMap(({ seeds }) => seeds);
  const [least, greatest] = [Math.floor(Math.min(...all) - 1), Math.ceil(Math.max(...all) + 1)];
  const x = (ms) => (LEFT + (ms / most) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (percent) => (HEIGHT - BOTTOM - ((percent - least) / (greatest - least)) * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  const text = (left, top, words, rest = 'text-anchor="middle"') => `<text x="${left}" y="${top}" ${rest}>${words}</text>`;
  const step = most > 100 ? 50 : most > 40 ? 20 : 10;
  const times = Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
  const lines = Array.from({ length: greatest - least + 1 }, (_, index) => least + index).filter((percent) => percent % 2 === 0);
  const network = ({ parameters, ms, seeds }) => [
    ...seeds.map((percent) => `<circle cx="${x(ms)}" cy="${y(percent)}" r="4" fill="#0064c8" fill-opacity="0.6"/>`),
    `<path d="M${x(ms)} ${y(mean(seeds))}m-9 0h18" stroke="black" stroke-width="2"/>`,
    text(x(ms), y(Math.max(...seeds)) - 10, `${(parameters / 1e6).toFixed(1)} M`),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="white"/>',
    ...lines.flatMap((percent) => [
      `<path d="M${LEFT} ${y(percent)}H${WIDTH - RIGHT}" stroke="#ddd"/>`,
      text(LEFT - 8, Number(y(percent)) + 4, String(percent), 'text-anchor="end"'),
    ]),
    ...times.map((ms) => text(x(ms), HEIGHT - BOTTOM + 18, String(ms))),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, `milliseconds for a tile of ${tile} x ${tile} on the browser's CPU path, one thread`),
    text(12, TOP - 8, "mean IoU of the validation split, percent, by parameters; a dot per seed, a line at the mean", ""),
    ...points.flatMap(network),
    "</svg>",
    "",
  ].join("\n");
}

/** The figures as Markdown. @param {Point[]} points */
export function tableOf(points) {
  const line = ({ row, parameters, ms, seeds, wetland }) =>
    `| ${row} | ${parameters.toLocaleString("en")} | ${ms.toFixed(0)} | ${mean(seeds).toFixed(1)} | ${wetland.toFixed(1)} |`;
  return ["| network | parameters | ms a tile | mean IoU | wetland IoU |", "|---|---|---|---|---|", ...points.map(line)].join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [results, plot, ...pairs] = process.argv.slice(2);
  if (pairs.length === 0) throw new Error("usage: node tests/bench/size.mjs RESULTS.json PLOT.svg ROW=BENCH.json ...");
  const read = (path) => JSON.parse(readFileSync(path, "utf8"));
  const { runs } = read(results);
  const points = pairs.map((pair) => {
    const at = pair.lastIndexOf("=");
    return pointOf(runs, pair.slice(0, at), read(pair.slice(at + 1)));
  });
  writeFileSync(plot, plotOf(points));
  console.log(tableOf(points));
}
