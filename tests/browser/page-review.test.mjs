// Looking at a result on the built page: place by place, pixel by pixel, and beside the scene.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Visit, launch, openSite } from "./page.mjs";
import { scene } from "./scenes.mjs";

const MINUTES = 60_000;
const folder = mkdtempSync(join(tmpdir(), "raremap-review-"));
let browser, site;

before(async () => {
  site = await openSite(process.env.RAREMAP_SITE ?? "dist");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await site?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Maps a river between fields, whose middle of the first row is at column 100 of 200; then takes `steps`. */
async function mapped(steps) {
  const path = join(folder, "river.tif");
  writeFileSync(path, scene({ width: 200, height: 200 }));
  const visit = await Visit.open(browser, site.url, { query: { backend: "cpu" } });
  try {
    assert.equal(await visit.choose(path), "ready", await visit.error());
    await visit.assignBands({ green: 1, red: 2, nir: 3 });
    assert.equal(await visit.run(), "done", await visit.error());
    await steps(visit);
    assert.deepEqual(visit.consoleErrors, []);
  } finally {
    await visit.close();
  }
}

/** What the canvas shows, as a number that differs between different pictures. */
const picture = ({ page }) =>
  page.evaluate(() => {
    const canvas = document.getElementById("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, value) => (sum * 31 + value) | 0, 7);
  });

test("places to look at are listed, shown, ticked off, and saved with their ticks", { timeout: 5 * MINUTES }, () =>
  mapped(async (visit) => {
    const { page } = visit;
    await page.click("#review-title");
    await page.waitForSelector("#review-list li");
    const before = await picture(visit);
    await page.click("#review-list li:first-child button");
    await page.waitForTimeout(100);
    assert.notEqual(await picture(visit), before, "the view has not moved");
    await page.check("#review-list li:first-child input");
    assert.match(await page.innerText("#review-note"), /^1 of \d+ places checked/);
    const saved = JSON.parse(readFileSync(await visit.download("#review-save", folder), "utf8"));
    assert.deepEqual(saved.features.map(({ properties }) => properties.checked), saved.features.map((_, i) => i === 0));
    // With nothing marked there is nothing to look at.
    await page.fill("#top-k", "0");
    await page.waitForFunction(() => document.getElementById("review-note").textContent.startsWith("No place"));
    assert.equal(await page.locator("#review-list li").count(), 0);
  }),
);

test("a pixel's place, class, probabilities and values are read under the pointer", { timeout: 5 * MINUTES }, () =>
  mapped(async (visit) => {
    const { page } = visit;
    const box = await page.locator("#canvas").boundingBox();
    // The whole scene is in sight, as high as the canvas; this is its pixel in column 50, row 100.
    const scale = box.height / 200;
    const middle = box.x + box.width / 2;
    await page.mouse.move(middle + (50.5 - 100) * scale, box.y + 100.5 * scale);
    await page.waitForFunction(() => document.getElementById("pixel").innerText.includes("column 50, row 100"));
    const facts = Object.fromEntries(
      await page.$$eval("#pixel dt", (terms) => terms.map((term) => [term.textContent, term.nextElementSibling.textContent])),
    );
    // 10 m pixels from 500,000, 4,600,000 on, in UTM zone 30N: the central meridian is 3 degrees west.
    assert.equal(facts.Map, "500,505.0, 4,598,995.0");
    // As PROJ has it: 41.5426119, -2.9939454.
    assert.equal(facts["Latitude, longitude"], "41.54261°, -2.99395°");
    assert.ok(facts.Class.length > 3, JSON.stringify(facts));
    for (const name of ["water", "wetland"]) assert.match(facts[`Probability of ${name}`], /^[01]\.\d\d$/);
    assert.ok(["Green", "Red", "Near infrared"].every((band) => Number(facts[band].replace(",", "")) > 0), JSON.stringify(facts));
    await page.mouse.move(20, 20);
    await page.waitForSelector("#pixel", { state: "hidden" });
  }),
);

test("a result is kept on the device, also after the page was closed, until it is deleted", { timeout: 5 * MINUTES }, () =>
  mapped(async (visit) => {
    const { page } = visit;
    assert.ok(await page.isHidden("#kept"));
    await page.click("#keep-result");
    await page.waitForSelector("#kept:not([hidden])");
    await page.close();
    visit.page = await visit.context.newPage();
    await visit.page.goto(`${site.url}?backend=cpu`);
    await visit.page.waitForSelector("#kept:not([hidden])");
    await visit.page.click("#kept > summary");
    assert.match(await visit.page.innerText("#kept-list li"), /river\.tif[^]*water [\d.]+ ha/);
    const mask = readFileSync(await visit.download('#kept-list [data-file="mask.tif"]', folder));
    assert.equal(mask.subarray(0, 2).toString(), "II");
    await visit.page.click("#kept-list [data-remove]");
    await visit.page.waitForSelector("#kept", { state: "hidden" });
  }),
);

test("the layer of disagreement shows something else than the classes, and says what", { timeout: 5 * MINUTES }, () =>
  mapped(async (visit) => {
    const { page } = visit;
    const classes = await picture(visit);
    await page.check("input[name=layer][value=disagreement]");
    await page.waitForFunction(() => document.getElementById("legend").innerText.includes("rare-class head alone"));
    await page.waitForTimeout(300);
    assert.notEqual(await picture(visit), classes);
  }),
);

test("the slider shows the scene alone on its right", { timeout: 5 * MINUTES }, () =>
  mapped(async (visit) => {
    const { page } = visit;
    const pixelsAt = (share) =>
      page.evaluate(async (share) => {
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        const canvas = document.getElementById("canvas");
        return canvas.getContext("2d").getImageData(Math.round(canvas.width * share), 0, 1, canvas.height).data.join();
      }, share);
    const [left, right] = [await pixelsAt(0.4), await pixelsAt(0.6)];
    await page.check("#compare");
    assert.equal(await pixelsAt(0.4), left);
    assert.notEqual(await pixelsAt(0.6), right);
    await page.uncheck("#compare");
    assert.equal(await pixelsAt(0.6), right);
  }),
);

test("the scene is shown in the bands and with the stretch that are chosen, until another scene is open", { timeout: 5 * MINUTES }, () =>
  mapped(async (visit) => {
    const { page } = visit;
    await page.check("input[name=layer][value=none]");
    await page.uncheck("#outline");
    await page.waitForTimeout(300);
    const own = await picture(visit);
    const changes = async (act) => {
      const before = await page.innerText("#scene-note");
      await act();
      await page.waitForFunction((before) => document.getElementById("scene-note").innerText !== before, before);
      await page.waitForTimeout(300);
      return picture(visit);
    };
    assert.match(await page.innerText("#scene-note"), /Near infrared is shown as red/);
    await page.click("#colors summary");
    const narrow = await changes(() => page.selectOption("#colors select[name=stretch]", "5 to 95%"));
    assert.notEqual(narrow, own);
    assert.match(await page.innerText("#scene-note"), /^Band 3, Band 2 and Band 1 are shown .* percentile 5 to 95\.$/);
    const swapped = await changes(() => page.locator("#colors select").nth(1).selectOption("0"));
    assert.notEqual(swapped, narrow);
    assert.equal(await page.locator("#colors select").first().inputValue(), "ownColors");
    await changes(() => page.selectOption("#colors select[name=colors]", "automaticColors"));
    const back = await changes(() => page.selectOption("#colors select[name=stretch]", "2 to 98%"));
    assert.equal(back, own);
  }),
);
