import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { reference } from "../../web/reference.mjs";

test("docs/api.md is what the types say", async () => {
  assert.equal(readFileSync("docs/api.md", "utf8"), await reference(), "node web/reference.mjs writes docs/api.md anew");
});

test("every link of docs/api.md leads to one of its headings, and everything public is explained", () => {
  const page = readFileSync("docs/api.md", "utf8");
  const headings = new Set([...page.matchAll(/^### (\w+)$/gm)].map(([, name]) => name.toLowerCase()));
  const links = [...page.matchAll(/\]\(#(\w+)\)/g)].map(([, name]) => name);
  assert.ok(links.length > 50, `only ${links.length} links`);
  assert.deepEqual(links.filter((name) => !headings.has(name)), []);
  const [members] = page.split("## Types");
  assert.deepEqual([...members.matchAll(/```ts\n(.*)\n```\n\n(?=```|#|\[)/g)].map(([, signature]) => signature), []);
});
