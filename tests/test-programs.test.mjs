// Tests of a crate are modules of one program, which lists them in its main.rs: a file that is not listed would never be compiled, and nothing would say so.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

test("every file beside the main.rs of a test program is a module of it", () => {
  const folders = readdirSync("crates").flatMap((name) => {
    const tests = join("crates", name, "tests");
    return existsSync(tests) ? readdirSync(tests).map((folder) => join(tests, folder)) : [];
  });
  const programs = folders.filter((folder) => existsSync(join(folder, "main.rs")));
  assert.ok(programs.length >= 6, programs.join(", "));
  const unlisted = programs.flatMap((folder) => {
    const listed = new Set([...readFileSync(join(folder, "main.rs"), "utf8").matchAll(/^mod (\w+);$/gm)].map(([, name]) => name));
    const files = readdirSync(folder).filter((name) => name.endsWith(".rs") && name !== "main.rs");
    return files.filter((name) => !listed.has(name.slice(0, -3))).map((name) => join(folder, name));
  });
  assert.deepEqual(unlisted, []);
});
