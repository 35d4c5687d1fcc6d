// Makes the npm package from the built site: `npm pack` of the modules of web/, the wasm, the model, and declarations from the JSDoc.
//   node web/pack.mjs [--site dist] [--out target/npm]     after ./run --build-only (--release for what visitors load)
// Prints the path of the package.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const WEB = fileURLToPath(new URL(".", import.meta.url));
const ROOT = resolve(WEB, "..");
const FOLDERS = ["api", "element", "engine", "view", "worker", "models"];
const MODULES = ["raremap-web", "raremap-web-gpu"];
const TSC = join(ROOT, "tests/browser/node_modules/.bin/tsc");

/** Makes the package in `out` from the site in `site`; gives its path. */
export function pack({ site = join(ROOT, "dist"), out = join(ROOT, "target/npm") } = {}) {
  const wasm = join(site, "web/wasm");
  if (!existsSync(join(wasm, "raremap-web_bg.wasm"))) throw new Error(`${wasm} has no wasm: ./run --build-only makes it`);
  if (!existsSync(TSC)) throw new Error("TypeScript is missing: `npm ci` in tests/browser installs it");
  const stage = join(out, "package");
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  for (const folder of FOLDERS) {
    const isModule = (path) => !/tsconfig\.json$|README\.md$|embed\.(css|js)$/.test(path);
    cpSync(join(WEB, folder), join(stage, folder), { recursive: true, filter: isModule });
  }
  mkdirSync(join(stage, "wasm"));
  for (const name of MODULES) {
    for (const file of [`${name}.js`, `${name}_bg.wasm`]) cpSync(join(wasm, file), join(stage, "wasm", file));
    cpSync(join(WEB, `wasm/${name}.d.ts`), join(stage, `wasm/${name}.d.ts`));
  }
  cpSync(join(WEB, "package.json"), join(stage, "package.json"));
  cpSync(join(WEB, "api/README.md"), join(stage, "README.md"));
  for (const file of readdirSync(ROOT)) if (file.startsWith("LICENSE-")) cpSync(join(ROOT, file), join(stage, file));
  execFileSync(TSC, ["-p", join(WEB, "tsconfig.package.json"), "--outDir", stage], { stdio: ["ignore", "inherit", "inherit"] });
  const listed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", resolve(out)], { cwd: stage, encoding: "utf8" });
  const [{ filename }] = JSON.parse(listed);
  return join(out, filename);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { site: { type: "string" }, out: { type: "string" } } });
  try {
    console.log(pack(values));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
