// Several scenes on the built page: mapped one after another, kept, and shown again.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Visit, launch, openSite } from "./page.mjs";
import { scene, zip } from "./scenes.mjs";

const MINUTES = 60_000;
const folder = mkdtempSync(join(tmpdir(), "raremap-queue-"));
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

/** Writes files, `{name: bytes}`; gives their paths. */
function written(files) {
  return Object.entries(files).map(([name, bytes]) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  });
}

/** The three bands of a product, as files or in a zip. */
const product = (start, options = {}) =>
  Object.fromEntries([3, 4, 5].map((number, band) => [`${start}_SR_B${number}.TIF`, scene({ ...options, band })]));
const landsat = (day) => `LC08_L2SP_199024_${day}_20210908_02_T1`;

async function visiting(query, steps) {
  const visit = await Visit.open(browser, site.url, { query: { backend: "cpu", ...query } });
  try {
    await visit.state(["empty"]);
    await steps(visit, visit.page);
    assert.deepEqual(visit.foreignRequests, []);
    assert.deepEqual(visit.consoleErrors, []);
  } finally {
    await visit.close();
  }
}

const lines = (page) => page.$$eval("#queue-list li", (items) => items.map(({ dataset, firstChild }) => `${firstChild.textContent} ${dataset.status}`));
const ended = (page) =>
  page.waitForFunction(() => ![...document.querySelectorAll("#queue-list li")].some(({ dataset }) => /waiting|running/.test(dataset.status)), null, { timeout: 3 * MINUTES });

test("scenes are mapped one after another, one that fails does not stop the rest, and results open again", { timeout: 5 * MINUTES }, () =>
  visiting({}, async (visit, page) => {
    const [first, broken, last] = written({
      "first.zip": zip(product(landsat("20200801"))),
      "broken.zip": zip({ "notes.txt": Buffer.from("no image") }),
      "last.zip": zip(product(landsat("20200817"), { width: 160 })),
    });
    await page.setInputFiles("#file-input", [first, broken, last]);
    assert.deepEqual(await lines(page), ["first.zip waiting", "broken.zip waiting", "last.zip waiting"]);
    await page.click("#queue-run");
    await ended(page);
    assert.deepEqual(await lines(page), ["first.zip done", "broken.zip failed", "last.zip done"]);
    assert.match(await page.innerText("#queue-list .failure"), /not a TIFF file[^]*Choose a GeoTIFF/);
    assert.match(await page.innerText("#queue-status"), /^2 of 3 scenes are mapped\. 1 failed\.$/);
    assert.match(await page.innerText("#queue-list li:last-child"), /Mapped, water [\d.,]+ ha/);
    // The page itself was free all the while.
    assert.equal(await page.isVisible("#empty"), true);
    await page.click('#queue-list li:last-child [data-action="open"]');
    await visit.state(["kept"]);
    const pixels = (await visit.classes()).reduce((sum, row) => sum + row.pixels, 0);
    assert.equal(pixels, 160 * 128);
    assert.ok(await page.isVisible("#legend li"));
    assert.ok(await page.isDisabled("#run"));
    const mask = readFileSync(await visit.download("#download-mask-tif", folder));
    assert.equal(mask.subarray(0, 2).toString(), "II");
    await page.click("#review-title");
    await page.waitForSelector("#review-list li");
    // What is kept does not need the list, nor the page that made it.
    await page.close();
    visit.page = await visit.context.newPage();
    await visit.page.goto(`${site.url}?backend=cpu`);
    await visit.page.waitForSelector("#kept:not([hidden])");
    await visit.page.click("#kept > summary");
    assert.equal(await visit.page.locator("#kept-list li").count(), 2);
    await visit.page.click("#kept-list li:first-child [data-open]");
    await visit.state(["kept"]);
    assert.deepEqual((await visit.classes()).reduce((sum, row) => sum + row.pixels, 0), pixels);
  }),
);

test("band files of two products that come together are two scenes, and those of one are one", { timeout: 5 * MINUTES }, () =>
  visiting({}, async (visit, page) => {
    const [august, later] = [product(landsat("20200801")), product(landsat("20200817"))].map(written);
    assert.equal(await visit.choose(august), "ready", await visit.error());
    assert.deepEqual([await page.isHidden("#queue"), await page.isHidden("#apart")], [true, true]);
    await page.setInputFiles("#file-input", [...august, ...later]);
    await page.waitForSelector("#queue:not([hidden])");
    assert.deepEqual((await lines(page)).map((line) => line.split(" ").at(-1)), ["waiting", "waiting"]);
    assert.match(await page.innerText("#status"), /^2 scenes are waiting/);
    assert.equal(await visit.error(), null);
  }),
);

test("files that could be bands are one scene until they are taken apart", { timeout: 5 * MINUTES }, () =>
  visiting({}, async (visit, page) => {
    const files = written({ "green.tif": scene({ band: 0 }), "red.tif": scene({ band: 1 }), "nir.tif": scene({ band: 2 }) });
    assert.equal(await visit.choose(files), "ready", await visit.error());
    assert.match(await page.innerText("#apart"), /opened as the bands of one scene[^]*Map them as 3 separate scenes/);
    // Scenes of other places cannot be bands of one.
    const others = written({ "north.tif": scene(), "south.tif": scene({ origin: [500_000, 4_500_000] }) });
    assert.equal(await visit.choose(others), "error");
    assert.match(await page.innerText("#apart"), /not the bands of one scene[^]*Map them as 2 separate scenes/);
    await page.click("#apart-take");
    assert.deepEqual(await lines(page), ["north.tif waiting", "south.tif waiting"]);
    assert.equal(await visit.error(), null);
  }),
);

test("one scene is cancelled and the next goes on; then all that are left are cancelled", { timeout: 5 * MINUTES }, () =>
  visiting({ tile: 64 }, async (visit, page) => {
    const large = { width: 400, height: 400 };
    const names = ["a.zip", "b.zip", "c.zip"];
    await page.setInputFiles("#file-input", written(Object.fromEntries(names.map((name, i) => [name, zip(product(landsat(`2020080${i + 1}`), large))]))));
    const running = (name) =>
      page.waitForFunction((name) => [...document.querySelectorAll("#queue-list li")].some((li) => li.dataset.status === "running" && li.firstChild.textContent === name && li.querySelector("progress").value > 0), name, { timeout: MINUTES });
    await page.click("#queue-run");
    await running("a.zip");
    await page.click('#queue-list li:nth-child(1) [data-action="cancel"]');
    await running("b.zip");
    await page.click("#queue-cancel");
    await ended(page);
    assert.deepEqual(await lines(page), names.map((name) => `${name} cancelled`));
    assert.ok(await page.isHidden("#kept"), "nothing of a cancelled scene is kept");
    await page.click('#queue-list li:nth-child(3) [data-action="retry"]');
    await ended(page);
    assert.deepEqual((await lines(page)).at(-1), "c.zip done");
    await page.click('#queue-list li:nth-child(1) [data-action="remove"]');
    assert.equal(await page.locator("#queue-list li").count(), 2);
  }),
);
