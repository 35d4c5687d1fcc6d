// Writes the list of a built site's files into its service worker. A step after trunk's build; by hand after a file of the site was changed:
//   node web/precache.mjs dist

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What no visitor's browser asks for. */
const LEFT_OUT = /^sw\.js$|^\.|\/\.|\.d\.ts$|\.md$|\.map$/;
const LIST = /(const SITE = [^\n]*\()\{.*\}(\);\n)/;

const digestOf = (/** @type {string | Buffer} */ bytes) => createHash("sha256").update(bytes).digest("base64");

/**
 * The files of a folder with their digests, in an order that does not depend on the file system. The page itself is `./`: some hosts answer
 * `index.html` with a redirection.
 *
 * @param {string} folder
 */
export function listFiles(folder) {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, "/").length).replaceAll("\\", "/"))
    .filter((path) => !LEFT_OUT.test(path))
    .toSorted();
  return Object.fromEntries(paths.map((path) => [path === "index.html" ? "./" : path, `sha256-${digestOf(readFileSync(join(folder, path)))}`]));
}

/**
 * The service worker's script with the list in it, in place of the one it has.
 *
 * @param {string} script
 * @param {Record<string, string>} files
 */
export function withList(script, files) {
  const version = digestOf(JSON.stringify(files)).slice(0, 12);
  if (!LIST.test(script)) throw new Error("sw.js has no line `const SITE = ...`");
  return script.replace(LIST, (_, before, after) => before + JSON.stringify({ version, files }) + after);
}

/** @param {string} folder of a built site */
export function writeList(folder) {
  const path = join(folder, "sw.js");
  writeFileSync(path, withList(readFileSync(path, "utf8"), listFiles(folder)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? process.env.TRUNK_STAGING_DIR;
  if (!folder) throw new Error("usage: node web/precache.mjs SITE");
  writeList(folder);
}
