// The snippets of docs/embed.md, run as they stand there.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { Visit, launch } from "./page.mjs";
import { portal } from "./portal.mjs";
import { scene } from "./scenes.mjs";

const MINUTES = 60_000;
const GUIDE = readFileSync(new URL("../../docs/embed.md", import.meta.url), "utf8");

/** The text of each fenced block of a language, by the section that it is in. */
function snippets(language) {
  const found = [];
  for (const section of GUIDE.split(/^## /m)) {
    const [title] = section.split("\n");
    for (const [, text] of section.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))) found.push({ title, text });
  }
  return found;
}

const HTML = snippets("html");
const SCRIPTS = snippets("js");
// A browser needs to be told what these names mean where no bundler did.
const IMPORTS = JSON.stringify({
  imports: { raremap: "./raremap/api/index.js", "raremap/element": "./raremap/element/index.js", "raremap/bridge": "./raremap/element/bridge.js" },
});
let browser, site;

before(async () => {
  const body = `<script type="importmap">${IMPORTS}</script><script type="module" src="raremap/element/index.js"></script>`;
  site = await portal(process.env.RAREMAP_SITE ?? "dist", {
    "index.html": `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="raremap/icon.svg"><title>Guide</title><body>${body}</body></html>`,
    "frame.html": `<!doctype html><html lang="en"><meta charset="utf-8"><title>Frame</title><script type="module" src="raremap/element/embed.js"></script><body><rare-map></rare-map></body></html>`,
    "scene.tif": scene(),
    ...Object.fromEntries(HTML.map(({ text }, i) => [`page-${i}.html`, text])),
    ...Object.fromEntries(SCRIPTS.map(({ text }, i) => [`snippet-${i}.js`, text])),
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

test("the guide has snippets for each way in", () => {
  assert.ok(HTML.length > 0);
  assert.deepEqual([...new Set(SCRIPTS.map(({ title }) => title))], ["The element", "The API", "On a map", "In a frame"]);
});

test("the pages of the guide open their scene", { timeout: 2 * MINUTES }, async () => {
  for (const i of HTML.keys()) {
    const visit = await Visit.open(browser, new URL(`page-${i}.html`, site.url).href);
    try {
      await visit.page.waitForFunction(() => ["ready", "error"].includes(document.querySelector("rare-map").state));
      assert.equal(await visit.page.evaluate(() => document.querySelector("rare-map").state), "ready");
    } finally {
      await visit.close();
    }
  }
});

for (const [i, { title, text }] of SCRIPTS.entries()) {
  test(`the guide's script ${i + 1} runs: ${title}`, { timeout: 3 * MINUTES }, async () => {
    const visit = await Visit.open(browser, site.url);
    try {
      const logged = [];
      visit.page.on("console", (message) => message.type() === "log" && logged.push(message.text()));
      await visit.page.evaluate(async (text) => {
        // What the snippet takes as given.
        const has = (name) => new RegExp(`\\b${name}\\b`).test(text) && !new RegExp(`const (\\{[^}]*\\} = )?${name}\\b`).test(text);
        const { createSession } = await import("raremap");
        const bytes = await (await fetch("scene.tif")).arrayBuffer();
        const given = { file: new File([bytes], "scene.tif") };
        if (has("session") || has("result")) {
          given.session = await createSession({ backend: "cpu" });
          await given.session.open(given.file);
        }
        if (has("result")) given.result = await given.session.run();
        if (has("canvas")) given.canvas = document.createElement("canvas");
        if (/rare-map/.test(text)) document.body.append(document.createElement("rare-map"));
        if (/iframe/.test(text)) document.body.append(Object.assign(document.createElement("iframe"), { src: "frame.html?backend=cpu" }));
        Object.assign(globalThis, given);
      }, text);
      await visit.page.evaluate((url) => import(url), new URL(`snippet-${i}.js`, site.url).href);
      assert.ok(logged.length > 0, "it says nothing");
      // One of them asks for what is not there, on purpose.
      assert.deepEqual(visit.consoleErrors.filter((text) => !/net::|404/.test(text)), []);
    } finally {
      await visit.close();
    }
  });
}
