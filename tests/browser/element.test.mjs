// <rare-map> in a browser, on a portal's page with a strict policy and Trusted Types, and in a frame of another origin.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Visit, launch } from "./page.mjs";
import { page, portal } from "./portal.mjs";
import { scene } from "./scenes.mjs";
import { serve } from "./serve.mjs";

const MINUTES = 60_000;
const SITE = process.env.RAREMAP_SITE ?? "dist";
/** The default model's. */
const RARE = ["water", "wetland"];
const ELEMENT = '<script type="module" src="raremap/element/index.js"></script>';
let browser, site;

before(async () => {
  site = await portal(SITE, {
    "index.html": page(ELEMENT, '<rare-map id="one" backend="cpu" src="plain.tif" threshold="0.4" top-k="30"><p slot="header">Hello</p></rare-map><rare-map id="two" backend="cpu" rare="water" lang="hi"></rare-map>'),
    "blank.html": page(""),
    "empty.html": page(ELEMENT),
    "plain.tif": scene(),
    ...Object.fromEntries([0, 1, 2].map((band) => [`band-${band}.tif`, scene({ band })])),
    "small.tif": scene({ width: 96, height: 64 }),
    "coarse.tif": scene({ metres: 60 }),
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** Runs `steps` on a fresh visit; then nothing may have gone to another origin or been complained about on the console. */
async function visiting(path, steps, options) {
  const visit = await Visit.open(browser, new URL("blank.html", site.url).href, options);
  const requests = [];
  visit.context.on("request", (request) => requests.push(new URL(request.url()).pathname.split("/").at(-1)));
  await visit.page.goto(new URL(path, site.url).href);
  try {
    await steps(visit.page, requests);
    assert.deepEqual(visit.foreignRequests, []);
    assert.deepEqual(visit.consoleErrors, []);
  } finally {
    await visit.close();
  }
}

const state = (page, selector, wanted) =>
  page.waitForFunction(([selector, wanted]) => wanted.includes(document.querySelector(selector)?.state), [selector, [wanted].flat()], { timeout: MINUTES });

test("two elements on a page share a model and map their own scenes", { timeout: 5 * MINUTES }, () =>
  visiting("index.html", async (page, requests) => {
    await state(page, "#one", ["ready", "error"]);
    await page.evaluate(() => {
      window.events = [];
      for (const id of ["one", "two"]) {
        for (const name of ["ready", "scene", "progress", "result", "cancel", "error", "change"]) {
          document.getElementById(id).addEventListener(name, ({ detail }) => window.events.push([id, name, detail]));
        }
      }
    });
    await page.locator("#two input[type=file]").setInputFiles({ name: "<img src=x onerror=alert(1)>.tif", mimeType: "image/tiff", buffer: scene({ width: 96, height: 64 }) });
    await state(page, "#two", "ready");
    assert.match(await page.locator("#two [part=facts]").innerText(), /<img src=x onerror=alert\(1\)>\.tif · 96 × 64/);
    const seen = await page.evaluate(async () => {
      const [one, two] = ["one", "two"].map((id) => document.getElementById(id));
      const results = await Promise.all([one.run(), two.run({ tile: 64 })]);
      return results.map(({ complete, options }) => ({ complete, options }));
    });
    assert.deepEqual(seen, [
      { complete: true, options: { threshold: 0.4, rare: RARE, topK: 30 } },
      { complete: true, options: { threshold: 0.5, rare: ["water"], topK: 20 } },
    ]);
    const events = await page.evaluate(() => window.events.map(([id, name]) => `${id} ${name}`));
    for (const wanted of ["one progress", "one result", "two scene", "two progress", "two result"]) assert.ok(events.includes(wanted), wanted);
    assert.ok(!events.some((event) => /cancel|error|change/.test(event)), events.join());
    assert.deepEqual(requests.filter((name) => name === "default.raremap"), ["default.raremap"]);
    // The shadow trees have the same ids, the page has none of them.
    assert.equal(await page.evaluate(() => document.getElementById("threshold")), null);
    assert.equal(await page.locator("#two [part~=run]").innerText(), "चलाएँ");
    const rows = await page.locator("#one [data-class]").evaluateAll((rows) => rows.map(({ dataset }) => Number(dataset.pixels)));
    assert.equal(rows.reduce((sum, pixels) => sum + pixels, 0), 128 * 128);
  }),
);

test("attributes and properties are one, and change a finished map without a new run", { timeout: 5 * MINUTES }, () =>
  visiting("empty.html", async (page, requests) => {
    const seen = await page.evaluate(async () => {
      const map = document.createElement("rare-map");
      map.backend = "cpu";
      map.threshold = 1;
      map.rare = [];
      document.body.append(map);
      const before = { attributes: map.getAttributeNames().toSorted(), rare: map.rare };
      const told = [];
      for (const name of ["ready", "scene", "result", "change"]) map.addEventListener(name, () => told.push(name));
      await map.open("plain.tif");
      await map.run();
      const rareOf = (areas) => areas.classes.filter(({ rare }) => rare).reduce((sum, { pixels }) => sum + pixels, 0);
      const strict = rareOf(map.areas);
      const changed = new Promise((resolve) => map.addEventListener("change", resolve, { once: true }));
      map.rare = ["water", "wetland", "nonsense"];
      map.setAttribute("threshold", "0.01");
      const { areas } = (await changed).detail;
      while (rareOf(map.areas) === strict) await new Promise((resolve) => map.addEventListener("change", resolve, { once: true }));
      map.setAttribute("threshold", "7");
      map.setAttribute("top-k", "x");
      map.setAttribute("backend", "quantum");
      return {
        before, told, strict, loose: rareOf(map.areas), rare: map.rare, invalid: [map.threshold, map.topK, map.backend], complete: areas.complete,
        attribute: map.getAttribute("rare"),
      };
    });
    assert.deepEqual(seen.before, { attributes: ["backend", "rare", "threshold"], rare: [] });
    assert.deepEqual(seen.told.slice(0, 3), ["ready", "scene", "result"]);
    assert.ok(seen.loose > seen.strict, `${seen.loose} is not more than ${seen.strict}`);
    assert.deepEqual(seen.rare.toSorted(), ["water", "wetland"]);
    assert.equal(seen.attribute, "water,wetland,nonsense");
    assert.deepEqual(seen.invalid, [0.5, 20, "auto"]);
    assert.ok(seen.complete);
    assert.ok(requests.includes("plain.tif"));
  }),
);

test("a person opens, runs, looks, cancels and saves", { timeout: 5 * MINUTES }, () =>
  visiting("index.html", async (page, requests) => {
    await state(page, "#one", ["ready", "error"]);
    await page.evaluate(() => (document.querySelector("#one").threshold = 0.6));
    assert.equal(await page.locator("#one").getByRole("spinbutton", { name: "Threshold" }).inputValue(), "0.6");
    await page.locator("#one").getByRole("spinbutton", { name: "Threshold" }).fill("0.45");
    assert.equal(await page.getAttribute("#one", "threshold"), "0.45");
    await page.locator("#one [part~=run]").click();
    await state(page, "#one", ["done", "error"]);
    const { length } = requests;
    await page.locator("#one").getByRole("radio", { name: "Saliency" }).check();
    await page.waitForTimeout(500);
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#one").getByRole("button", { name: "Mask, GeoTIFF" }).click()]);
    assert.equal(download.suggestedFilename(), "plain_mask.tif");
    assert.deepEqual([...readFileSync(await download.path()).subarray(0, 4)], [73, 73, 42, 0]);
    assert.deepEqual(requests.slice(length), [], "nothing is fetched after the run");
    // A larger scene leaves time to cancel.
    const cancelled = await page.evaluate(async () => {
      const map = document.querySelector("#one");
      await map.open("raremap/sample/scene.tif");
      const events = [];
      map.addEventListener("cancel", ({ detail }) => events.push(detail));
      map.addEventListener("progress", () => map.cancel(), { once: true });
      const { complete } = await map.run({ tile: 128 });
      return { complete, events, state: map.state };
    });
    assert.deepEqual([cancelled.complete, cancelled.state, cancelled.events.length], [false, "cancelled", 1]);
    assert.equal(await page.locator("#one [data-file]").count(), 0);
    await page.evaluate(() => document.querySelector("#one").open(new Blob(["no"])).catch(() => {}));
    assert.equal(await page.locator("#one [part=error]").getAttribute("data-code"), "not_a_tiff");
    await page.evaluate(() => document.querySelector("#one").open("small.tif"));
    assert.equal(await page.locator("#one [part=error]").isVisible(), false);
  }),
);

test("bands that the scene does not name are chosen by hand", { timeout: 5 * MINUTES }, () =>
  visiting("empty.html", async (page) => {
    await page.evaluate(async () => {
      const map = Object.assign(document.createElement("rare-map"), { id: "one", backend: "cpu" });
      document.body.append(map);
      // By their names these are blue, green and red.
      const fileOf = async (_, i) => new File([await (await fetch(`band-${i}.tif`)).blob()], `LC08_L2SP_144052_20230101_20230110_02_T1_SR_B${i + 2}.TIF`);
      await map.open(await Promise.all(Array.from({ length: 3 }, fileOf)));
    });
    const missing = await page.evaluate(() => {
      const { modelBands, optionalBands, assignment } = document.querySelector("#one").scene;
      return modelBands.filter((name, i) => assignment.bands[i] === null && !optionalBands.includes(name));
    });
    assert.deepEqual(missing, ["nir"]);
    const run = page.locator("#one [part~=run]");
    assert.ok(await run.isDisabled());
    for (const [i, name] of ["green", "red", "nir"].entries()) await page.locator("#one").locator(`#band-${name}`).selectOption(String(i));
    assert.ok(await run.isEnabled());
    await run.click();
    await state(page, "#one", ["done", "error"]);
    assert.equal(await page.locator("#one [part~=row]").count(), 7);
    // With other bands it is another map.
    await page.locator("#one").locator("#band-green").selectOption("1");
    await state(page, "#one", "ready");
    assert.equal(await page.evaluate(() => document.querySelector("#one").result), undefined);
    assert.equal(await page.locator("#one [part=result]").isVisible(), false);
  }),
);

test("it shows what the page shows: colours, offers, legend, review list and opacity", { timeout: 5 * MINUTES }, () =>
  visiting("empty.html", async (page) => {
    const seen = await page.evaluate(async () => {
      const map = Object.assign(document.createElement("rare-map"), { id: "one", backend: "cpu" });
      document.body.append(map);
      const told = new Promise((resolve) => map.addEventListener("scene", ({ detail }) => resolve(detail.warnings.map(({ code }) => code)), { once: true }));
      await map.open("coarse.tif");
      return { told: await told, warnings: map.warnings.map(({ code }) => code) };
    });
    const one = page.locator("#one");
    // 60 m is beyond what the default model learned from.
    assert.ok(seen.told.some((code) => code.startsWith("resolution")), JSON.stringify(seen));
    assert.deepEqual(seen.warnings, seen.told);
    assert.equal(await one.locator("[part=warnings] li").count(), seen.told.length);
    await one.getByLabel(/Run at the model's/).check();
    assert.match(await one.locator("[part=color-note]").innerText(), /Near infrared is shown as red/);
    await one.locator("[part=colors] summary").click();
    await one.locator("select[name=stretch]").selectOption("0 to 100%");
    await page.waitForFunction(() => document.querySelector("#one").shadowRoot.querySelector("[part=color-note]").textContent.includes("percentile 0 to 100"));
    await one.locator("[part~=run]").click();
    await state(page, "#one", ["done", "error"]);
    assert.ok((await one.locator("[part=legend] li").count()) > 0);
    const corner = () =>
      page.evaluate(async () => {
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        const canvas = document.querySelector("#one").shadowRoot.querySelector("canvas");
        return [...canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 20, 20).data].join();
      });
    const before = await corner();
    await page.evaluate(() => (document.querySelector("#one").opacity = 0));
    assert.notEqual(await corner(), before);
    assert.equal(await one.locator("#opacity").inputValue(), "0");
    await one.locator("#review-title").click();
    await one.locator("#review-list li").first().waitFor();
    await one.locator("#review-list input").first().check();
    assert.match(await one.locator("#review-note").innerText(), /^1 of \d+ places checked/);
    // In another language, all of it.
    await page.evaluate(() => (document.querySelector("#one").lang = "hi"));
    assert.match(await one.locator("#review-note").innerText(), /1 स्थान देखे गए/);
    assert.match(await one.locator("[part=legend]").innerText(), /जल|वन|फ़सल/);
    assert.match(await one.locator("[part=table]").innerText(), /आर्द्रभूमि/);
  }),
);

test("files dropped on an element are opened by it, and by nothing else on the page", { timeout: 5 * MINUTES }, () =>
  visiting("index.html", async (page) => {
    await state(page, "#one", ["ready", "error"]);
    await page.evaluate(() => {
      window.drops = 0;
      addEventListener("drop", () => (window.drops += 1));
    });
    const { x, y, width } = await page.locator("#two").boundingBox();
    const session = await page.context().newCDPSession(page);
    const data = { items: [], files: [join(site.folder, "small.tif")], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) await session.send("Input.dispatchDragEvent", { type, x: x + width / 3, y: y + 60, data });
    await state(page, "#two", ["ready", "error"]);
    assert.deepEqual(await page.evaluate(() => [document.querySelector("#two").scene.scene.name, document.querySelector("#one").scene.scene.name, window.drops]), ["small.tif", "plain.tif", 0]);
  }),
);

test("axe-core finds nothing to complain about, in no state and no scheme", { timeout: 5 * MINUTES }, async () => {
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ colorScheme, bypassCSP: true, viewport: { width: 390, height: 844 } });
    try {
      const page = await context.newPage();
      await page.goto(new URL("index.html", site.url).href);
      await page.addScriptTag({ content: axe });
      const check = async (wanted, act) => {
        await page.evaluate(act);
        await state(page, "#one", wanted);
        const { violations } = await page.evaluate(() => window.axe.run("rare-map"));
        assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ target }) => String(target))]), [], `${colorScheme}, ${wanted}`);
      };
      await check("ready", () => {});
      await check("done", () => document.querySelector("#one").run());
      await check("error", () => document.querySelector("#one").open(new Blob(["no"])).catch(() => {}));
    } finally {
      await context.close();
    }
  }
});

test("it is usable from 320 pixels on", { timeout: 5 * MINUTES }, () =>
  visiting(
    "index.html",
    async (page) => {
      await state(page, "#one", ["ready", "error"]);
      await page.evaluate(() => document.querySelector("#one").run());
      const widths = await page.evaluate(() => [document.documentElement.scrollWidth, document.querySelector("#one").scrollWidth]);
      assert.ok(widths.every((width) => width <= 320), `${widths}`);
    },
    { viewport: { width: 320, height: 700 } },
  ),
);

test("an element that is removed frees its worker, and one that is moved keeps it", { timeout: 5 * MINUTES }, () =>
  visiting("empty.html", async (page) => {
    const seen = await page.evaluate(async () => {
      const map = Object.assign(document.createElement("rare-map"), { backend: "cpu" });
      document.body.append(map);
      const session = await map.session;
      const box = document.body.appendChild(document.createElement("div"));
      box.append(map);
      await new Promise((resolve) => setTimeout(resolve));
      const moved = (await map.session) === session;
      map.remove();
      await new Promise((resolve) => setTimeout(resolve));
      const freed = await session.open("plain.tif").then(() => "open", ({ code }) => code);
      document.body.append(map);
      const { scene } = await map.open("plain.tif");
      return { moved, freed, name: scene.name };
    });
    assert.deepEqual(seen, { moved: true, freed: "closed", name: "plain.tif" });
  }),
);

test("after a crash of the engine the next run opens the scene again", { timeout: 5 * MINUTES }, () =>
  visiting("empty.html", async (page) => {
    const seen = await page.evaluate(async () => {
      const workers = [];
      window.Worker = class extends Worker {
        constructor(...given) {
          super(...given);
          workers.push(this);
        }
      };
      const map = Object.assign(document.createElement("rare-map"), { backend: "cpu" });
      document.body.append(map);
      await map.open("plain.tif");
      const first = await map.run();
      // What a dying worker says last.
      const crash = () => workers.at(-1).dispatchEvent(new MessageEvent("message", { data: { crashed: "unreachable" } }));
      map.addEventListener("progress", crash, { once: true });
      const code = await map.run({ tile: 64 }).then(() => "none", (cause) => cause.code);
      const failed = { code, state: map.state, result: map.result, isShown: !map.shadowRoot.querySelector("[part=result]").hidden };
      const gone = await first.areas().then(() => "there", (cause) => cause.code);
      const { complete } = await map.run();
      return { failed, gone, complete, state: map.state, workers: workers.length };
    });
    assert.deepEqual(seen.failed, { code: "trap", state: "error", result: undefined, isShown: false });
    assert.deepEqual([seen.gone, seen.complete, seen.state, seen.workers], ["stale_result", true, "done", 2]);
  }),
);

test("the engine's files can lie elsewhere, and a missing one is an error with a code", { timeout: 5 * MINUTES }, () =>
  visiting("empty.html", async (page, requests) => {
    const addresses = [];
    page.context().on("request", (request) => addresses.push(request.url()));
    const seen = await page.evaluate(async () => {
      const { RareMap } = await import(new URL("raremap/element/index.js", location.href));
      const paths = ["worker/worker.js", "wasm/raremap-web_bg.wasm", "wasm/raremap-web-gpu_bg.wasm", "models/default.raremap"];
      const [workerUrl, wasmUrl, gpuWasmUrl, modelUrl] = paths.map((path) => `raremap/${path}?elsewhere`);
      RareMap.assets = { workerUrl, wasmUrl, gpuWasmUrl, modelUrl };
      const map = Object.assign(document.createElement("rare-map"), { backend: "webgpu" });
      document.body.append(map);
      const { backend } = (await map.session).model;
      RareMap.assets = { workerUrl: "raremap/icon.svg" };
      const other = Object.assign(document.createElement("rare-map"), { backend: "cpu" });
      const failing = new Promise((resolve) => other.addEventListener("error", ({ detail }) => resolve(detail.code)));
      document.body.append(other);
      return { backend, code: await failing };
    });
    assert.deepEqual(seen, { backend: "webgpu", code: "worker_missing" });
    const elsewhere = addresses.filter((address) => address.endsWith("?elsewhere")).map((address) => address.split("/").at(-1).replace("?elsewhere", ""));
    assert.deepEqual(elsewhere.toSorted(), ["default.raremap", "raremap-web-gpu_bg.wasm", "raremap-web_bg.wasm", "worker.js"]);
    assert.equal(requests.filter((name) => name === "worker.js").length, 1);
  }),
);

test("in a frame, pages of allowed origins drive it and others do not", { timeout: 5 * MINUTES }, async () => {
  // The portals have no policy that would forbid them a frame of another origin, which a port makes.
  const root = mkdtempSync(join(tmpdir(), "raremap-frame-"));
  symlinkSync(join(site.folder, "raremap"), join(root, "web"));
  writeFileSync(join(root, "small.tif"), scene({ width: 96, height: 64 }));
  const [frame, host, strange] = await Promise.all([serve({ root }), serve({ root }), serve({ root })]);
  const embed = readFileSync(join(SITE, "embed.html"), "utf8");
  const settings = embed.replace('name="raremap-origins" content=""', `name="raremap-origins" content="https://a.example ${new URL(host.url).origin}"`);
  assert.notEqual(settings, embed);
  writeFileSync(join(root, "embed.html"), settings);
  const portalPage = `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="web/icon.svg"><title>Portal</title>
    <body><iframe title="Map" src="${frame.url}embed.html?backend=cpu" width="900" height="700"></iframe></body></html>`;
  writeFileSync(join(root, "host.html"), portalPage);
  const context = await browser.newContext();
  try {
    const drive = async ({ url }, timeout) => {
      const page = await context.newPage();
      await page.goto(new URL("host.html", url).href);
      return page.evaluate(
        async ([address, timeout]) => {
          const { RareMapFrame } = await import(new URL("web/element/bridge.js", location.href));
          const map = new RareMapFrame(document.querySelector("iframe"));
          const events = [];
          for (const name of ["progress", "result", "error"]) map.addEventListener(name, () => events.push(name));
          try {
            await map.connect({ signal: AbortSignal.timeout(timeout) });
          } catch (error) {
            return error.name;
          }
          const { scene } = await map.open({ url: address });
          await map.set({ threshold: 0.4 });
          const { areas, state, threshold } = await map.run();
          const mask = await map.get("mask");
          const file = await map.get("file", { name: "mask.tif" });
          const { corners } = await map.get("overlay");
          const wrong = await map.get("nothing").catch(({ code }) => code);
          const bytes = new Uint8Array(await (await fetch("small.tif")).arrayBuffer());
          const again = await map.open({ file: new File([bytes], "sent.tif") });
          return {
            name: scene.name, state, threshold, complete: areas.complete, values: mask.values.length, file: [file.name, file.size > 0],
            corners: corners.length, wrong, again: again.scene.name, events: [...new Set(events)],
          };
        },
        [`${frame.url}small.tif`, timeout],
      );
    };
    assert.deepEqual(await drive(host, 60_000), {
      name: "small.tif", state: "done", threshold: 0.4, complete: true, values: 96 * 64, file: ["small_mask.tif", true], corners: 4, wrong: "misuse",
      again: "sent.tif", events: ["progress", "result"],
    });
    assert.equal(await drive(strange, 5000), "TimeoutError");
  } finally {
    await context.close();
    await Promise.all([frame, host, strange].map((server) => server.close()));
    rmSync(root, { recursive: true });
  }
});
