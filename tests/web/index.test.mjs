// index.html and the modules of the page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";

/** A module and all that it imports from the start, however far. @param {string} path @param {Set<string>} found */
function importsOf(path, found = new Set()) {
  if (found.has(path)) return found;
  found.add(path);
  for (const [, other] of readFileSync(path, "utf8").matchAll(/^(?:import|export)\b[^;]*?\bfrom "(\.[^"]+)";/gm)) {
    importsOf(posix.join(posix.dirname(path), other), found);
  }
  return found;
}

test("the page asks for all of its modules at once, and for no others", () => {
  const preloaded = [...readFileSync("index.html", "utf8").matchAll(/rel="modulepreload" href="([^"]+)"/g)].map(([, path]) => path);
  const needed = [...importsOf("web/page/app.js")].filter((path) => path !== "web/page/app.js");
  assert.ok(needed.length > 40, `only ${needed.length} modules are found`);
  assert.deepEqual(preloaded.toSorted(), needed.toSorted());
});
