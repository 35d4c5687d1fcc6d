// raremap and onnxruntime-web side by side: the same weights, in turn, in one headless Chromium. docs/performance.md says what the figures mean.
//   ./run --release --build-only
//   node tests/bench/browser.mjs --backend cpu --tile 256 --tile 512 --json bench.json
// options.mjs lists the options. Packages of npm and PyPI that are missing are installed, by name and version.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { Chromium } from "./chromium.mjs";
import { agreement, compareHeads, headsOf, maskOf, rangeOf } from "./logits.mjs";
import { modulesOn } from "./modules.mjs";
import { Node } from "./node.mjs";
import { USAGE, UsageError, parseOptions } from "./options.mjs";
import { SIDES, entryOf, table } from "./report.mjs";
import { pairedRatio, summary } from "./statistics.mjs";
import { ourTransfer, theirTransfer } from "./transfer.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT = resolve(HERE, "../..");
const ONNXRUNTIME = join(HERE, "node_modules/onnxruntime-web");
// V8 compiles wasm again while it runs: the first calls are slower than all later ones.
const WARM_UPS = { cpu: 3, webgpu: 0 };
const REPETITIONS = { cpu: 15, webgpu: 3 };

const say = (text) => console.error(text);

/** Installs what is missing, and says where Chromium and Python are. @param {"chromium" | "node"} host */
function tools(host) {
  const needs = `need_npm && need_npm tests/bench && ${host === "chromium" ? "need_chromium && " : ""}need_bench_python`;
  const script = `. tests/tools.sh && { ${needs}; } >&2 && printf '%s\\n' "$BENCH_PYTHON" "$CHROMIUM"`;
  const output = execFileSync("bash", ["-c", script], { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const [python, chromium] = output.trim().split("\n");
  return { chromium, python };
}

/** Writes the graphs and tiles of the model; returns what is known of them. */
function exportModel(python, options, folder) {
  const random = ["--random", String(options.random), ...options.changes.flatMap((change) => ["--set", change])];
  const source = options.random === null ? [resolve(options.model)] : random;
  const tiles = options.tiles.flatMap((tile) => ["--tile", String(tile)]);
  execFileSync(python, [join(HERE, "peer/export.py"), ...source, ...tiles, "--out", folder], { stdio: ["ignore", 2, "inherit"] });
  return JSON.parse(readFileSync(join(folder, "export.json"), "utf8"));
}

/** How each side starts: its worker's script, and what it is told. */
function starts(host, backend, tile, { in_channels }, threads = 1) {
  const data = (name) => host.address(`data/${name}`);
  const ours = {
    backend, tile, input: data(`input-${tile}.f32`), scene: data(`scene-${tile}.tif`),
    modules: modulesOn(host, backend),
  };
  // The golden tile of this model is the bench's own, so that a session that has started has run it.
  const page = { ...ours, drive: "session", model: data(`tile-${tile}.raremap`) };
  const theirs = { backend, threads, library: host.address("onnxruntime/"), input: ours.input, inputShape: [1, in_channels, tile, tile] };
  const sides = {
    ours: { ...ours, drive: "tiles", model: data("model.raremap") },
    ...(backend === "cpu" && { ours_page: page }),
    theirs: { ...theirs, model: data(`original-${tile}.onnx`) },
    theirs_folded: { ...theirs, model: data(`folded-${tile}.onnx`) },
  };
  const scriptOf = (name) => `bench/page/${name.startsWith("ours") ? "ours" : "theirs"}.mjs`;
  return Object.fromEntries(Object.entries(sides).map(([name, params]) => [name, { script: scriptOf(name), params }]));
}

/** How far a side is from onnxruntime outside the browser. */
async function differenceOf(host, name, { drive }, started, expected, tile) {
  const reference = maskOf(expected.main, tile);
  if (drive === "session") {
    const range = Math.min(...Object.values(expected).map(({ values }) => rangeOf(values)));
    const mask_agreement = agreement(await host.bytes(name, "mask", { tile }), reference);
    return { max_abs: started.golden_difference, relative: started.golden_difference / range, mask_agreement };
  }
  const { buffer } = await host.bytes(name, "logits");
  const shapes = Object.fromEntries(Object.entries(expected).map(([head, { shape }]) => [head, shape]));
  const found = headsOf(new Float32Array(buffer), shapes);
  return { ...compareHeads(found, expected), mask_agreement: agreement(maskOf(found.main, tile), reference) };
}

/** Measures one tile size on one backend. */
async function measure(host, backend, tile, exported, repetitions, folder) {
  const sides = {};
  const all = starts(host, backend, tile, exported.architecture);
  const names = Object.keys(all);
  for (const name of names) {
    say(`${backend}, ${tile} x ${tile}: ${SIDES[name]}, first tile`);
    const { script, params } = all[name];
    await host.open(name, script);
    const started = await host.ask(name, "start", params);
    const first = await host.ask(name, "run");
    sides[name] = { started, firstMs: started.ms + (params.drive === "session" ? 0 : first.ms), runsMs: [] };
  }
  for (let warmUp = 0; warmUp < WARM_UPS[backend]; warmUp += 1) for (const name of names) await host.ask(name, "run");
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    say(`${backend}, ${tile} x ${tile}: ${repetition + 1} of ${repetitions}`);
    // Another one begins each time, so that none always comes after the same other.
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(repetition + turn) % names.length];
      const { ms, counts } = await host.ask(name, "run");
      sides[name].runsMs.push(ms);
      sides[name].counts = counts;
    }
  }
  const reference = readFileSync(join(folder, `logits-${tile}.f32`));
  const expected = headsOf(new Float32Array(Uint8Array.from(reference).buffer), exported.tiles[tile].shapes);
  for (const name of names) {
    sides[name].totals = await host.ask(name, "totals");
    sides[name].difference = await differenceOf(host, name, all[name].params, sides[name].started, expected, tile);
    await host.close(name);
  }
  return sides;
}

/** Time of a tile with several threads: ours computes as many tiles at once, as the page does; theirs shares each tile among its threads. */
async function measureThreads(host, tile, { architecture }, threads, repetitions) {
  const { ours: one, theirs } = starts(host, "cpu", tile, architecture, threads);
  const ours = Array.from({ length: threads }, (_, index) => `ours-${index}`);
  for (const [name, { script, params }] of [...ours.map((name) => [name, one]), ["theirs", theirs]]) {
    await host.open(name, script);
    await host.ask(name, "start", params);
  }
  const runsMs = { ours: [], theirs: [] };
  for (let repetition = -WARM_UPS.cpu; repetition < repetitions; repetition += 1) {
    const together = await host.together(ours, "run");
    const { ms } = await host.ask("theirs", "run");
    if (repetition < 0) continue;
    say(`cpu, ${tile} x ${tile}, ${threads} threads: ${repetition + 1} of ${repetitions}`);
    runsMs.ours.push(together / threads);
    runsMs.theirs.push(ms);
  }
  for (const name of [...ours, "theirs"]) await host.close(name);
  const steady = { ours: summary(runsMs.ours), theirs: summary(runsMs.theirs) };
  return { threads, ours_ms: steady.ours.median, theirs_ms: steady.theirs.median, ratio: pairedRatio(runsMs.ours, runsMs.theirs), steady };
}

async function measureAll(host, exported, options, folder) {
  const repetitionsOf = (backend) => options.repetitions ?? REPETITIONS[backend];
  await host.open("ceilings", "bench/page/ceilings.mjs");
  const report = { adapter: await host.ask("ceilings", "adapter"), ceilings: {} };
  if (options.backends.includes("webgpu") && !report.adapter) throw new UsageError(`${host.name} has no WebGPU adapter; --backend cpu needs none`);
  for (const backend of options.backends) {
    say(`${backend}: what this machine can do at most`);
    report.ceilings[backend] = await host.ask("ceilings", backend);
    report[backend] = {};
    for (const tile of options.tiles) {
      const sides = await measure(host, backend, tile, exported, repetitionsOf(backend), folder);
      report[backend][tile] = entryOf(sides, exported.tiles[tile].counts, report.ceilings[backend]);
    }
  }
  if (options.threads && options.backends.includes("cpu")) {
    report.cpu_threads = {};
    for (const tile of options.tiles) report.cpu_threads[tile] = await measureThreads(host, tile, exported, options.threads, repetitionsOf("cpu"));
  }
  return report;
}

function transferOf(options, folder) {
  const library = join(ONNXRUNTIME, "dist");
  const ours = (backend) => ourTransfer(backend, options.site, join(folder, "model.raremap"));
  const original = join(folder, `original-${options.tiles[0]}.onnx`);
  return Object.fromEntries(options.backends.map((backend) => [backend, { ours: ours(backend), theirs: theirTransfer(backend, library, original) }]));
}

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    console.log(USAGE);
    return;
  }
  if (!existsSync(join(options.site, "index.html"))) throw new UsageError(`${options.site}/index.html is missing: ./run --release --build-only makes it`);
  const { chromium: executablePath, python } = tools(options.host);
  const folder = mkdtempSync(join(tmpdir(), "raremap-bench-"));
  let host;
  try {
    const exported = exportModel(python, options, folder);
    const folders = { site: resolve(options.site), bench: HERE, onnxruntime: join(ONNXRUNTIME, "dist"), data: folder };
    const playwright = join(ROOT, "tests/browser/page.mjs");
    host = options.host === "node" ? new Node(folders) : await Chromium.start(folders, { executablePath, playwright, adapter: options.adapter });
    const report = {
      model: exported.model,
      architecture: exported.architecture,
      date: new Date().toISOString(),
      machine: `${cpus().length} x ${cpus()[0].model.trim()}`,
      browser: host.name,
      onnxruntime_web: JSON.parse(readFileSync(join(ONNXRUNTIME, "package.json"), "utf8")).version,
      ...(await measureAll(host, exported, options, folder)),
      transfer: transferOf(options, folder),
    };
    if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    console.log(table(report));
  } finally {
    await host?.end();
    rmSync(folder, { recursive: true });
  }
}

try {
  await main();
} catch (cause) {
  if (cause instanceof UsageError) console.error(`${cause.message}\n\n${USAGE}`);
  else console.error(cause);
  process.exitCode = cause instanceof UsageError ? 2 : 1;
}
