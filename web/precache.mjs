// Writes the list of a built site's files into its service worker. A step after trunk's build; by hand after a file of the site was changed:
//   node web/precache.mjs dist

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { integrityOf, withList } from "./page/site-list.js";

/** What no visitor's browser asks for. */
const LEFT_OUT = /^sw\.js$|^README\.txt$|^\.|\/\.|\.d\.ts$|\.md$|\.map$/;

/**
 * The files of a folder with their digests, in an order that does not depend on the file system. The page itself is `./`: some hosts answer
 * `index.html` with a redirection.
 *
 * @param {string} folder
 */
export async function listFiles(folder) {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, "/").length).replaceAll("\\", "/"))
    .filter((path) => !LEFT_OUT.test(path))
    .toSorted();
  /** @type {Record<string, string>} */
  const files = {};
  for (const path of paths) files[path === "index.html" ? "./" : path] = await integrityOf(readFileSync(join(folder, path)));
  return files;
}

/** @param {string} folder of a built site */
export async function writeList(folder) {
  const path = join(folder, "sw.js");
  writeFileSync(path, await withList(readFileSync(path, "utf8"), await listFiles(folder)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? process.env.TRUNK_STAGING_DIR;
  if (!folder) throw new Error("usage: node web/precache.mjs SITE");
  await writeList(folder);
}
