// The package's API in a browser, from the modules as they are served: under a path, a strict policy and Trusted Types.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Visit, launch } from "./page.mjs";
import { agreement, placesOf } from "./places.mjs";
import { portal } from "./portal.mjs";
import { scene } from "./scenes.mjs";

const MINUTES = 60_000;
// Far from the zone's middle and far north, where the grid is turned by some degrees.
const TURNED = scene({ width: 192, height: 160, origin: [780_000, 6_900_000] });
let browser, site;

before(async () => {
  site = await portal(process.env.RAREMAP_SITE ?? "dist", { "turned.tif": TURNED, "plain.tif": scene(), "agreement.js": `export ${agreement}` });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** Runs `steps` in a page of the portal with a session on the processor; nothing may be refused or fetched from elsewhere. */
async function withSession(steps, argument) {
  const visit = await Visit.open(browser, site.url);
  try {
    const given = await visit.page.evaluateHandle(async (argument) => {
      const api = await import(new URL("raremap/api/index.js", location.href));
      return { ...api, argument, session: await api.createSession({ backend: "cpu" }) };
    }, argument);
    const seen = await visit.page.evaluate(steps, given);
    assert.deepEqual(visit.foreignRequests, []);
    assert.deepEqual(visit.consoleErrors, []);
    return { seen, visit };
  } finally {
    await visit.close();
  }
}

test("a scene is opened from an address, a file, bytes and a list, inspected, run and measured", { timeout: 5 * MINUTES }, async () => {
  const { seen } = await withSession(async ({ session }) => {
    const bytes = await (await fetch("plain.tif")).arrayBuffer();
    const names = [];
    for (const source of ["plain.tif", new URL("plain.tif", location.href), new File([bytes], "file.tif"), bytes, new Uint8Array(bytes), [new File([bytes], "one.tif")]]) {
      names.push((await session.open(source)).scene.name);
    }
    const inspection = await session.inspect();
    const statistics = await session.statistics([2], { maxPx: 64 });
    const none = await session.statistics([7]).catch(({ code }) => code);
    const run = session.run({ bands: [0, 1, 2], layer: "mask", tile: 64, workers: 2 });
    const events = [];
    for await (const { done, total, picture } of run) {
      if (!picture) events.push(`${done}/${total}`);
      picture?.bitmap.close();
    }
    const result = await run;
    const mask = await result.mask();
    const water = await result.probability("water");
    const saliency = await result.saliency({ window: { x: 10, y: 20, width: 30, height: 4 } });
    const areas = await result.areas();
    const counted = Object.fromEntries(areas.classes.map(({ value, pixels }) => [value, pixels]));
    for (const value of mask.values) counted[value] -= 1;
    const polygons = await result.polygons();
    const files = {};
    for (const make of ["toGeoTIFF", "toGeoJSON", "toPNG", "toCSV", "toSTAC"]) {
      const file = await result[make]();
      files[make] = [file.name, file.type.split(";")[0], file.size > 0];
    }
    const stac = JSON.parse(await (await result.toSTAC()).text());
    const noneRare = await result.areas({ rare: [] });
    return {
      names,
      grid: inspection.grid,
      crs: inspection.crs,
      statistics: inspection.statistics,
      sampled: statistics,
      noSuchBand: none,
      card: inspection.card.rareClasses,
      events,
      complete: result.complete,
      workers: result.workers,
      mask: [mask.width, mask.height, mask.values.constructor.name],
      uncounted: Object.values(counted).filter(Boolean),
      water: [water.width, water.height, water.values.every((value) => value >= 0 && value <= 1)],
      saliency: [saliency.width, saliency.height, saliency.values.length],
      polygons: polygons.features.length > 0,
      ranked: (await result.review()).features[0]?.properties.rank,
      files,
      stac: stac.properties["proj:transform"],
      total: [areas, noneRare].map(({ validPixels }) => validPixels),
    };
  });
  assert.deepEqual(seen.names, ["plain.tif", "plain.tif", "file.tif", "scene.tif", "scene.tif", "one.tif"]);
  assert.deepEqual(seen.grid, { transform: [10, 0, 500_000, 0, -10, 4_600_000], epsg: 32630 });
  assert.deepEqual(seen.stac, seen.grid.transform);
  assert.match(seen.crs, /^EPSG:32630/);
  // All pixels of so small a scene. Water is dark in the near infrared, forest is bright.
  assert.deepEqual([seen.statistics.pixels, seen.statistics.nodataShare, seen.statistics.bands.map(({ band }) => band)], [128 * 128, 0, [0, 1, 2]]);
  const [green, , nir] = seen.statistics.bands;
  assert.ok(nir.min < 230 && nir.max > 3400 && green.max < 1700, JSON.stringify(seen.statistics));
  for (const { min, max, mean, std, percentiles: { p1, p50, p99 } } of seen.statistics.bands) {
    assert.ok(min <= p1 && p1 < p50 && p50 < p99 && p99 <= max && p1 < mean && mean < p99 && std > 0 && std < max - min, JSON.stringify(seen.statistics));
  }
  assert.equal(seen.sampled.pixels, 64 * 64);
  assert.ok(Math.abs(seen.sampled.bands[0].mean - nir.mean) < nir.std / 10, JSON.stringify(seen.sampled));
  assert.match(seen.noSuchBand, /^(misuse|no_such_band|too_few_bands)$/);
  assert.deepEqual(seen.events, Array.from({ length: seen.events.length }, (_, i) => `${i + 1}/${seen.events.length}`));
  assert.equal(seen.workers, 2);
  assert.ok(seen.complete && seen.polygons && seen.events.length > 1);
  assert.deepEqual(seen.mask, [128, 128, "Uint8Array"]);
  assert.deepEqual(seen.uncounted, [], "the mask's values are those that the areas count");
  assert.deepEqual(seen.water, [128, 128, true]);
  assert.deepEqual(seen.saliency, [30, 4, 120]);
  assert.equal(seen.ranked, 1);
  assert.deepEqual(seen.files, {
    toGeoTIFF: ["one_mask.tif", "image/tiff", true],
    toGeoJSON: ["one_polygons.geojson", "application/geo+json", true],
    toPNG: ["one_mask.png", "image/png", true],
    toCSV: ["one_areas.csv", "text/csv", true],
    toSTAC: ["one_item.json", "application/geo+json", true],
  });
  assert.deepEqual(seen.total, [128 * 128, 128 * 128]);
});

test("a map overlay has each pixel where PROJ puts it, also in a turned UTM grid", { timeout: 5 * MINUTES }, async () => {
  const places = placesOf(join(site.folder, "turned.tif"));
  const { seen } = await withSession(
    async ({ session, argument }) => {
      const { agreement } = await import(new URL("agreement.js", location.href));
      await session.open("turned.tif");
      const result = await session.run();
      const { bitmap, extent, bounds, corners } = await result.overlay();
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      context.drawImage(bitmap, 0, 0);
      const [west, south, east, north] = extent;
      const RADIUS_M = 6378137;
      const inPicture = argument.map(([longitude, latitude]) => {
        const x = (RADIUS_M * longitude * Math.PI) / 180;
        const y = RADIUS_M * Math.log(Math.tan(Math.PI / 4 + (latitude * Math.PI) / 360));
        return [((x - west) / (east - west)) * bitmap.width, ((north - y) / (north - south)) * bitmap.height];
      });
      const colors = Object.fromEntries(session.model.card.classes.map(({ value, color }) => [value, color]));
      const middles = Array.from({ length: 160 }, (_, i) => [i + 0.5, i + 0.5]).flat();
      return {
        bounds, corners, lonLat: [...(await session.lonLat(middles))],
        shares: agreement(await result.mask(), colors, inPicture, context.getImageData(0, 0, bitmap.width, bitmap.height)),
      };
    },
    places,
  );
  const [right, ...moved] = seen.shares;
  assert.equal(right, 1);
  for (const share of moved) assert.ok(share < 0.995, `${share} after a pixel`);
  for (let i = 0; i < 160; i++) {
    places[i * 192 + i].forEach((degrees, k) => assert.ok(Math.abs(seen.lonLat[2 * i + k] - degrees) < 1e-8, `pixel ${i}: ${degrees}`));
  }
  assert.deepEqual(seen.corners[0], [seen.bounds[0], seen.bounds[3]]);
});

test("a run ends with its signal, or keeps its part when it is cancelled; both leave a session that works", { timeout: 5 * MINUTES }, async () => {
  const { seen } = await withSession(async ({ session }) => {
    await session.open("raremap/sample/scene.tif");
    const controller = new AbortController();
    const run = session.run({ signal: controller.signal, tile: 128 });
    let error;
    try {
      for await (const { done } of run) if (done === 2) controller.abort();
    } catch (cause) {
      error = cause.name;
    }
    const second = session.run({ tile: 128 });
    for await (const { done } of second) if (done === 2) second.cancel();
    const part = await second;
    const refused = await part.toGeoTIFF().then(() => "made", ({ code }) => code);
    const { complete } = await part.areas();
    await session.open("plain.tif");
    const whole = await session.run();
    const gone = await part.areas().then(() => "there", ({ code }) => code);
    return { error, part: [part.complete, part.tiles.done < part.tiles.total, complete, refused], whole: whole.complete, gone };
  });
  assert.deepEqual(seen, { error: "AbortError", part: [false, true, false, "misuse"], whole: true, gone: "stale_result" });
});

test("sessions share a model, each has its worker, and what fails has a code", { timeout: 5 * MINUTES }, async () => {
  const visit = await Visit.open(browser, site.url);
  try {
    const requests = [];
    visit.context.on("request", (request) => requests.push(new URL(request.url()).pathname.split("/").at(-1)));
    const seen = await visit.page.evaluate(async () => {
      const { createSession } = await import(new URL("raremap/api/index.js", location.href));
      const [one, two] = await Promise.all([createSession({ backend: "cpu" }), createSession({ backend: "cpu" })]);
      const codeOf = (promise) => promise.then(() => "none", (cause) => `${cause.name} ${cause.code}`);
      const model = await (await fetch("raremap/models/default.raremap")).arrayBuffer();
      const own = await createSession({ model: new Uint8Array(model), backend: "cpu" });
      new Uint8Array(model)[model.byteLength - 9] ^= 1;
      const codes = [
        await codeOf(one.inspect()),
        await codeOf(one.run()),
        await codeOf(one.open(new Blob(["not a tiff"]))),
        await codeOf(one.open("missing.tif")),
        await codeOf(one.open("file:///etc/passwd")),
        await codeOf(createSession({ model, backend: "cpu" })),
        await codeOf(createSession({ model: "raremap/icon.svg", backend: "cpu" })),
        await codeOf(createSession({ model: "missing.raremap", backend: "cpu" })),
      ];
      await Promise.all([one.open("plain.tif"), two.open("turned.tif")]);
      const results = await Promise.all([one.run(), two.run()]);
      const sizes = await Promise.all(results.map((result) => result.mask()));
      one.free();
      return { codes, sizes: sizes.map(({ width }) => width), freed: await codeOf(one.open("plain.tif")), sha: own.model.sha256 === two.model.sha256 };
    });
    assert.deepEqual(seen.codes.slice(0, 5), ["misuse", "misuse", "not_a_tiff", "http_not_found", "bad_address"].map((code) => `EngineError ${code}`));
    for (const code of seen.codes.slice(5, 7)) assert.match(code, /^EngineError model_/);
    assert.equal(seen.codes[7], "EngineError model_fetch");
    assert.deepEqual([seen.sizes, seen.freed, seen.sha], [[128, 192], "EngineError closed", true]);
    // The second is the test's own.
    assert.equal(requests.filter((name) => name === "default.raremap").length, 2);
    assert.equal(requests.filter((name) => name === "worker.js").length, 5);
  } finally {
    await visit.close();
  }
});
