// Checks who imports whom: the arrows of ARCHITECTURE.md, read from `cargo metadata` and from the sources.
// Run alone (`node tests/import-direction.mjs`) it prints each violation and exits 1 if there is one.

import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const BROWSER = /^(wasm-bindgen|js-sys|web-sys)/;
const BURN = /^(burn|cubecl)/;
const IMAGE_CODEC = /^(image|png|tiff|geotiff|jpeg-decoder|zune-.*|flate2|weezl)$/;
const HOST = /^(anyhow|clap|tokio|ctrlc|indicatif)$/;

const IMAGE_CODEC_BUT_DEFLATE = /^(image|png|tiff|geotiff|jpeg-decoder|zune-.*|weezl)$/;

/** The crates that lead from bytes to a scene, each importing those before it, and those that lead to a result. */
const READING = ["raremap-io", "raremap-geo", "raremap-tiff", "raremap-scene"];
const RUNNING = ["raremap-model", ...READING, "raremap-infer"];

/** Which members of the workspace a member may depend on, and which other packages it must not. */
export const RULES = {
  "raremap-tile": { members: [], bans: [BROWSER, BURN, IMAGE_CODEC, HOST] },
  "raremap-model": { members: ["raremap-tile"], bans: [BROWSER, IMAGE_CODEC, HOST] },
  "raremap-io": { members: [], bans: [BROWSER, BURN, IMAGE_CODEC_BUT_DEFLATE, HOST] },
  "raremap-geo": { members: [], bans: [BROWSER, BURN, IMAGE_CODEC, HOST] },
  "raremap-tiff": { members: READING.slice(0, 2), bans: [BROWSER, BURN, HOST] },
  "raremap-scene": { members: READING.slice(0, 3), bans: [BROWSER, BURN, IMAGE_CODEC, HOST] },
  "raremap-infer": { members: ["raremap-model", ...READING], bans: [BROWSER, BURN, IMAGE_CODEC, HOST] },
  "raremap-output": { members: RUNNING, bans: [BROWSER, BURN, IMAGE_CODEC, HOST] },
  "raremap-device": { members: [], bans: [BROWSER, IMAGE_CODEC] },
  "raremap-files": { members: [...RUNNING, "raremap-output", "raremap-device"], bans: [BROWSER, BURN, IMAGE_CODEC, HOST] },
  "raremap-testing": { members: ["raremap-model"], bans: [BROWSER, BURN, IMAGE_CODEC, HOST] },
  "raremap-web-tiles": { members: ["raremap-tile"], bans: [BURN, IMAGE_CODEC, HOST] },
  "raremap-web-gpu": { members: ["raremap-tile", "raremap-web-tiles"], bans: [/^burn/, IMAGE_CODEC, HOST] },
  "raremap-web": { members: [...RUNNING, "raremap-output", "raremap-web-tiles"], bans: [/^(cubecl|wgpu)/, HOST] },
  "raremap-train": { members: [...RUNNING, "raremap-output", "raremap-device"], bans: [BROWSER, HOST, /^(ratatui|crossterm)$/] },
  "raremap-examples": { members: [...RUNNING, "raremap-output"], bans: [] },
  "raremap-python": { members: [...RUNNING, "raremap-output", "raremap-device", "raremap-files"], bans: [BROWSER, IMAGE_CODEC, HOST] },
  "raremap-cli": { members: [...RUNNING, "raremap-output", "raremap-device", "raremap-files", "raremap-train"], bans: [BROWSER] },
  "raremap-tests": { members: [...RUNNING, "raremap-output"], bans: [] },
};

/** What a source line must not say, and in which members. Test code is free to. */
const LINES = [
  { pattern: /\bstd::fs\b|\bFile::(open|create)\b/, members: ["raremap-tile", "raremap-model", "raremap-geo", "raremap-tiff", "raremap-scene", "raremap-infer", "raremap-output", "raremap-web", "raremap-web-gpu", "raremap-web-tiles"],
    what: "touches files; only raremap-io, raremap-files, raremap-cli, raremap-python, train and tests do" },
  // Comparing with a device is not choosing it.
  { pattern: /(?<!== )\bDevice::(default|flex|wgpu|webgpu|vulkan|metal|cuda|rocm|cpu|ndarray)\w*\(/,
    members: ["raremap-tile", ...RUNNING, "raremap-output", "raremap-files", "raremap-python", "raremap-cli", "raremap-web-tiles"], what: "chooses a device; only raremap-device, train, raremap-web, raremap-web-gpu, the examples and tests do" },
];

/** Violations in the packages that `cargo metadata --no-deps` lists; development dependencies are tests. */
export function checkDependencies(packages) {
  const names = new Set(packages.map((p) => p.name));
  return packages.flatMap(({ name, dependencies }) => {
    const rule = RULES[name];
    if (!rule) return [`${name}: not in the rules of tests/import-direction.mjs`];
    return dependencies.flatMap((dependency) => {
      const edge = `${name} -> ${dependency.name}`;
      // What tests share may be used by the tests of every crate.
      if (dependency.name === "raremap-testing" && dependency.kind === "dev") return [];
      if (names.has(dependency.name)) return rule.members.includes(dependency.name) ? [] : [`${edge}: not an arrow of ARCHITECTURE.md`];
      if (dependency.kind === "dev") return [];
      return rule.bans.some((ban) => ban.test(dependency.name)) ? [`${edge}: this crate must not use it`] : [];
    });
  });
}

/** Violations in one source text, from its first line to its test module. */
export function checkSource(member, path, text) {
  const lines = text.split("\n");
  const tests = lines.findIndex((line) => /^\s*#\[cfg\(test\)\]/.test(line));
  const product = tests < 0 ? lines : lines.slice(0, tests);
  return product.flatMap((line, index) =>
    /^\s*\/\//.test(line)
      ? []
      : LINES.filter((rule) => rule.members.includes(member) && rule.pattern.test(line)).map(
          (rule) => `${path}:${index + 1}: ${rule.what}`,
        ),
  );
}

/** Which folders of web/ a folder may import from, types included. */
const WEB_RULES = {
  engine: ["wasm"],
  worker: ["engine", "wasm"],
  view: ["engine", "wasm"],
  api: ["engine", "wasm"],
  element: ["api", "engine", "view", "wasm"],
  page: ["api", "element", "engine", "view", "wasm"],
};

/** Violations in one module of a folder of web/. */
export function checkModule(folder, path, text) {
  const imported = text.matchAll(/(?:from|import\()\s*"\.\.\/(\w+)\//g);
  return [...new Set([...imported].map(([, other]) => other))]
    .filter((other) => !WEB_RULES[folder].includes(other))
    .map((other) => `${path}: imports from web/${other}, which web/${folder} must not`);
}

function webViolations(root) {
  return Object.keys(WEB_RULES).flatMap((folder) =>
    readdirSync(join(root, "web", folder))
      .filter((name) => /\.(js|ts)$/.test(name))
      .flatMap((name) => checkModule(folder, `web/${folder}/${name}`, readFileSync(join(root, "web", folder, name), "utf8"))),
  );
}

function* rustFiles(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && entry.name !== "tests") yield* rustFiles(path);
    else if (entry.name.endsWith(".rs") && entry.name !== "tests.rs") yield path;
  }
}

function main() {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const metadata = execFileSync("cargo", ["metadata", "--format-version", "1", "--no-deps", "--locked"], {
    cwd: root, maxBuffer: 1 << 28, encoding: "utf8",
  });
  const { packages } = JSON.parse(metadata);
  const violations = checkDependencies(packages);
  for (const { name, manifest_path } of packages) {
    for (const path of rustFiles(join(manifest_path, "../src"))) {
      violations.push(...checkSource(name, relative(root, path), readFileSync(path, "utf8")));
    }
  }
  violations.push(...webViolations(root));
  for (const violation of violations) console.error(violation);
  console.log(`import direction: ${packages.length} packages and ${Object.keys(WEB_RULES).length} folders of web/, ${violations.length} violations`);
  process.exitCode = violations.length ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
