// Accuracy against time: a plot of the networks of a learning curve, each by the milliseconds that a tile takes it on the browser's CPU path.
//   node tests/bench/browser.mjs --backend cpu --tile 256 --model runs/small.raremap --json small.json          # for each network
//   node tests/bench/size.mjs docs/learning-curve/results.json docs/learning-curve/size.svg "0.1 M parameters=small.json" ...
// Prints the figures as a table in Markdown.

import { readFileSync, writeFileSync } from "node:fs";

const [results, plot, ...pairs] = process.argv.slice(2);
if (pairs.length < 2) throw new Error("usage: node tests/bench/size.mjs RESULTS.json PLOT.svg ROW=BENCH.json ROW=BENCH.json ...");
const { runs } = JSON.parse(readFileSync(results, "utf8"));

const percentOf = (values) => 100 * (values.reduce((sum, value) => sum + value, 0) / values.length);
const points = pairs.map((pair) => {
  const at = pair.lastIndexOf("=");
  const row = pair.slice(0, at);
  const own = runs.filter((run) => run.row === row);
  if (own.length === 0) throw new Error(`${results} has no row ${row}`);
  const bench = JSON.parse(readFileSync(pair.slice(at + 1), "utf8"));
  const [[tile, { ours_ms: ms }]] = Object.entries(bench.cpu);
  const wetland = own.map((run) => run.evaluation.classes.find(({ name }) => name === "wetland").iou);
  const seeds = own.map((run) => 100 * run.evaluation.mean_iou);
  return { row, tile, ms, seeds, parameters: own[0].parameters, mean: percentOf(own.map((run) => run.evaluation.mean_iou)), wetland: percentOf(wetland) };
});

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 380, 60, 24, 24, 52];
const most = 1.3 * Math.max(...points.map(({ ms }) => ms));
const all = points.flatMap(({ seeds }) => seeds);
const [least, greatest] = [Math.floor(Math.min(...all) - 1), Math.ceil(Math.max(...all) + 1)];
const x = (ms) => LEFT + (ms / most) * (WIDTH - LEFT - RIGHT);
const y = (percent) => HEIGHT - BOTTOM - ((percent - least) / (greatest - least)) * (HEIGHT - TOP - BOTTOM);
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const text = (at, words, rest = "") => `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" ${rest}>${escaped(words)}</text>`;
const step = most > 100 ? 50 : most > 40 ? 20 : 10;
const marks = Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
const lines = Array.from({ length: greatest - least + 1 }, (_, index) => least + index).filter((percent) => percent % 2 === 0);
writeFileSync(plot, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
${lines.map((percent) => `<path d="M${LEFT} ${y(percent).toFixed(1)}H${WIDTH - RIGHT}" stroke="#ddd"/>${text([LEFT - 8, y(percent) + 4], String(percent), 'text-anchor="end"')}`).join("\n")}
${marks.map((ms) => text([x(ms), HEIGHT - BOTTOM + 18], String(ms), 'text-anchor="middle"')).join("\n")}
${text([(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12], `ms for a tile of ${points[0].tile} x ${points[0].tile} on the browser's CPU path, one thread`, 'text-anchor="middle"')}
${text([12, TOP - 8], "mean IoU of the validation split, percent; a dot per seed, a line at the mean")}
${points.map(({ row, ms, seeds, mean }) => [
  ...seeds.map((percent) => `<circle cx="${x(ms).toFixed(1)}" cy="${y(percent).toFixed(1)}" r="4" fill="#0064c8" fill-opacity="0.6"/>`),
  `<path d="M${(x(ms) - 9).toFixed(1)} ${y(mean).toFixed(1)}h18" stroke="black" stroke-width="2"/>`,
  text([x(ms), Math.min(...seeds.map(y)) - 10], row, 'text-anchor="middle"'),
].join("\n")).join("\n")}
</svg>
`);

console.log("| network | parameters | ms a tile | mean IoU | wetland IoU |\n|---|---|---|---|---|");
for (const { row, parameters, ms, mean, wetland } of points) {
  console.log(`| ${row} | ${parameters.toLocaleString("en")} | ${ms.toFixed(0)} | ${mean.toFixed(1)} | ${wetland.toFixed(1)} |`);
}
