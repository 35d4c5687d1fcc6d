// Segments one scene on the built page in headless Chromium and writes what came of it.
//   node tests/browser/segment.mjs --scene FILE [--bands green=2,red=3,nir=4] [--backend cpu|webgpu] [--tile N] [--workers N]
//     [--json OUT] [--downloads DIR] [--screenshot PNG] [--site dist|ADDRESS] [--timeout SECONDS] [--profile DIR]
// With --profile the browser's storage is on the disk, as in a window that is not private: large scenes need it.
// Exits 1 if there is no mask.

import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { Visit, launch, launchWithProfile, openSite } from "./page.mjs";

const text = { type: "string" };
const { values: options } = parseArgs({
  options: {
    scene: text, bands: text, backend: text, tile: text, workers: text, json: text, downloads: text, screenshot: text, site: text, profile: text,
    timeout: { type: "string", default: "900" },
  },
});
if (!options.scene) throw new Error("--scene FILE is required");
const timeout = Number(options.timeout) * 1000;

/** "green=2,red=3" as {green: 2, red: 3}. */
const bandsOf = (list) =>
  Object.fromEntries(
    list.split(",").map((item) => {
      const [name, number] = item.split("=");
      if (!name || !Number.isInteger(Number(number)) || Number(number) < 1) throw new Error(`--bands: "${item}" is not NAME=NUMBER`);
      return [name.trim(), Number(number)];
    }),
  );

async function segment(visit, report) {
  report.state = await visit.drop(resolve(options.scene), timeout);
  if (report.state === "error") return;
  if (options.bands) await visit.assignBands(bandsOf(options.bands));
  const began = performance.now();
  report.state = await visit.run(timeout);
  report.run_ms = Math.round(performance.now() - began);
  if (report.state === "error") return;
  report.classes = await visit.classes();
  if (options.downloads) {
    mkdirSync(options.downloads, { recursive: true });
    report.downloads = {};
    for (const button of await visit.page.locator("#downloads button").all()) {
      const id = await button.getAttribute("id");
      const began = performance.now();
      const path = await visit.download(`#${id}`, options.downloads, timeout);
      report.downloads[id.slice("download-".length)] = { path, bytes: statSync(path).size, ms: Math.round(performance.now() - began) };
    }
  }
}

const site = await openSite(options.site);
const browser = await (options.profile ? launchWithProfile(options.profile) : launch());
const report = { scene: options.scene, tile: options.tile ? Number(options.tile) : null };
try {
  const visit = await Visit.open(browser, site.url, { query: { backend: options.backend, tile: options.tile, workers: options.workers } });
  try {
    await segment(visit, report);
  } catch (error) {
    report.driver_error = error.message;
  }
  if (options.screenshot) await visit.page.screenshot({ path: options.screenshot });
  Object.assign(report, {
    backend: await visit.backend(),
    backend_text: await visit.page.innerText("#backend"),
    status: await visit.page.innerText("#status"),
    run_seconds: Number(await visit.page.getAttribute("#status", "data-seconds")) || null,
    workers: Number(await visit.page.getAttribute("#status", "data-workers")),
    // Wasm's memory never shrinks: this is the most that it took.
    wasm_bytes: Number(await visit.page.getAttribute("#status", "data-wasm-bytes")) || null,
    error: await visit.error(),
    warnings: await visit.page.locator("#warnings li").allInnerTexts(),
    since_open_ms: await visit.times(),
    console_errors: visit.consoleErrors,
    foreign_requests: visit.foreignRequests,
  });
} finally {
  await browser.close();
  await site.close();
}
const json = JSON.stringify(report, null, 2);
if (options.json) writeFileSync(options.json, `${json}\n`);
console.log(json);
process.exitCode = report.state === "done" && !report.driver_error ? 0 : 1;
