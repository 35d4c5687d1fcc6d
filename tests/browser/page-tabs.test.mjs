// Two tabs of the built page at once: each has its own files in the browser's private file system.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Visit, launch, openSite } from "./page.mjs";

const MINUTES = 60_000;
let browser, site;

before(async () => {
  site = await openSite(process.env.RAREMAP_SITE ?? "dist", "/portal/maps");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** Maps the sample in a document of its own without the page, and leaves a file of the result unread. */
async function mapSample(context) {
  const page = await context.newPage();
  await page.goto(new URL("web/icon.svg", site.url).href);
  await page.evaluate(async (address) => {
    const { Engine } = await import(new URL("web/engine/engine.js", address));
    const engine = new Engine();
    const { card } = await engine.load({ backend: "cpu" });
    const scene = await engine.open({ url: new URL("web/sample/scene.tif", address).href, name: "scene.tif" });
    await engine.run({ bands: scene.assignment.bands });
    const options = { threshold: 0.5, rare: card.rareClasses, topK: 20 };
    const { blob } = await engine.file({ name: "areas.csv", type: "text/csv" }, options);
    Object.assign(globalThis, { engine, options, blob });
  }, site.url);
  return page;
}

const folders = (page) =>
  page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const all = await root.getDirectoryHandle("raremap");
    const names = [];
    for await (const name of all.keys()) names.push(name);
    return names.length;
  });

test("a second tab leaves the first one's files alone, and clears those of tabs that are gone", { timeout: 10 * MINUTES }, async () => {
  const visit = await Visit.open(browser, new URL("web/icon.svg", site.url).href);
  try {
    const [first, second] = [await mapSample(visit.context), await mapSample(visit.context)];
    assert.equal(await folders(first), 2);
    // The file that the first tab made before the second began, and one that it makes now.
    assert.match(await first.evaluate(() => globalThis.blob.text()), /^class,value,color/);
    const size = await first.evaluate(async () => {
      const { blob } = await globalThis.engine.file({ name: "mask.tif", type: "image/tiff" }, globalThis.options);
      return blob.size;
    });
    assert.ok(size > 1000, `the mask has ${size} bytes`);
    await first.close();
    await second.close();
    const third = await mapSample(visit.context);
    assert.equal(await folders(third), 1);
  } finally {
    await visit.close();
  }
});
