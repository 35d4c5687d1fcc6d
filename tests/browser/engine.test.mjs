// The engine's client without the page's help: in a browser, from the built site, with the real worker.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, openSite } from "./page.mjs";

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

/** Runs `steps` in a page of the site that has nothing but the engine, which is loaded on the processor. */
async function withEngine(steps) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    // A document of the site's origin without the page's scripts.
    await page.goto(new URL("web/icon.svg", site.url).href);
    const given = await page.evaluateHandle(async (address) => {
      const { Engine } = await import(new URL("web/engine/engine.js", address));
      const engine = new Engine();
      const model = await engine.load({ backend: "cpu" });
      return { engine, model, scene: { url: new URL("web/sample/scene.tif", address).href, name: "scene.tif" } };
    }, site.url);
    return await page.evaluate(steps, given);
  } finally {
    await context.close();
  }
}

test("a scene is opened, drawn, run and measured with typed answers", { timeout: 5 * MINUTES }, async () => {
  const seen = await withEngine(async ({ engine, model, scene }) => {
    const opened = await engine.open(scene);
    const preview = await engine.preview({ bands: opened.assignment.bands, maxPx: 64 });
    const pictures = [];
    await engine.showPartial(null);
    const summary = await engine.run({ bands: opened.assignment.bands, tile: 256 }, { onPicture: (picture) => pictures.push(picture) });
    const options = { threshold: 0.5, rare: model.card.rareClasses, topK: 0 };
    const areas = await engine.areas(options);
    const layer = await engine.layer({ kind: "rare-outline", options, maxPx: 64, window: { x: 100, y: 50, width: 8, height: 4 }, zoom: 4 });
    const values = await engine.read({ x: 0, y: 0, width: 3, height: 2 }, [0, 2]);
    const { blob, notice } = await engine.file((await engine.files(options))[0], options);
    return {
      bands: opened.modelBands,
      certainty: opened.assignment.certainty,
      crs: opened.scene.crs,
      preview: [preview.bitmap.width, preview.bitmap.height, preview.extent, preview.matching],
      summary,
      pictures: pictures.length,
      percent: areas.classes.reduce((sum, { percent }) => sum + percent, 0),
      noneMarked: areas.topK,
      layer: [layer.bitmap.width, layer.bitmap.height, layer.extent],
      values: [values.constructor.name, values.length],
      file: [blob.size > 1000, notice],
      whole: Object.keys(model.card.whole).slice(0, 2),
    };
  });
  assert.deepEqual(seen.bands, ["green", "red", "nir", "blue", "swir1"]);
  assert.equal(seen.certainty, "named");
  assert.match(seen.crs, /^EPSG:/);
  assert.deepEqual(seen.preview, [64, 64, [0, 0, 512, 512], null]);
  assert.deepEqual({ ...seen.summary, secs: 0 }, { done: 9, total: 9, cancelled: false, secs: 0, workers: 0, isGpuLost: false });
  assert.equal(seen.pictures, 0);
  assert.ok(Math.abs(seen.percent - 100) < 1e-6, `${seen.percent}%`);
  assert.deepEqual(seen.noneMarked, { percent: 0, threshold: null, pixels: 0 });
  assert.deepEqual(seen.layer, [32, 16, [100, 50, 8, 4]]);
  assert.deepEqual(seen.values, ["Float32Array", 12]);
  assert.deepEqual(seen.file, [true, null]);
  assert.deepEqual(seen.whole, ["name", "description"]);
});

test("a scene is drawn in bands and with a stretch of one's choice, whole and in parts", { timeout: 5 * MINUTES }, async () => {
  const seen = await withEngine(async ({ engine, scene }) => {
    const pixelsOf = ({ bitmap }) => {
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      context.drawImage(bitmap, 0, 0);
      return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
    };
    const difference = (one, other) => one.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i])), 0);
    const codeOf = (promise) => promise.then(() => "none", ({ code }) => code);
    const { assignment } = await engine.open(scene);
    const early = await codeOf(engine.compose({ bands: [0, 1, 2], stretch: [2, 98] }, { maxPx: 512 }));
    const [green, red, nir] = assignment.bands;
    const window = { x: 40, y: 60, width: 70, height: 50 };
    const own = pixelsOf(await engine.preview({ bands: assignment.bands, maxPx: 200 }));
    const ownPart = pixelsOf(await engine.detail(window));
    const compose = (bands, stretch) => engine.compose({ bands, stretch }, { maxPx: 200 });
    const same = difference(pixelsOf(await compose([nir, red, green], [2, 98])), own);
    const samePart = difference(pixelsOf(await engine.detail(window)), ownPart);
    const other = difference(pixelsOf(await compose([green, red, nir], [0, 100])), own);
    const otherPart = difference(pixelsOf(await engine.detail(window)), ownPart);
    const back = difference(pixelsOf(await engine.compose(null, { maxPx: 200 })), own);
    const backPart = difference(pixelsOf(await engine.detail(window)), ownPart);
    return { early, same, samePart, other, otherPart, back, backPart, missing: await codeOf(compose([0, 1, 99], [2, 98])) };
  });
  assert.equal(seen.early, "misuse");
  assert.deepEqual([seen.same, seen.samePart], [0, 0]);
  assert.ok(seen.other > 50 && seen.otherPart > 50, JSON.stringify(seen));
  assert.deepEqual([seen.back, seen.backPart], [0, 0]);
  assert.match(seen.missing, /^(misuse|no_such_band|too_few_bands)$/);
});

test("workers that compute tiles side by side change no byte of the result", { timeout: 5 * MINUTES }, async () => {
  const seen = await withEngine(async ({ engine, model, scene }) => {
    const opened = await engine.open(scene);
    const options = { threshold: 0.5, rare: model.card.rareClasses, topK: 20 };
    const files = [];
    for (const workers of [0, 2]) {
      const summary = await engine.run({ bands: opened.assignment.bands, tile: 256 }, { workers });
      const kinds = await engine.files(options);
      const made = kinds.filter(({ name }) => /mask.tif|probability.tif|areas.csv/.test(name)).map((kind) => engine.file(kind, options));
      const texts = (await Promise.all(made)).map(async ({ blob }) => {
        const digest = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
        return [...new Uint8Array(digest)].join();
      });
      files.push({ workers: summary.workers, digests: await Promise.all(texts) });
    }
    return files;
  });
  assert.deepEqual(seen.map(({ workers }) => workers), [0, 2]);
  assert.equal(seen[0].digests.length, 3);
  assert.deepEqual(seen[1].digests, seen[0].digests);
});

test("a signal ends the run after the tile at hand, and what is done can be looked at", { timeout: 5 * MINUTES }, async () => {
  const { summary, complete } = await withEngine(async ({ engine, model, scene }) => {
    const { assignment } = await engine.open(scene);
    const controller = new AbortController();
    const onProgress = ({ done }) => done === 2 && controller.abort();
    const summary = await engine.run({ bands: assignment.bands, tile: 128 }, { onProgress, signal: controller.signal });
    const { complete } = await engine.areas({ threshold: 0.5, rare: model.card.rareClasses, topK: 20 });
    return { summary, complete };
  });
  assert.ok(summary.cancelled && summary.done >= 2 && summary.done < summary.total, JSON.stringify(summary));
  assert.equal(complete, false);
});

test("of two scenes opened at once the newer one stays, and the older one is told so", { timeout: 5 * MINUTES }, async () => {
  const { outcomes, error } = await withEngine(async ({ engine, scene }) => {
    const settled = await Promise.allSettled([engine.open({ ...scene, name: "old.tif" }), engine.open({ ...scene, name: "new.tif" })]);
    const outcomes = settled.map(({ value, reason }) => value?.scene.name ?? reason.code);
    // The newer one is open, and can be drawn.
    const error = await engine.preview({ bands: [0, 1, 2], maxPx: 8 }).then(() => null, String);
    return { outcomes, error };
  });
  assert.deepEqual(outcomes, ["superseded", "new.tif"]);
  assert.equal(error, null);
});

test("what cannot be done is an error with a code, and the engine works on", { timeout: 5 * MINUTES }, async () => {
  const codes = await withEngine(async ({ engine, scene }) => {
    const codeOf = (promise) => promise.then(() => "none", ({ name, code }) => `${name} ${code}`);
    const options = { threshold: 0.5, rare: [], topK: 20 };
    const early = [await codeOf(engine.run({ bands: [0, 1, 2] })), await codeOf(engine.areas(options))];
    await engine.open(scene);
    return [
      ...early,
      await codeOf(engine.run({ bands: [0, 1, 9] })),
      await codeOf(engine.run({ bands: "green" })),
      await codeOf(engine.read({ x: 9999, y: 0, width: 2, height: 1 }, [0])),
      await codeOf(engine.open({ url: `${scene.url}.missing`, name: "x" })),
      await codeOf(engine.open(scene)),
    ];
  });
  const misuse = "EngineError misuse";
  assert.deepEqual(codes.slice(0, 2), [misuse, misuse]);
  assert.match(codes[2], /^EngineError (misuse|too_few_bands|no_such_band)$/);
  assert.deepEqual(codes.slice(3, 5), [misuse, "EngineError window_outside_image"]);
  assert.match(codes[5], /^EngineError http_/);
  assert.equal(codes[6], "none");
});

test("without the module for graphics cards the processor computes, and the reason says so", { timeout: 5 * MINUTES }, async () => {
  const seen = await withEngine(async ({ scene }) => {
    const { Engine } = await import(new URL("../engine/engine.js", scene.url));
    const engine = new Engine({ gpuWasmUrl: new URL("nothing.wasm", scene.url) });
    const { backend, reason } = await engine.load({ backend: "webgpu" });
    const { assignment } = await engine.open(scene);
    const { done, total } = await engine.run({ bands: assignment.bands, tile: 256 });
    engine.close();
    return { backend, reason, isWhole: total > 0 && done === total };
  });
  assert.deepEqual(seen, { backend: "cpu", reason: "gpu_module", isWhole: true });
});
