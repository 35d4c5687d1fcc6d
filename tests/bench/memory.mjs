// Whether the memory of a long run stays flat: a made-up scene of 1,000 tiles and more on the built page in headless Chromium.
//   ./run --release --build-only
//   node tests/bench/memory.mjs --backend cpu|webgpu [--size 2048] [--tile 64] [--site FOLDER] [--json FILE]
// Counts the memory of all of Chromium's processes (proportional set size, Linux), from the first tile to the last, and compares the halves of the run.

import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Visit, launchWithProfile, openSite } from "../browser/page.mjs";
import { scene } from "../browser/scenes.mjs";
import { mean } from "./statistics.mjs";

const text = { type: "string" };
const { values: options } = parseArgs({
  options: {
    backend: { type: "string", default: "cpu" }, size: { type: "string", default: "2048" }, tile: { type: "string", default: "64" }, site: text, json: text,
  },
});
const SAMPLE_MS = 500;
const TIMEOUT_MS = 3_600_000;
const MIB = 1 << 20;

/** Throws what is not the end of a process that was to be read. */
function unlessEnded(cause) {
  if (!["ENOENT", "ESRCH"].includes(cause.code)) throw cause;
}

/** Processes that this one started, and those that they started. */
function descendants() {
  const children = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      // The name in brackets may contain spaces.
      const parent = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ")[1];
      children.set(parent, [...(children.get(parent) ?? []), pid]);
    } catch (cause) {
      unlessEnded(cause);
    }
  }
  const below = (pid) => (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(String(process.pid));
}

/** Bytes of memory of the browser; pages that processes share count once. */
function memoryBytes() {
  let kib = 0;
  for (const pid of descendants()) {
    try {
      kib += Number(/^Pss: +(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0);
    } catch (cause) {
      unlessEnded(cause);
    }
  }
  return kib * 1024;
}

/** @param {Visit} visit */
async function measure(visit, path) {
  const size = Number(options.size);
  writeFileSync(path, scene({ width: size, height: size }));
  const state = await visit.drop(path);
  if (state !== "ready") throw new Error(`the page does not take the scene: ${await visit.error()}`);
  /** @type {{done: number, bytes: number}[]} */
  const samples = [];
  const run = visit.run(TIMEOUT_MS).then((state) => ({ state }), (cause) => ({ cause }));
  let end;
  let total = 0;
  while (!end) {
    const progress = await visit.page.evaluate(() => {
      const bar = /** @type {HTMLProgressElement} */ (document.querySelector("#progress"));
      return { done: bar.value, total: bar.max };
    });
    total = Math.max(total, progress.total);
    // After the last tile, the page finishes the result.
    if (progress.done > 0 && progress.done < progress.total) samples.push({ done: progress.done, bytes: memoryBytes() });
    end = await Promise.race([run, new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))]);
  }
  if (end.cause) throw end.cause;
  if (end.state !== "done") throw new Error(`the run ended with: ${await visit.error()}`);
  return { samples, total };
}

const folder = mkdtempSync(join(tmpdir(), "raremap-memory-"));
const site = await openSite(options.site);
// In a private window, what the page writes to its storage would count as memory.
const browser = await launchWithProfile(join(folder, "profile"));
try {
  const visit = await Visit.open(browser, site.url, { query: { backend: options.backend, tile: options.tile } });
  const { samples, total } = await measure(visit, join(folder, "scene.tif"));
  const half = (isLast) => samples.filter(({ done }) => done > total / 2 === isLast).map(({ bytes }) => bytes);
  const report = {
    backend: await visit.backend(),
    total,
    first_half_mib: mean(half(false)) / MIB,
    last_half_mib: mean(half(true)) / MIB,
    ratio: mean(half(true)) / mean(half(false)),
    most_mib: Math.max(...samples.map(({ bytes }) => bytes)) / MIB,
    wasm_mib: Number(await visit.page.getAttribute("#status", "data-wasm-bytes")) / MIB,
    samples,
  };
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report)}\n`);
  const { samples: all, ...figures } = report;
  console.log(JSON.stringify({ ...figures, samples: all.length }, (_, value) => (typeof value === "number" ? Number(value.toFixed(3)) : value), 2));
} finally {
  await browser.close();
  await site.close();
  rmSync(folder, { recursive: true });
}
