// The built page by axe-core's rules, in each state, both colour schemes and at a phone's width; and by the keyboard alone.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { Visit, launch, openSite } from "./page.mjs";
import { scene } from "./scenes.mjs";

const MINUTES = 60_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 390, height: 844 };
let browser, site;

before(async () => {
  site = await openSite(process.env.RAREMAP_SITE ?? "dist");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

async function visiting(options, steps) {
  const visit = await Visit.open(browser, site.url, { ...options, query: { backend: "cpu", ...options.query } });
  try {
    await visit.page.waitForSelector("#backend[data-backend=cpu]", { timeout: MINUTES });
    await steps(visit);
  } finally {
    await visit.close();
  }
}

/** What axe-core finds wrong with the page as it is. */
async function findings({ page }, state) {
  // Past the page's policy, as a browser's own tools are.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: AXE });
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => JSON.stringify(violations))",
    awaitPromise: true,
  });
  await session.detach();
  assert.ok(!exceptionDetails, JSON.stringify(exceptionDetails));
  return JSON.parse(result.value).map(({ id, nodes }) => `${state}: ${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}

/** Nothing may be wider than the window. */
const overflow = ({ page }) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

for (const [what, viewport] of Object.entries({ "a desktop": undefined, "a phone": PHONE })) {
  test(`axe-core finds nothing on ${what}, in any state and colour scheme`, { timeout: 5 * MINUTES }, () =>
    visiting({ viewport }, async (visit) => {
      const { page } = visit;
      const found = [];
      const look = async (state) => {
        for (const colorScheme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
          found.push(...(await findings(visit, `${state}, ${colorScheme}`)));
        }
        assert.ok((await overflow(visit)) <= 0, `${state}: the page scrolls sideways`);
      };
      await look("empty");
      await page.click("#about-open");
      await look("card");
      await page.click("#about-close");
      await page.setInputFiles("#model-input", "web/models/default.raremap");
      await page.waitForSelector("#offer[open]");
      await look("offered model");
      await page.click("#offer-refuse");
      await page.click("#sample");
      assert.equal(await visit.state(["ready", "error"]), "ready", await visit.error());
      await page.click("#bands > summary");
      await page.click("#colors summary");
      await look("scene");
      assert.equal(await visit.run(), "done", await visit.error());
      await page.click("#keep-result");
      await page.waitForSelector("#kept:not([hidden])");
      await page.click("#kept > summary");
      await page.click("#review-title");
      await page.waitForSelector("#review-list li");
      await page.check("#compare");
      await page.focus("#canvas");
      await page.keyboard.press("i");
      await page.waitForSelector("#pixel:not([hidden])");
      await look("result");
      const broken = (name) => ({ name, mimeType: "application/zip", buffer: Buffer.from("This is no archive.") });
      await page.setInputFiles("#file-input", [broken("a.zip"), broken("b.zip")]);
      await look("scenes that wait");
      await page.click("#queue-run");
      await page.waitForFunction(() => document.querySelectorAll('#queue-list [data-status="failed"]').length === 2);
      await look("scenes that failed");
      await page.click("#kept-list [data-open]");
      await visit.state("kept");
      await look("kept result");
      await page.setInputFiles("#file-input", { name: "a.tif", mimeType: "image/tiff", buffer: Buffer.from("This is not an image.") });
      await visit.state("error");
      await look("error");
      assert.deepEqual(found, []);
    }),
  );
}

test("on a phone, a scene is chosen, mapped and saved by touch", { timeout: 5 * MINUTES }, () =>
  visiting({ viewport: PHONE, device: { hasTouch: true, isMobile: true } }, async (visit) => {
    const { page } = visit;
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.tap("#drop-zone")]);
    await chooser.setFiles({ name: "scene.tif", mimeType: "image/tiff", buffer: scene() });
    assert.equal(await visit.settled(), "ready", await visit.error());
    assert.ok((await overflow(visit)) <= 0, "the page scrolls sideways");
    // A tap fails where something else is in the way.
    await page.tap("#run");
    assert.equal(await visit.state(["done", "error"]), "done", await visit.error());
    const canvas = await page.locator("#canvas").boundingBox();
    assert.ok(canvas.width >= PHONE.width - 1 && canvas.height > PHONE.height / 4, JSON.stringify(canvas));
    assert.ok((await overflow(visit)) <= 0, "the page scrolls sideways");
    const [download] = await Promise.all([page.waitForEvent("download"), page.tap("#download-mask-tif")]);
    assert.equal(download.suggestedFilename(), "scene_mask.tif");
  }),
);

test("the sample is mapped, read and saved by the keyboard alone", { timeout: 5 * MINUTES }, () =>
  visiting({}, async (visit) => {
    const { page } = visit;
    const focused = () => page.evaluate(() => document.activeElement?.id);
    /** Presses Tab until the element has the focus, and says whether the focus can be seen there. */
    const reach = async (id) => {
      for (let presses = 0; presses < 80; presses++) {
        if ((await focused()) === id) {
          const isSeen = await page.evaluate(() => document.activeElement.matches(":focus-visible"));
          assert.ok(isSeen, `the focus on #${id} is not seen`);
          return;
        }
        await page.keyboard.press("Tab");
      }
      assert.fail(`Tab does not reach #${id}`);
    };
    await reach("sample");
    await page.keyboard.press("Enter");
    assert.equal(await visit.state(["ready", "error"]), "ready", await visit.error());
    await reach("run");
    await page.keyboard.press("Enter");
    assert.equal(await visit.state(["done", "error"], 10 * MINUTES), "done", await visit.error());
    await reach("threshold-range");
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.inputValue("#threshold"), "0.51");
    await reach("download-mask-tif");
    const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
    assert.match(download.suggestedFilename(), /_mask\.tif$/);
    await reach("canvas");
    await page.keyboard.press("i");
    await page.waitForSelector("#pixel:not([hidden])");
    const before = await page.innerText("#pixel");
    await page.keyboard.press("ArrowLeft");
    await page.waitForFunction((before) => document.getElementById("pixel").innerText !== before, before);
    await page.keyboard.press("Escape");
    await page.waitForSelector("#pixel", { state: "hidden" });
  }),
);

test("the documentation is a click away, and axe-core finds nothing in it", { timeout: 2 * MINUTES }, () =>
  visiting({ viewport: PHONE }, async (visit) => {
    const { page } = visit;
    await page.click("#documentation");
    await page.waitForSelector("#pages");
    assert.deepEqual(visit.consoleErrors, []);
    assert.ok((await page.locator("main li a").count()) > 10);
    for (const name of ["index", "embed", "api", "ablation"]) {
      await page.goto(`${site.url}docs/${name}.html`);
      assert.notEqual(await page.evaluate(() => getComputedStyle(document.querySelector("nav")).paddingTop), "0px", "the style is missing");
      assert.ok((await overflow(visit)) <= 0, `${name} scrolls sideways`);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await findings(visit, `${name}, ${colorScheme}`), []);
      }
    }
    await page.click("nav a");
    await page.waitForSelector("#drop-zone");
  }),
);

test("the page speaks Hindi where that is wanted, and changes to English", { timeout: 5 * MINUTES }, () =>
  visiting({ query: { lang: "hi" } }, async (visit) => {
    const { page } = visit;
    const language = () => page.evaluate(() => document.documentElement.lang);
    assert.equal(await language(), "hi");
    assert.equal(await page.innerText("#run"), "चलाएँ");
    assert.deepEqual(await findings(visit, "Hindi"), []);
    await page.click("#sample");
    assert.equal(await visit.state(["ready", "error"]), "ready", await visit.error());
    assert.equal(await visit.run(), "done", await visit.error());
    assert.match(await page.innerText("#status"), /मानचित्र बना/);
    assert.match(await page.innerText('#class-table [data-class="water"]'), /जल/);
    // A new start would close the scene, so it is left to the user.
    await page.selectOption("#language", "en");
    assert.ok(await page.isVisible("#language-note"));
    assert.equal(await language(), "hi");
    await page.reload();
    assert.equal(await language(), "en");
    await Promise.all([page.waitForEvent("load"), page.selectOption("#language", "hi")]);
    assert.equal(await language(), "hi");
  }),
);
