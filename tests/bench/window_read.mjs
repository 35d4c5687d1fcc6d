// Compares this project's reader in its worker with geotiff.js, on windows of the same GeoTIFF in headless Chromium.
//   npm install --prefix /tmp/geotiff geotiff
//   node tests/bench/window_read.mjs --file scene.tif --geotiff /tmp/geotiff/node_modules/geotiff/dist-browser/geotiff.js
//     [--edge 512] [--count 40] [--pairs 5] [--site dist]
// Both read the same windows of all bands in turn; a pair is one run of each, and the figure is the ratio of wall seconds. Sums of all
// samples must agree. The file comes from a file dialog, so that both read slices of a `File`, as the page does.

import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { launch, openSite } from "../browser/page.mjs";

const text = { type: "string" };
const { values: options } = parseArgs({
  options: {
    file: text, geotiff: text, site: text,
    edge: { type: "string", default: "512" }, count: { type: "string", default: "40" }, pairs: { type: "string", default: "5" },
  },
});
if (!options.file || !options.geotiff) throw new Error("--file and --geotiff are required");

/** Runs in the page. */
async function measure({ edge, count, pairs }) {
  const [file] = document.querySelector("#bench-file").files;
  const { Engine } = await import(new URL("web/engine/engine.js", location.href));
  const engine = new Engine();
  await engine.load({ backend: "cpu" });
  const { scene } = await engine.open({ entries: [{ path: file.name, file }] });
  const bands = scene.bands.map(({ index }) => index);
  const image = await (await GeoTIFF.fromBlob(file)).getImage();

  let state = 1;
  const below = (end) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Number((BigInt(state) * BigInt(end)) >> 32n);
  };
  const windows = Array.from({ length: count }, () => ({
    x: below(scene.width - edge + 1), y: below(scene.height - edge + 1), width: edge, height: edge,
  }));
  const total = (values) => values.reduce((sum, value) => sum + value, 0);
  const readers = {
    ours: (window) => engine.read(window, bands),
    geotiff_js: async ({ x, y, width, height }) => image.readRasters({ window: [x, y, x + width, y + height], interleave: true }),
  };
  const seconds = { ours: [], geotiff_js: [] };
  const sums = {};
  for (const [name, read] of Object.entries(readers)) sums[name] = total(await read(windows[0]));
  for (let pair = 0; pair < pairs; pair += 1) {
    for (const [name, read] of Object.entries(readers)) {
      const began = performance.now();
      for (const window of windows) await read(window);
      seconds[name].push((performance.now() - began) / 1000);
    }
  }
  engine.close();
  return { seconds, sums };
}

const site = await openSite(options.site);
const browser = await launch();
try {
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  await page.goto(site.url);
  await page.addScriptTag({ content: readFileSync(options.geotiff, "utf8") });
  await page.evaluate(() => {
    const input = Object.assign(document.createElement("input"), { type: "file", id: "bench-file" });
    document.body.append(input);
  });
  await page.setInputFiles("#bench-file", resolve(options.file));
  const [edge, count, pairs] = [options.edge, options.count, options.pairs].map(Number);
  const { seconds, sums } = await page.evaluate(measure, { edge, count, pairs });
  if (Math.abs(sums.ours - sums.geotiff_js) > 1e-9 * Math.abs(sums.geotiff_js)) throw new Error(`sums differ: ${JSON.stringify(sums)}`);
  const ratios = seconds.ours.map((ours, pair) => ours / seconds.geotiff_js[pair]).toSorted((a, b) => a - b);
  const report = {
    file_bytes: statSync(options.file).size,
    windows: `${count} of ${edge} x ${edge}`,
    seconds: Object.fromEntries(Object.entries(seconds).map(([name, values]) => [name, values.map((value) => Number(value.toFixed(3)))])),
    ratio_median: Number(ratios[Math.floor(ratios.length / 2)].toFixed(3)),
  };
  console.log(JSON.stringify(report, null, 2));
} finally {
  await browser.close();
  await site.close();
}
