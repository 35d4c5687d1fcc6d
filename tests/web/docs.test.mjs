// The documentation as pages of the site.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { writeDocs } from "../../web/docs.mjs";

const site = mkdtempSync(join(tmpdir(), "raremap-docs-"));
after(() => rmSync(site, { recursive: true }));

test("each text is a page, whose links and pictures are there, and which needs no script", () => {
  writeDocs(site);
  const folder = join(site, "docs");
  const pages = new Map(readdirSync(folder).filter((name) => name.endsWith(".html")).map((name) => [name, readFileSync(join(folder, name), "utf8")]));
  const names = readdirSync("docs").filter((name) => name.endsWith(".md"));
  assert.deepEqual([...pages.keys()].toSorted(), ["index.html", ...names.map((name) => name.replace(/md$/, "html"))].toSorted());
  const wrong = [];
  for (const [name, text] of pages) {
    assert.match(text, /<nav>.*<main>.*<h1.*<\/main>/s, name);
    assert.doesNotMatch(text, /<script| style=| onclick=/, name);
    for (const [, address] of text.matchAll(/(?:href|src)="([^"]*)"/g)) {
      // Those of the site are checked where the site is.
      if (/^https:|^\.\.\/(web\/|$)/.test(address)) continue;
      const [file, anchor] = address.split("#");
      const isThere = file.endsWith(".html") || file === "" ? pages.has(file || name) : existsSync(join(folder, file));
      if (!isThere || (anchor && !pages.get(file || name)?.includes(`id="${anchor}"`))) wrong.push(`${name}: ${address}`);
    }
  }
  assert.deepEqual(wrong, []);
});
