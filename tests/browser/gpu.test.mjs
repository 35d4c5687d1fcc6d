// A graphics card that is lost during a run: the GPU process of a browser of its own is killed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, openSite } from "./page.mjs";
import { scene } from "./scenes.mjs";

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

test("a GPU process that dies costs no tile, and the map is the same", { timeout: 15 * MINUTES }, async () => {
  const page = await (await browser.newContext()).newPage();
  const warnings = [];
  page.on("console", (message) => warnings.push(message.text()));
  // A document of the site's origin without the page's scripts.
  await page.goto(new URL("web/icon.svg", site.url).href);
  const bytes = [...scene({ width: 130, height: 64 })];
  const session = await page.evaluateHandle(
    async ({ address, bytes }) => {
      const { Engine } = await import(new URL("web/engine/engine.js", address));
      const engine = new Engine();
      const model = await engine.load({ backend: "webgpu" });
      const file = new File([Uint8Array.from(bytes)], "scene.tif");
      const { assignment } = await engine.open({ entries: [{ path: "scene.tif", file }] });
      const options = { threshold: 0.5, rare: model.card.rareClasses, topK: 0 };
      return {
        model,
        options,
        run: async (onProgress) => {
          const summary = await engine.run({ bands: assignment.bands, tile: 64 }, { onProgress });
          const { values } = await engine.values({ kind: "saliency", options, maxPx: 130 });
          return { summary, values: [...values] };
        },
      };
    },
    { address: site.url, bytes },
  );
  assert.equal(await session.evaluate(({ model }) => model.backend), "webgpu");
  const undisturbed = await session.evaluate(({ run }) => run());

  const began = await session.evaluateHandle(({ run }) => {
    const started = {};
    const firstTile = new Promise((resolve) => (started.onTile = resolve));
    return { firstTile, result: run(started.onTile) };
  });
  await began.evaluate(({ firstTile }) => firstTile);
  const chromium = await browser.newBrowserCDPSession();
  await chromium.send("Browser.crashGpuProcess");
  const disturbed = await began.evaluate(({ result }) => result);

  assert.ok(warnings.some((text) => /A worker for tiles ended/.test(text)), "the run was over before the GPU process died");
  const { done, total, isGpuLost } = disturbed.summary;
  assert.ok(total > 2 && done === total, `${done} of ${total} tiles`);
  assert.equal(isGpuLost, false, "the browser starts its GPU process anew, and so does the run");
  assert.deepEqual(disturbed.values, undisturbed.values);
});
