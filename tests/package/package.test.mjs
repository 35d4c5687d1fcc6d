// The npm package as it is packed: in Node, in TypeScript, in a fresh Vite and a fresh webpack project, and on the three map libraries.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { Visit, launch } from "../browser/page.mjs";
import { agreement, placesOf } from "../browser/places.mjs";
import { scene } from "../browser/scenes.mjs";
import { serve } from "../browser/serve.mjs";
import { pack } from "../../web/pack.mjs";

const MINUTES = 60_000;
const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT = resolve(HERE, "../..");
const folder = mkdtempSync(join(tmpdir(), "raremap-package-"));
const modules = join(folder, "node_modules");
let browser;

before(async () => {
  const packed = pack({ site: process.env.RAREMAP_SITE ?? join(ROOT, "dist"), out: join(folder, "npm") });
  // A project's node_modules: the package as npm unpacks it, beside the others.
  mkdirSync(modules);
  for (const name of readdirSync(join(HERE, "node_modules"))) symlinkSync(join(HERE, "node_modules", name), join(modules, name));
  mkdirSync(join(modules, "raremap"));
  execFileSync("tar", ["xzf", packed, "-C", join(modules, "raremap"), "--strip-components=1"]);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const load = (name) => import(pathToFileURL(createRequire(join(HERE, "package.json")).resolve(name)));

/** A copy of a project beside the package. */
function project(source, name) {
  const copy = join(folder, name);
  cpSync(source, copy, { recursive: true });
  return copy;
}

/** Opens a built project under a path; nothing may be fetched from elsewhere or complained about. */
async function visiting(root, path, steps) {
  const site = await serve({ root, prefix: "/some/path" });
  const visit = await Visit.open(browser, new URL(path, site.url).href);
  try {
    const seen = await steps(visit.page);
    assert.deepEqual(visit.foreignRequests, []);
    assert.deepEqual(visit.consoleErrors, []);
    return seen;
  } finally {
    await visit.close();
    await site.close();
  }
}

/** Maps a scene in a built app, with the API and the element. */
async function mapsScene(root) {
  writeFileSync(join(root, "scene.tif"), scene());
  const { api, element, workers, devices } = await visiting(root, "index.html", async (page) => {
    await page.waitForFunction(() => window.mapScene);
    return page.evaluate(() => window.mapScene("scene.tif"));
  });
  assert.ok(api.complete);
  assert.equal(workers, 2);
  assert.deepEqual(devices, ["cpu", "webgpu"]);
  assert.equal(api.classes.reduce((sum, { pixels }) => sum + pixels, 0), 128 * 128);
  assert.deepEqual(element, api);
}

test("everything that the entries name is in the package, and no more is exported", () => {
  const { exports, version } = JSON.parse(readFileSync(join(modules, "raremap/package.json"), "utf8"));
  assert.match(readFileSync(join(ROOT, "Cargo.toml"), "utf8"), new RegExp(`^version = "${version}"$`, "m"));
  for (const target of Object.values(exports).flatMap((entry) => (typeof entry === "string" ? entry : Object.values(entry)))) {
    if (!target.includes("*")) assert.ok(existsSync(join(modules, "raremap", target)), target);
  }
  const { resolve } = createRequire(join(folder, "index.js"));
  assert.ok(existsSync(resolve("raremap/raremap-web_bg.wasm")));
  assert.ok(existsSync(resolve("raremap/raremap-web-gpu_bg.wasm")));
  assert.ok(existsSync(resolve("raremap/models/default.raremap")));
  assert.ok(existsSync(resolve("raremap/worker")));
  assert.throws(() => resolve("raremap/engine/engine.js"), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" });
});

test("Node imports it without a window, and is told what is missing only by a session", () => {
  writeFileSync(
    join(folder, "server.mjs"),
    `import { createSession, EngineError } from "raremap";
     import { RareMap } from "raremap/element";
     import { RareMapFrame } from "raremap/bridge";
     const code = await createSession().catch((error) => error instanceof EngineError && error.code);
     console.log(typeof window, typeof RareMap, typeof RareMapFrame, code);`,
  );
  assert.equal(execFileSync(process.execPath, ["server.mjs"], { cwd: folder, encoding: "utf8" }).trim(), "undefined function function no_browser");
});

test("TypeScript knows its types, without the checks of libraries left out", () => {
  const app = project(join(HERE, "app"), "types");
  execFileSync(join(ROOT, "tests/browser/node_modules/.bin/tsc"), ["-p", app], { encoding: "utf8", stdio: ["ignore", "inherit", "inherit"] });
});

test("a Vite project needs no configuration to build it", { timeout: 5 * MINUTES }, async () => {
  const app = project(join(HERE, "app"), "vite");
  const built = join(folder, "vite-built");
  const { build } = await load("vite");
  await build({ root: app, base: "./", configFile: false, logLevel: "error", build: { outDir: built, reportCompressedSize: false } });
  await mapsScene(built);
});

test("a webpack project needs no configuration to build it", { timeout: 5 * MINUTES }, async () => {
  const app = project(join(HERE, "app"), "webpack");
  const built = join(folder, "webpack-built");
  const { default: webpack } = await load("webpack");
  const compiler = webpack({ mode: "production", context: app, entry: "./main.js", output: { path: built, filename: "main.js" }, performance: false });
  const stats = await new Promise((done, failed) => compiler.run((error, stats) => (error ? failed(error) : done(stats))));
  await new Promise((done) => compiler.close(done));
  assert.deepEqual(stats.toJson({ all: false, errors: true, warnings: true }).errors, []);
  cpSync(join(app, "index.html"), join(built, "index.html"));
  await mapsScene(built);
});

test("Vite serves it while a project is developed, if it is not pre-bundled", { timeout: 5 * MINUTES }, async () => {
  const app = project(join(HERE, "app"), "dev");
  writeFileSync(join(app, "scene.tif"), scene());
  const { createServer } = await load("vite");
  const server = await createServer({
    root: app, configFile: false, logLevel: "error", optimizeDeps: { exclude: ["raremap"] }, server: { port: 0, host: "127.0.0.1", fs: { strict: false } },
  });
  await server.listen();
  const visit = await Visit.open(browser, server.resolvedUrls.local[0]);
  try {
    await visit.page.waitForFunction(() => window.mapScene);
    const { api, element } = await visit.page.evaluate(() => window.mapScene("scene.tif"));
    assert.ok(api.complete);
    assert.deepEqual(element, api);
    assert.deepEqual(visit.consoleErrors, []);
  } finally {
    await visit.close();
    await server.close();
  }
});

/** In the page of each map library: where places are on the screen, in pixels from the map's corner. */
const PROJECT = {
  maplibre: (places) => places.map(([longitude, latitude]) => Object.values(window.map.project([longitude, latitude]))),
  leaflet: (places) => places.map(([longitude, latitude]) => Object.values(window.map.latLngToContainerPoint([latitude, longitude]))),
  openlayers: (places) =>
    places.map(([longitude, latitude]) => {
      const RADIUS_M = 6378137;
      const y = RADIUS_M * Math.log(Math.tan(Math.PI / 4 + (latitude * Math.PI) / 360));
      return window.map.getPixelFromCoordinate([(RADIUS_M * longitude * Math.PI) / 180, y]);
    }),
};

test("on MapLibre GL, OpenLayers and Leaflet each pixel of a UTM scene is where PROJ puts it", { timeout: 8 * MINUTES }, async () => {
  const built = join(folder, "maps-built");
  const { build } = await load("vite");
  await build({ root: project(join(ROOT, "examples/maps"), "maps"), logLevel: "error", build: { outDir: built, emptyOutDir: true, reportCompressedSize: false } });
  // Far from the zone's middle and far north, where the grid is turned by some degrees.
  writeFileSync(join(built, "scene.tif"), scene({ width: 96, height: 80, origin: [780_000, 6_900_000] }));
  writeFileSync(join(built, "agreement.js"), `export ${agreement}`);
  const places = placesOf(join(built, "scene.tif"));
  for (const [library, toScreen] of Object.entries(PROJECT)) {
    const [right, ...moved] = await visiting(built, `${library}.html?scene=scene.tif&backend=cpu`, async (page) => {
      await page.waitForFunction(() => window.result && /: \d|found/.test(document.querySelector("#status").textContent), null, { timeout: 2 * MINUTES });
      // The map draws when it likes.
      await page.waitForTimeout(1000);
      const shot = await page.screenshot({ clip: await page.locator("#map").boundingBox(), path: process.env.RAREMAP_SHOTS && join(process.env.RAREMAP_SHOTS, `${library}.png`) });
      const screen = await page.evaluate(toScreen, places);
      return page.evaluate(
        async ([screen, base64]) => {
          const { agreement } = await import(new URL("agreement.js", location.href));
          const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))]));
          const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
          context.drawImage(bitmap, 0, 0);
          const { classes } = await window.result.areas();
          const colors = Object.fromEntries(classes.map(({ value, color }) => [value, color]));
          return agreement(await window.result.mask(), colors, screen, context.getImageData(0, 0, bitmap.width, bitmap.height));
        },
        [screen, shot.toString("base64")],
      );
    });
    assert.ok(right > 0.999, `${library}: ${right}`);
    for (const share of moved) assert.ok(share < right - 0.005, `${library}: ${share} after a pixel, ${right} before`);
  }
});
