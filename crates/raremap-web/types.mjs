// The TypeScript declarations of the wasm modules, as they are committed: what `tsc` checks web/ against without a build.
//   node crates/raremap-web/types.mjs           writes them to web/wasm after ./run --build-only
//   node crates/raremap-web/types.mjs --check   exits 1 if a committed file is another
//
// wasm-bindgen's own file has the same declarations in an order that depends on the profile, and names of internal exports that change
// with every build: those are left out here, and the rest is sorted.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MODULES = ["raremap-web", "raremap-web-gpu"];

const HEADER = `// Made by crates/raremap-web/types.mjs from the Rust types of the crate; not edited by hand.
/// <reference lib="esnext.disposable" />
`;

/** The exports that the worker uses beside the classes. */
const KEPT_EXPORTS = /^    readonly (memory|__wasm_call_ctors):/;

/** Top-level declarations, each with the comment before it. */
function declarations(text) {
  const found = [];
  let lines = [];
  for (const line of text.split("\n")) {
    if (/^\/\* (tslint|eslint)/.test(line) || (line === "" && lines.length === 0)) continue;
    lines.push(line);
    // A declaration ends with a brace or a semicolon at the outermost level.
    if (/^}|^export .*;$/.test(line)) {
      found.push(lines.join("\n"));
      lines = [];
    }
  }
  if (lines.join("").trim()) throw new Error(`a declaration without an end: ${lines.join("\n")}`);
  return found;
}

function nameOf(declaration) {
  const name = /^export (?:default )?(?:declare )?(?:class|interface|type|function|enum) (\w+)/m.exec(declaration)?.[1];
  if (!name) throw new Error(`a declaration without a name: ${declaration}`);
  return name;
}

/** The declarations of a file of wasm-bindgen, in an order and a form that do not depend on how it was built. */
export function stableTypes(text) {
  const stable = declarations(text)
    .map((declaration) => ({ name: nameOf(declaration), declaration }))
    .map(({ name, declaration }) => {
      if (name !== "InitOutput") return { name, declaration };
      const lines = declaration.split("\n").filter((line) => !line.startsWith("    readonly") || KEPT_EXPORTS.test(line));
      return { name, declaration: lines.join("\n") };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return `${HEADER}\n${stable.map(({ declaration }) => declaration).join("\n\n")}\n`;
}

function main() {
  for (const name of MODULES) {
    const committed = join(ROOT, `web/wasm/${name}.d.ts`);
    const types = stableTypes(readFileSync(join(ROOT, `dist/web/wasm/${name}.d.ts`), "utf8"));
    if (!process.argv.includes("--check")) {
      writeFileSync(committed, types);
    } else if (types !== readFileSync(committed, "utf8")) {
      console.error(`web/wasm/${name}.d.ts is not that of the Rust types: node crates/raremap-web/types.mjs writes it anew`);
      process.exitCode = 1;
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
