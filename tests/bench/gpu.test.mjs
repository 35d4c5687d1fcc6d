// The network as our own kernels compute it on a GPU, compared with onnxruntime and with the CPU, for networks and tiles of many shapes.
// BENCH_PYTHON names an interpreter with the packages of requirements.txt (tests/tools.sh: need_bench_python).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Chromium } from "./chromium.mjs";
import { compareHeads, headsOf, largestDifference, rangeOf } from "./logits.mjs";
import { modulesOn } from "./modules.mjs";

const PYTHON = process.env.BENCH_PYTHON;
const HERE = fileURLToPath(new URL(".", import.meta.url));
const MINUTES = 60_000;
/** Of the range of a head's logits. The largest difference is a hundredth of it; a wrong weight or a border that is off by one is far above. */
const TOLERANCE = 1e-4;
/** Kernels of a tile at most. Of burn's operations, B0 is more than 600. */
const MOST_LAUNCHES = 130;

let folder, host;

before(async () => {
  assert.ok(PYTHON, "BENCH_PYTHON is not set");
  folder = mkdtempSync(join(tmpdir(), "raremap-gpu-test-"));
  const folders = { site: resolve(process.env.RAREMAP_SITE ?? "dist"), bench: HERE, data: folder };
  const playwright = join(HERE, "../browser/page.mjs");
  host = await Chromium.start(folders, { executablePath: process.env.CHROMIUM, playwright, adapter: "software" });
});
after(async () => {
  await host?.end();
  rmSync(folder, { recursive: true });
});

const floats = (bytes) => new Float32Array(Uint8Array.from(bytes).buffer);

/** Writes a network, a tile of `tile` pixels and onnxruntime's logits of it; gives what is known of them. */
function exported(name, tile, args) {
  const out = join(folder, name);
  const { status, stderr } = spawnSync(PYTHON, [join(HERE, "peer/export.py"), ...args, "--tile", String(tile), "--out", out], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return JSON.parse(readFileSync(join(out, "export.json"), "utf8"));
}

/** Logits of a tile by a network of `exported`, and the launches that it took. @param {{input: string, size: [number, number]}} tile */
async function compute(name, backend, { input, size }) {
  const data = (file) => host.address(`data/${name}/${file}`);
  await host.open(name, "bench/page/ours.mjs");
  await host.ask(name, "start", {
    drive: "tiles", size, model: data("model.raremap"), input: data(input), scene: data(input), modules: modulesOn(host, backend),
  });
  const { counts } = await host.ask(name, "run");
  const logits = floats(await host.bytes(name, "logits"));
  await host.close(name);
  return { logits, launches: counts.dispatches };
}

const set = (...changes) => changes.flatMap((change) => ["--set", change]);

const NETWORKS = {
  // Its tiles have two windows along each axis.
  "the default model": [128, [resolve("web/models/default.raremap")]],
  "B0, whose attention has no windows": [64, ["--random", "1"]],
  "channels that no tile of a product divides, and one head": [
    96, ["--random", "2", ...set("dims=[6,10,21,40]", "heads=[1,2,3,5]", "decoder_dim=37", "num_rare=1", "detail_dim=5", "pixel_dim=7", "attention_window_px=32")],
  ],
  "other depths and reductions, many classes, none of them rare": [
    64, ["--random", "3", ...set("dims=[8,16,24,32]", "heads=[1,2,3,4]", "depths=[1,2,1,3]", "reduction=[4,2,2,1]", "num_classes=40", "num_rare=0", "decoder_dim=24", "mlp_ratio=2")],
  ],
  "an input that is enlarged first": [
    64, ["--random", "5", ...set("dims=[8,16,20,24]", "heads=[1,2,1,3]", "decoder_dim=16", "input_upsampling=2", "detail_dim=4")],
  ],
  "pixels with logits of their own over cells of 4 x 4, and no rare class": [
    64, ["--random", "7", ...set("dims=[8,16,20,24]", "heads=[1,2,1,3]", "decoder_dim=16", "num_rare=0", "pixel_dim=4")],
  ],
  "five bands": [64, ["--random", "4", ...set("dims=[8,16,20,24]", "heads=[1,2,1,3]", "in_channels=5", "num_rare=3", "decoder_dim=16")]],
};

for (const [name, [tile, args]] of Object.entries(NETWORKS)) {
  test(`on a GPU, as onnxruntime: ${name}`, { timeout: 5 * MINUTES }, async () => {
    const key = name.replaceAll(/\W+/g, "-");
    const { shapes } = exported(key, tile, args).tiles[tile];
    const { logits, launches } = await compute(key, "webgpu", { input: `input-${tile}.f32`, size: [tile, tile] });
    const { relative } = compareHeads(headsOf(logits, shapes), headsOf(floats(readFileSync(join(folder, key, `logits-${tile}.f32`))), shapes));
    assert.ok(relative < TOLERANCE, `logits are off by ${relative} of their range`);
    assert.ok(launches > 0 && launches <= MOST_LAUNCHES, `${launches} launches`);
  });
}

const ON_BOTH = {
  // 96 x 160 pixels: the last windows of a row and of a column are smaller.
  "windows that do not divide the tile": [resolve("web/models/default.raremap")],
  "the same with other reductions, and no detail path": [
    "--random", "6", ...set("dims=[8,16,20,24]", "heads=[1,2,1,3]", "decoder_dim=16", "reduction=[4,2,1,1]", "attention_window_px=64"),
  ],
};

for (const [name, args] of Object.entries(ON_BOTH)) {
  test(`on a GPU, as on the CPU: ${name}`, { timeout: 5 * MINUTES }, async () => {
    const key = name.replaceAll(/\W+/g, "-");
    const { architecture } = exported(key, 64, args);
    const size = [96, 160];
    const values = Float32Array.from({ length: architecture.in_channels * size[0] * size[1] }, (_, at) => Math.sin(at * at * 0.37) + Math.cos(at / 50));
    writeFileSync(join(folder, key, "wide.f32"), values);
    const [gpu, cpu] = [await compute(key, "webgpu", { input: "wide.f32", size }), await compute(key, "cpu", { input: "wide.f32", size })];
    const relative = largestDifference(gpu.logits, cpu.logits) / rangeOf(cpu.logits);
    assert.ok(relative < TOLERANCE, `logits are off by ${relative} of their range`);
    assert.ok(gpu.launches > 0 && gpu.launches <= MOST_LAUNCHES, `${gpu.launches} launches`);
    assert.equal(cpu.launches, 0);
  });
}
