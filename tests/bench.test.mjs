// The parts of the bench that need neither a browser nor a network: options, statistics, comparisons, figures and table.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { agreement, compareHeads, headsOf, largestDifference, maskOf } from "./bench/logits.mjs";
import { UsageError, parseOptions } from "./bench/options.mjs";
import { columns, entryOf, floorOf, table } from "./bench/report.mjs";
import { serveFolders } from "./bench/site.mjs";
import { plotOf, pointOf, tableOf } from "./bench/size.mjs";
import { mean, pairedRatio, quantile, summary } from "./bench/statistics.mjs";
import { bytesOf } from "./bench/transfer.mjs";

test("without options both backends run the default model in tiles of 256", () => {
  const { backends, tiles, model, random } = parseOptions([]);
  assert.deepEqual([backends, tiles, model, random], [["cpu", "webgpu"], [256], "web/models/default.raremap", null]);
});

test("options may be given several times, and each value counts once", () => {
  const { backends, tiles, changes } = parseOptions("--backend cpu --tile 256 --tile 512 --tile 256 --random 3 --set decoder_dim=128".split(" "));
  assert.deepEqual([backends, tiles, changes], [["cpu"], [256, 512], ["decoder_dim=128"]]);
});

test("what cannot be an option is refused with the option's name", () => {
  const refused = {
    "--backend gpu": /--backend gpu/,
    "--tile 100": /--tile 100: it must be a multiple of 32/,
    "--tile 0": /--tile 0/,
    "--tile big": /--tile big/,
    "--repetitions 0": /--repetitions 0/,
    "--threads 1": /--threads 1/,
    "--random -1": /random/,
    "--adapter fast": /--adapter fast/,
    "--host deno": /--host deno/,
    "--host node --threads 2": /--threads needs --host chromium/,
    "--random 1 --model x": /exclude/,
    "--set decoder_dim=128": /--random is missing/,
    "--tiles 256": /--tiles/,
    "256": /256/,
  };
  for (const [line, message] of Object.entries(refused)) {
    assert.throws(() => parseOptions(line.split(" ")), (error) => error instanceof UsageError && message.test(error.message), line);
  }
});

test("a wrong command line ends with the usage and status 2", () => {
  const script = fileURLToPath(new URL("bench/browser.mjs", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "--backend", "gpu"], { encoding: "utf8" });
  assert.deepEqual([status, stdout], [2, ""]);
  assert.match(stderr, /--backend gpu: it must be cpu or webgpu\n\nusage: /);
  assert.match(execFileSync(process.execPath, [script, "--help"], { encoding: "utf8" }), /^usage: /);
});

test("quantiles lie between neighbours", () => {
  assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
  assert.equal(quantile([10, 20], 0.25), 12.5);
  assert.deepEqual(summary([5, 1, 3]), { median: 3, min: 1, q1: 2, q3: 4, max: 5, count: 3 });
  assert.throws(() => summary([]), /nothing/);
});

test("a ratio is that of neighbours in time, so a slow moment of the machine cancels out", () => {
  // Twice as fast each time, while the machine is three times slower in the middle.
  assert.equal(pairedRatio([50, 150, 50], [100, 300, 100]), 0.5);
  assert.throws(() => pairedRatio([1], [1, 2]), /paired/);
});

test("logits are cut into heads and compared by head", () => {
  const shapes = { main: [1, 2, 1, 2], auxiliary: [1, 1, 1, 2] };
  const expected = headsOf(Float32Array.of(0, 10, 0, 5, -1, 1), shapes);
  const found = headsOf(Float32Array.of(0, 10.5, 0, 5, -1, 1.25), shapes);
  // 0.5 of 10 in the main head, 0.25 of 2 in the other.
  assert.deepEqual(compareHeads(found, expected), { max_abs: 0.5, relative: 0.125 });
  assert.throws(() => headsOf(new Float32Array(5), shapes), /5 logits, but the heads have 6/);
});

test("a logit that is not a number is infinitely far from any", () => {
  assert.equal(largestDifference(Float32Array.of(1, NaN), Float32Array.of(1, 2)), Infinity);
  assert.throws(() => largestDifference(new Float32Array(1), new Float32Array(2)), /1 logits instead of 2/);
});

test("the mask is the likeliest class of the upsampled logits", () => {
  // One row of two cells: the classes cross in the middle of four pixels.
  const head = { shape: [1, 2, 2, 2], values: Float32Array.of(1, 0, 1, 0, 0, 1, 0, 1) };
  assert.deepEqual([...maskOf(head, 4)], [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]);
  assert.equal(agreement(Uint8Array.of(1, 2, 3, 4), Uint8Array.of(1, 2, 0, 4)), 0.75);
  assert.throws(() => agreement(new Uint8Array(1), new Uint8Array(2)), /cannot be compared/);
});

const counts = { original: { multiply_adds: 4e9, least_bytes: 1e6, layer_bytes: 8e7 }, folded: { multiply_adds: 2e9, least_bytes: 1e6, layer_bytes: 6e7 } };
const ceilings = { multiply_adds_per_s: 1e10, fused_multiply_adds_per_s: 2e10, bytes_per_s: 1e10 };

/** What was measured of a side. */
const side = (firstMs, ...runsMs) => ({
  firstMs,
  runsMs,
  counts: { dispatches: 7, submissions: 1, uploaded_bytes: 0, read_back_bytes: 0 },
  totals: { pipelines: 3, peak_buffer_bytes: 5e6, wasm_bytes: 2e7 },
  difference: { max_abs: 1e-5, relative: 1e-6, mask_agreement: 1 },
});

test("the floor is the slower of arithmetic and traffic", () => {
  const floor = floorOf(counts.folded, ceilings);
  assert.deepEqual([floor.arithmetic_ms, floor.fused_arithmetic_ms, floor.traffic_ms, floor.ms], [200, 100, 6, 200]);
  assert.equal(floorOf(counts.folded, { ...ceilings, bytes_per_s: 1e8 }).ms, 600);
});

test("an entry has the figures of both sides, and those of the folded graph where it was run", () => {
  const entry = entryOf({ ours: side(900, 400, 500), theirs: side(600, 200, 250), theirs_folded: side(550, 160, 200) }, counts, ceilings);
  assert.deepEqual([entry.ours_ms, entry.theirs_ms, entry.ratio], [450, 225, 2]);
  assert.deepEqual([entry.theirs_folded_ms, entry.ratio_folded], [180, 2.5]);
  assert.deepEqual(entry.first, { ours: 900, theirs: 600, theirs_folded: 550, ratio: 1.5 });
  assert.equal(entry.per_tile.ours.dispatches, 7);
  assert.equal(entry.totals.theirs.pipelines, 3);
  assert.deepEqual(Object.keys(entry.difference), ["ours", "theirs", "theirs_folded"]);
  assert.equal(entry.floor.ms, 200);
  const bare = entryOf({ ours: side(1, 1), theirs: side(1, 1) }, counts, null);
  assert.deepEqual(["ratio_folded", "ratio_page", "floor"].filter((key) => key in bare), []);
});

test("the table has a line for each figure, and none for what is empty", () => {
  const entry = entryOf({ ours: side(900, 400), ours_page: side(950, 420), theirs: side(600, 200) }, counts, ceilings);
  for (const each of [entry.per_tile, entry.totals]) for (const name of Object.keys(each)) Object.assign(each[name], { dispatches: 0, pipelines: 0 });
  const part = { raw: 2e6, brotli: 1e6 };
  const text = table({
    model: "toy", browser: "Chromium 1", onnxruntime_web: "1.0.0", machine: "1 x processor", adapter: null,
    cpu: { 256: entry },
    cpu_threads: { 256: { threads: 2, ours_ms: 210, theirs_ms: 100, ratio: 2.1 } },
    transfer: { cpu: { ours: { wasm: part, scripts: part, model: part }, theirs: { wasm: part, scripts: part, model: part } } },
  });
  const lines = text.split("\n");
  assert.match(lines[0], /^toy: Chromium 1, onnxruntime-web 1\.0\.0, 1 x processor, no GPU$/);
  assert.ok(lines.some((line) => /^steady, median +400 ms +420 ms +200 ms$/.test(line)), text);
  assert.ok(lines.includes("raremap / onnxruntime-web: 2; with the page's work: 2.1; first: 1.5"), text);
  assert.ok(lines.some((line) => /^floor: 200 ms \(2,000 million multiply-adds 200 ms, 100 ms if fused; 60 MB 6 ms\); raremap takes 2 times that$/.test(line)), text);
  assert.ok(lines.some((line) => /^cpu, onnxruntime-web +2 MB +2 MB +2 MB +6 MB +3 MB$/.test(line)), text);
  assert.ok(lines.some((line) => line.endsWith("2 threads: raremap 210 ms a tile, onnxruntime-web 100 ms; ratio 2.1")), text);
  assert.ok(!/kernel launches|pipelines|undefined|NaN/.test(text), text);
});

test("columns are as wide as their widest cell", () => {
  assert.deepEqual(columns([["a", "b"], ["long", "1"], ["x", "1234"]]), ["a        b", "long     1", "x     1234"]);
});

test("bytes are counted as they are and with brotli", () => {
  const folder = mkdtempSync(join(tmpdir(), "raremap-bench-test-"));
  try {
    const files = ["a", "b"].map((name) => join(folder, name));
    for (const file of files) writeFileSync(file, "same ".repeat(1000));
    const { raw, brotli } = bytesOf(files);
    assert.equal(raw, 10_000);
    assert.ok(brotli > 0 && brotli < 200, `${brotli}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the bench's server isolates its origin, which threads need, and serves only its folders", async () => {
  const folder = fileURLToPath(new URL("bench/", import.meta.url));
  const site = await serveFolders({ bench: folder });
  try {
    const script = await fetch(new URL("bench/page/answer.mjs", site.url));
    assert.deepEqual([script.status, script.headers.get("content-type")], [200, "text/javascript"]);
    assert.equal(script.headers.get("cross-origin-opener-policy"), "same-origin");
    assert.equal(script.headers.get("cross-origin-embedder-policy"), "require-corp");
    const statuses = await Promise.all(["", "bench/missing.mjs", "other/answer.mjs", "bench/%2e%2e%2fcounts.awk"].map(async (path) => (await fetch(new URL(path, site.url))).status));
    assert.deepEqual(statuses, [200, 404, 404, 404]);
  } finally {
    await site.close();
  }
});

test("the recorder counts what passes through WebGPU, and the memory of wasm", async () => {
  class GPUBuffer {
    constructor(size) {
      this.size = size;
    }
    async mapAsync() {}
    destroy() {}
  }
  const types = {
    GPUBuffer,
    GPUMapMode: { READ: 1, WRITE: 2 },
    GPUComputePassEncoder: class { dispatchWorkgroups() {} dispatchWorkgroupsIndirect() {} },
    GPUQueue: class { submit() {} writeBuffer() {} },
    GPUDevice: class {
      createShaderModule() { return "module"; }
      async createComputePipelineAsync() { return "pipeline"; }
      createBuffer({ size }) { return new GPUBuffer(size); }
    },
  };
  Object.assign(globalThis, types);
  const { take, totals, wasmBytes } = await import("./bench/page/recorder.mjs");
  const [device, queue, pass] = [new types.GPUDevice(), new types.GPUQueue(), new types.GPUComputePassEncoder()];
  const [kept, thrown] = [device.createBuffer({ size: 100 }), device.createBuffer({ size: 50, mappedAtCreation: true })];
  thrown.destroy();
  thrown.destroy();
  device.createBuffer({ size: 20 });
  assert.equal(device.createShaderModule({ code: "12345" }), "module");
  assert.equal(await device.createComputePipelineAsync({}), "pipeline");
  pass.dispatchWorkgroups(1);
  pass.dispatchWorkgroupsIndirect({}, 0);
  queue.writeBuffer(kept, 0, new Float32Array(4));
  queue.writeBuffer(kept, 0, new Float32Array(4), 1, 2);
  queue.writeBuffer(kept, 0, new ArrayBuffer(16), 0, 3);
  queue.submit([]);
  await kept.mapAsync(1, 40);
  await kept.mapAsync(2);
  const uploaded = 50 + 16 + 8 + 3;
  assert.deepEqual(take(), { dispatches: 2, pipelines: 1, shader_bytes: 5, submissions: 1, uploaded_bytes: uploaded, read_back_bytes: 60 });
  assert.equal(take().dispatches, 0);
  assert.deepEqual(totals(), { pipelines: 1, peak_buffer_bytes: 150 });
  // A module that exports a memory of one page of 64 KiB.
  const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 3, 1, 0, 1, 7, 5, 1, 1, 0x6d, 2, 0);
  const { instance } = await WebAssembly.instantiate(module);
  assert.equal(wasmBytes(), 65_536);
  instance.exports.m.grow(1);
  assert.equal(wasmBytes(), 131_072);
});

test("a network's point has all its runs, and the plot a dot for each", () => {
  const run = (row, mean_iou) => ({ row, parameters: 1_234_000, evaluation: { mean_iou, classes: [{ name: "wetland", iou: mean_iou / 10 }] } });
  const runs = [run("small & quick", 0.5), run("small & quick", 0.52), run("large", 0.6)];
  const bench = (ms, tile = 256) => ({ cpu: { [tile]: { ours_ms: ms } } });
  const points = [pointOf(runs, "small & quick", bench(10)), pointOf(runs, "large", bench(40))];
  assert.equal(mean(points[0].seeds), 51);
  const svg = plotOf(points);
  assert.equal(svg.match(/<circle/g)?.length, 3);
  assert.equal(svg.match(/>1\.2 M</g)?.length, 2);
  assert.match(tableOf(points), /\| small & quick \| 1,234,000 \| 10 \| 51\.0 \| 5\.1 \|/);
  assert.throws(() => pointOf(runs, "medium", bench(10)), /no row "medium"/);
  assert.throws(() => pointOf(runs, "large", { cpu: {} }), /one tile size/);
  assert.throws(() => plotOf([points[0], pointOf(runs, "large", bench(40, 512))]), /different sizes/);
});
