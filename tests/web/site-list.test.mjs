// The list of a site's files in its service worker.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { listIn, withList } from "../../web/page/site-list.js";
import { writeList } from "../../web/precache.mjs";

const SCRIPT = readFileSync("web/sw.js", "utf8");

test("a service worker lists all that a visitor's browser may ask for, with digests", async () => {
  const folder = mkdtempSync(join(tmpdir(), "raremap-list-"));
  try {
    mkdirSync(join(folder, "web/wasm"), { recursive: true });
    const listed = { "index.html": "page", "web/a.js": "a", "web/wasm/b.wasm": "b" };
    const others = { "web/wasm/b.d.ts": "types", "web/README.md": "about", "sw.js": SCRIPT };
    for (const [path, text] of Object.entries({ ...listed, ...others })) writeFileSync(join(folder, path), text);
    await writeList(folder);
    const written = readFileSync(join(folder, "sw.js"), "utf8");
    const list = listIn(written);
    assert.deepEqual(Object.keys(list), ["./", "web/a.js", "web/wasm/b.wasm"]);
    assert.equal(list["web/a.js"], `sha256-${createHash("sha256").update("a").digest("base64")}`);
    // Another run finds the same list, so the site has the same version.
    await writeList(folder);
    assert.equal(readFileSync(join(folder, "sw.js"), "utf8"), written);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the version follows the files", async () => {
  const versionOf = (/** @type {string} */ script) => /"version":"([^"]+)"/.exec(script)?.[1];
  const [one, other] = await Promise.all(["sha256-1", "sha256-2"].map((digest) => withList(SCRIPT, { "./": digest })));
  assert.ok(versionOf(one));
  assert.notEqual(versionOf(one), versionOf(other));
  await assert.rejects(withList("something else", {}), /no line/);
});
