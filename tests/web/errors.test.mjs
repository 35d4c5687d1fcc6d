// docs/errors.md says what each code means.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

/** @param {string} folder @param {RegExp} name @returns {string[]} */
function texts(folder, name) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name) && !entry.parentPath.includes("node_modules"))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
}

const rust = [...readdirSync("crates").map((crate) => join("crates", crate, "src")), "train/src"].flatMap((folder) => texts(folder, /\.rs$/));
const scripts = texts("web", /\.js$/);
const python = texts("crates/raremap-python/python", /\.py$/);

/** All that the pattern's group finds. @param {string[]} sources @param {RegExp} pattern */
const found = (sources, pattern) => sources.flatMap((text) => [...text.matchAll(pattern)].map(([, code]) => code));

const thrown = new Set([
  // The arms of the functions `code()`, which errors of all crates have.
  ...found(found(rust, /fn code\(&self\)[^{]*\{\n(.*?)\n {4}\}\n/gs), /=> "([a-z0-9_]+)"/g),
  ...found(rust, /SessionError::new\(\s*"([a-z0-9_]+)"/g),
  ...found(scripts, /new EngineError\(\s*"([a-z0-9_]+)"/g),
]);
const table = readFileSync("docs/errors.md", "utf8").match(/^\| `.*$/gm) ?? [];
const explained = found(table.map((row) => row.split("|")[1]), /`([a-z0-9_]+)`/g);

test("every code that is thrown is explained", () => {
  // If the patterns no longer fit the sources, they find little.
  assert.ok(thrown.size > 50, `only ${thrown.size} codes are found in the sources`);
  assert.deepEqual([...thrown].filter((code) => !explained.includes(code)), []);
});

test("every code that is explained is in the sources, and explained once", () => {
  const sources = [...rust, ...scripts, ...python].join("\n");
  assert.deepEqual(explained.filter((code) => !sources.includes(`"${code}"`)), []);
  assert.equal(new Set(explained).size, explained.length);
});
