// The built page in headless Chromium, on the CPU: what a person does with it, and what must not happen meanwhile.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Visit, launch, openSite } from "./page.mjs";
import { scene, zip } from "./scenes.mjs";

const MINUTES = 60_000;
const MODEL = "web/models/default.raremap";
const folder = mkdtempSync(join(tmpdir(), "raremap-page-"));
let browser, site;

before(async () => {
  // Under a path of its own, as most static hosts serve a site.
  site = await openSite(process.env.RAREMAP_SITE ?? "dist", "/portal/maps");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** Runs `steps` on a fresh visit; then nothing may have gone to another origin or been complained about on the console. */
async function visiting(query, steps) {
  const visit = await Visit.open(browser, site.url, { query });
  try {
    await steps(visit);
    assert.deepEqual(visit.foreignRequests, []);
    assert.deepEqual(visit.consoleErrors, []);
  } finally {
    await visit.close();
  }
}

const fileOf = (name, bytes) => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

/** What GDAL makes of a mask of `path`; with `other`, the share of pixels on which two masks agree. */
const inspect = (path, mask, ...other) =>
  JSON.parse(execFileSync(process.env.RAREMAP_PYTHON ?? "python3", ["tests/browser/masks.py", path, mask, ...other], { encoding: "utf8" }));

function assertAreasAddUp(classes) {
  assert.ok(classes.length > 1, "the class table is empty");
  const percent = classes.reduce((sum, row) => sum + row.percent, 0);
  assert.ok(Math.abs(percent - 100) < 0.1, `areas sum to ${percent}%`);
}

test("the sample is segmented without a GPU, and its masks are downloaded", { timeout: 10 * MINUTES }, () =>
  visiting({}, async (visit) => {
    await visit.page.click("#sample");
    assert.equal(await visit.state(["ready", "error"]), "ready", await visit.error());
    assert.equal(await visit.run(), "done", await visit.error());
    // A software adapter is slower than the CPU: the page must not take it unasked.
    assert.equal(await visit.backend(), "cpu");
    const classes = await visit.classes();
    assertAreasAddUp(classes);
    assert.ok(classes.find((row) => row.name === "water").hectares > 0, "no water in the sample");
    const png = readFileSync(await visit.download("#download-mask-png", folder));
    assert.equal(png.subarray(1, 4).toString(), "PNG");
    const tif = await visit.download("#download-mask-tif", folder);
    assert.ok(statSync(tif).size > 1000);
  }),
);

test("a dropped scene's mask lies where the scene lies and agrees with the native command", { timeout: 10 * MINUTES }, () =>
  visiting({ backend: "cpu" }, async (visit) => {
    const path = fileOf("river.tif", scene({ width: 420, height: 300 }));
    assert.equal(await visit.drop(path), "ready", await visit.error());
    await visit.assignBands({ green: 1, red: 2, nir: 3 });
    assert.equal(await visit.run(), "done", await visit.error());
    const classes = await visit.classes();
    assertAreasAddUp(classes);
    const hectares = classes.reduce((sum, row) => sum + row.hectares, 0);
    // On its central meridian a map in UTM is smaller than the ground.
    const ground = (420 * 300 * 0.01) / 0.9996 ** 2;
    assert.ok(Math.abs(hectares / ground - 1) < 1e-5, `${hectares} ha`);

    const mask = await visit.download("#download-mask-tif", folder);
    const native = join(folder, "native");
    const command = join(process.env.CARGO_TARGET_DIR ?? "target", "debug/raremap");
    execFileSync(command, ["predict", MODEL, path, "--out", native, "--bands", "green=1,red=2,nir=3", "--json"], { stdio: ["ignore", "ignore", "pipe"] });
    const report = inspect(path, mask, join(native, "mask.tif"));
    assert.ok(report.same_size && report.same_crs && report.same_transform && report.has_colours, JSON.stringify(report));
    assert.ok(Object.keys(report.pixels).length > 1, "a mask of one class would agree with anything");
    console.log(`page and command agree on ${report.agreement} of the pixels`);
    assert.ok(report.agreement >= 0.999, `page and command agree on ${report.agreement} of the pixels`);
    const valid = classes.reduce((sum, row) => sum + row.pixels, 0);
    assert.equal(valid, 420 * 300);
  }),
);

const BANDS = ["BAND2.tif", "BAND3.tif", "BAND4.tif"];

test("the band files of a product are one scene: chosen together, as a folder, or zipped", { timeout: 10 * MINUTES }, async () => {
  const size = { width: 150, height: 90 };
  const whole = fileOf("stacked.tif", scene(size));
  const product = join(folder, "L4_product");
  mkdirSync(product);
  const files = Object.fromEntries(BANDS.map((name, band) => [`L4_product/${name}`, scene({ ...size, band })]));
  for (const [path, bytes] of Object.entries(files)) writeFileSync(join(folder, path), bytes);
  const archive = fileOf("product.zip", zip(files));
  const masks = {};
  const openings = {
    stacked: (visit) => visit.choose(whole),
    files: (visit) => visit.choose(BANDS.map((name) => join(product, name))),
    folder: (visit) => visit.chooseFolder(product),
    zip: (visit) => visit.drop(archive),
  };
  await visiting({ backend: "cpu" }, async (visit) => {
    for (const [name, open] of Object.entries(openings)) {
      assert.equal(await open(visit), "ready", `${name}: ${await visit.error()}`);
      if (name === "stacked") await visit.assignBands({ green: 1, red: 2, nir: 3 });
      assert.equal(await visit.run(), "done", `${name}: ${await visit.error()}`);
      masks[name] = `${whole}.${name}.mask.tif`;
      copyFileSync(await visit.download("#download-mask-tif", folder), masks[name]);
    }
  });
  for (const name of ["files", "folder", "zip"]) {
    const report = inspect(whole, masks.stacked, masks[name]);
    assert.ok(report.same_transform && report.agreement === 1, `${name}: ${JSON.stringify(report)}`);
  }
});

test("band files of different grids are refused, and the difference is named", { timeout: 5 * MINUTES }, () =>
  visiting({ backend: "cpu" }, async (visit) => {
    const product = join(folder, "mixed");
    mkdirSync(product);
    BANDS.forEach((name, band) => writeFileSync(join(product, name), scene({ width: band === 2 ? 97 : 128, band })));
    assert.equal(await visit.chooseFolder(product), "error");
    const message = await visit.error();
    assert.match(message, /BAND4\.tif/);
    assert.match(message, /97/);
  }),
);

test("a scene of the same site is read by ranges", { timeout: 5 * MINUTES }, () =>
  visiting({ backend: "cpu", scene: "web/sample/scene.tif" }, async (visit) => {
    assert.equal(await visit.settled(), "ready", await visit.error());
    assert.match(await visit.page.innerText("#scene-name"), /scene\.tif/);
    assert.equal(await visit.run(), "done", await visit.error());
    assertAreasAddUp(await visit.classes());
  }),
);

test("the page tells all that it has fetched, its worker's ranges too, and all is of its own server", { timeout: 5 * MINUTES }, () =>
  visiting({ backend: "cpu", scene: "web/sample/scene.tif" }, async (visit) => {
    assert.equal(await visit.settled(), "ready", await visit.error());
    await visit.page.click("#requests > summary");
    await visit.page.waitForSelector("#requests-list li");
    const told = (await visit.page.$$eval("#requests-list li", (items) => items.map((item) => item.textContent.replace(/ \(\d+\)$/, ""))));
    for (const path of ["web/page/app.js", "web/models/default.raremap", "web/wasm/raremap-web_bg.wasm", "web/sample/scene.tif"]) {
      assert.ok(told.some((address) => address.endsWith(path)), `${path} is not told`);
    }
    assert.deepEqual(told.filter((address) => !address.startsWith(site.url)), []);
    assert.match(await visit.page.innerText("#requests-count"), /all to 127\.0\.0\.1/);
  }),
);

test("an address without a scene gets a message", { timeout: 5 * MINUTES }, async () => {
  const visit = await Visit.open(browser, site.url, { query: { backend: "cpu", scene: "web/nothing.tif" } });
  assert.equal(await visit.settled(), "error");
  assert.match(await visit.error(), /404|not found/i);
  await visit.close();
});

test("a percent sign in a scene's address is no unhandled error", { timeout: 5 * MINUTES }, () =>
  visiting({ backend: "cpu" }, async (visit) => {
    const { page } = visit;
    // A server without the file, and an address that is none.
    for (const [scene, expected] of Object.entries({ "web/a%b.tif": /a%b\.tif could not be opened/, "http://[1/x.tif": /address/ })) {
      await page.goto(`${site.url}?${new URLSearchParams({ backend: "cpu", scene })}`);
      assert.equal(await visit.settled(), "error", scene);
      assert.match(await visit.error(), expected);
    }
    // A failed request is on the console, and nothing else may be.
    visit.consoleErrors = visit.consoleErrors.filter((text) => !text.includes("404"));
  }),
);

const good = scene();
/** The scene with another value in one of its directory's entries, by position. */
function forged(entry, value) {
  const bytes = Buffer.from(good);
  bytes.writeUInt32LE(value, good.readUInt32LE(4) + 2 + 12 * entry + 8);
  return bytes;
}
const DAMAGED = {
  "text.tif": Buffer.from("This is not an image.\n"),
  "empty.tif": Buffer.alloc(0),
  "half.tif": good.subarray(0, good.length / 2),
  // A thousand times the columns (ImageWidth) that the strips hold.
  "forged.tif": forged(0, 128_000),
  "one-band.tif": scene({ bands: 1 }),
};

test("a damaged or unfit file gets a message, and the page works on", { timeout: 10 * MINUTES }, () =>
  visiting({ backend: "cpu" }, async (visit) => {
    for (const [name, bytes] of Object.entries(DAMAGED)) {
      const state = await visit.choose(fileOf(name, bytes));
      const outcome = state === "ready" ? await visit.run() : state;
      assert.equal(outcome, "error", `${name}: ${outcome}`);
      const message = await visit.error();
      assert.ok(message?.length > 20, `${name}: "${message}"`);
      assert.doesNotMatch(message, /panick|unreachable|RuntimeError|undefined|\[object/, name);
    }
    assert.equal(await visit.choose(fileOf("good.tif", good)), "ready", await visit.error());
    assert.equal(await visit.error(), null);
    assert.equal(await visit.run(), "done", await visit.error());
    assertAreasAddUp(await visit.classes());
  }),
);

test("rows that no strip holds are without data, as in GDAL, and take no time", { timeout: 2 * MINUTES }, () =>
  visiting({ backend: "cpu" }, async (visit) => {
    // A thousand times the rows (ImageLength).
    assert.equal(await visit.choose(fileOf("rows.tif", forged(1, 128_000))), "ready", await visit.error());
    const told = await visit.textsOf("#progress-tiles");
    assert.equal(await visit.run(), "done", await visit.error());
    // Of the pass over 16 million pixels, too, it is said how far it is.
    const texts = await told();
    assert.ok(texts.some((text) => text.startsWith("Measuring areas, ")), texts.slice(-5).join("; "));
    const pixels = (await visit.classes()).reduce((sum, row) => sum + row.pixels, 0);
    assert.equal(pixels, 128 * 128);
  }),
);

test("a run is cancelled between tiles, and the next one finishes", { timeout: 10 * MINUTES }, () =>
  visiting({ backend: "cpu" }, async (visit) => {
    assert.equal(await visit.choose(fileOf("wide.tif", scene({ width: 2000, height: 1200 }))), "ready", await visit.error());
    await visit.page.click("#run");
    await visit.state("running");
    await visit.page.click("#cancel");
    assert.equal(await visit.state(["cancelled", "done", "error"]), "cancelled");
    assert.ok(!(await visit.page.isEnabled("#download-mask-tif")), "an incomplete mask is offered as complete");
    assert.equal(await visit.choose(fileOf("small.tif", good)), "ready", await visit.error());
    assert.equal(await visit.run(), "done", await visit.error());
  }),
);

test("WebGPU on the software adapter gives the mask of the CPU", { timeout: 15 * MINUTES }, async () => {
  const path = fileOf("tile.tif", scene({ width: 64, height: 64 }));
  const masks = {};
  for (const backend of ["cpu", "webgpu"]) {
    await visiting({ backend, tile: 64 }, async (visit) => {
      assert.equal(await visit.drop(path), "ready", await visit.error());
      assert.equal(await visit.run(12 * MINUTES), "done", await visit.error());
      assert.equal(await visit.backend(), backend);
      masks[backend] = `${path}.${backend}.tif`;
      writeFileSync(masks[backend], readFileSync(await visit.download("#download-mask-tif", folder)));
    });
  }
  const report = inspect(path, masks.cpu, masks.webgpu);
  assert.ok(Object.keys(report.pixels).length > 1, "a mask of one class would agree with anything");
  console.log(`WebGPU and CPU agree on ${report.agreement} of the pixels`);
  assert.ok(report.agreement >= 0.995, `the backends agree on ${report.agreement} of the pixels`);
});

test("without a graphics card the processor maps, and the page says so", { timeout: 5 * MINUTES }, async () => {
  const other = await launch({ hasWebGpu: false });
  const visit = await Visit.open(other, site.url);
  try {
    assert.equal(await visit.page.evaluate(async () => (await navigator.gpu?.requestAdapter()) ?? null), null);
    assert.equal(await visit.choose(fileOf("no-gpu.tif", scene())), "ready", await visit.error());
    assert.equal(await visit.run(), "done", await visit.error());
    const backend = visit.page.locator("#backend");
    assert.deepEqual([await backend.getAttribute("data-backend"), await backend.getAttribute("data-reason")], ["cpu", "missing"]);
    assert.ok((await backend.innerText()).length > 0);
    assert.deepEqual(visit.consoleErrors, []);
    // What the page itself and its workers fetched: the service worker saves the whole site.
    await visit.page.click("#requests > summary");
    await visit.page.waitForSelector("#requests-list li");
    const told = await visit.page.$$eval("#requests-list li", (items) => items.map((item) => item.textContent));
    assert.ok(told.some((address) => address.includes("raremap-web_bg.wasm")), "the list has no wasm");
    assert.deepEqual(told.filter((address) => address.includes("raremap-web-gpu")), []);
  } finally {
    await visit.close();
    await other.close();
  }
});

test("the page's policy is in force: no markup from text, no other worker, policy or server", { timeout: MINUTES }, async () => {
  const visit = await Visit.open(browser, site.url);
  try {
    const refused = await visit.page.evaluate(async () => {
      const thrown = (act) => {
        try {
          act();
          return "nothing";
        } catch (error) {
          return error.name;
        }
      };
      return {
        markup: thrown(() => document.createElement("p").insertAdjacentHTML("beforeend", "<b>x</b>")),
        script: thrown(() => (document.createElement("script").text = "1")),
        worker: thrown(() => new Worker("web/worker/worker.js")),
        policy: thrown(() => globalThis.trustedTypes.createPolicy("other", { createHTML: (text) => text })),
        server: await fetch("https://elsewhere.example/").then(() => "nothing", ({ name }) => name),
      };
    });
    assert.deepEqual(refused, { markup: "TypeError", script: "TypeError", worker: "TypeError", policy: "TypeError", server: "TypeError" });
    // Not even asked.
    assert.deepEqual(visit.foreignRequests, []);
  } finally {
    await visit.close();
  }
});
