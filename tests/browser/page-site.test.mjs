// Sites that `raremap export --site` makes of the built page and a run: served, used, and used again without a network.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";

import { listIn } from "../../web/page/site-list.js";
import { zip } from "../../web/page/zip.js";
import { writeList } from "../../web/precache.mjs";
import { Visit, launch } from "./page.mjs";
import { scene } from "./scenes.mjs";
import { serve } from "./serve.mjs";

const MINUTES = 60_000;
const MODEL = "web/models/default.raremap";
const PAGE = resolve(process.env.RAREMAP_SITE ?? "dist");
const COMMAND = resolve(process.env.RAREMAP_COMMAND ?? join(process.env.CARGO_TARGET_DIR ?? "target", "debug/raremap"));
const skip = existsSync(COMMAND) ? false : "the command is not built (cargo build --workspace --bin raremap)";

const folder = mkdtempSync(join(tmpdir(), "raremap-export-"));
const site = join(folder, "site");
let browser;

const raremap = (...args) => execFileSync(COMMAND, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
const exportRun = (...args) => raremap("export", "run", "--description", "Finds <b>lakes</b>.", "--site", site, ...args);
const list = () => listIn(readFileSync(join(site, "sw.js"), "utf8"));

const DATASET = `
name = "ponds"
provenance = "made up"
root = "."
images = "images"
masks = "masks"
splits = "splits.csv"
value_scaling = "reflectance x 10000"
ground_resolution_m = 30.0
ignore = 255
bands = [{ name = "green", index = 1 }, { name = "red", index = 2 }, { name = "nir", index = 3 }]
classes = [{ value = 0, name = "forest", color = "006400" }, { value = 1, name = "grass_shrub", color = "FFBB22" },
  { value = 2, name = "crop", color = "F096FF" }, { value = 3, name = "built", color = "FA0000" }, { value = 4, name = "bare", color = "B4B4B4" },
  { value = 5, name = "pond", color = "0064C8", rare = true }, { value = 6, name = "wetland", color = "0096A0" }]
`;
const RECIPE = `
name = "pond-finder"
dataset = "dataset.toml"
model = { variant = "b0", decoder_dim = 16, input_upsampling = 2 }
schedule = { epochs = 1, batch_size = 2, crop_px = 32, evaluate_every_epochs = 1 }
learning_rate = { warmup_steps = 1 }
`;

before(async () => {
  if (skip) return;
  for (const name of ["images", "masks"]) mkdirSync(join(folder, name));
  const splits = ["train", "train", "val"].map((split, seed) => {
    raremap("synth", "--out", "made", "--seed", String(seed), "--width", "128", "--height", "128", "--left", String(500_010 + 9000 * seed));
    renameSync(join(folder, "made/scene.tif"), join(folder, `images/${seed}.tif`));
    renameSync(join(folder, "made/truth.tif"), join(folder, `masks/${seed}.tif`));
    return `${seed},place${seed},${split}`;
  });
  writeFileSync(join(folder, "splits.csv"), ["image,place,split", ...splits, ""].join("\n"));
  writeFileSync(join(folder, "dataset.toml"), DATASET);
  writeFileSync(join(folder, "recipe.toml"), RECIPE);
  raremap("train", "recipe.toml", "--out", "run");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("a run becomes a site that shows its card, maps with its model, and does so without a network", { timeout: 10 * MINUTES, skip }, async () => {
  exportRun("--page", PAGE, "--no-sample");
  const server = await serve({ root: site, prefix: "/portal/maps" });
  const visit = await Visit.open(browser, server.url, { query: { backend: "cpu" } });
  const { page } = visit;
  const mapScene = async () => {
    await page.setInputFiles("#file-input", { name: "scene.tif", mimeType: "image/tiff", buffer: scene({ metres: 30 }) });
    assert.equal(await visit.settled(), "ready", await visit.error());
    assert.equal(await visit.run(), "done", await visit.error());
    assert.ok((await visit.classes()).some(({ name }) => name === "pond"), "the classes are not the run's");
  };
  try {
    await page.waitForSelector('#offline[data-state="ready"]', { timeout: MINUTES });
    assert.ok(await page.isHidden("#sample"), "a sample is offered that the site does not have");
    await page.click("#about-open");
    const card = await page.innerText("#about");
    for (const said of ["pond-finder", "Finds <b>lakes</b>.", "ponds", "trained at 30 m"]) assert.ok(card.includes(said), `${said}: ${card}`);
    await page.click("#about-close");
    await mapScene();
    await server.close();
    await visit.context.setOffline(true);
    await page.goto(`${server.url}?backend=cpu`);
    await mapScene();
    assert.deepEqual(visit.foreignRequests, []);
    assert.deepEqual(visit.consoleErrors, []);
  } finally {
    await visit.close();
    await server.close().catch(() => {});
  }
});

test("the command lists a site's files as the page's build does", { timeout: 5 * MINUTES, skip }, async () => {
  exportRun("--page", PAGE);
  const written = readFileSync(join(site, "sw.js"), "utf8");
  await writeList(site);
  assert.equal(readFileSync(join(site, "sw.js"), "utf8"), written);
});

test("an archive that the page saved makes the same site as its folder", { timeout: 5 * MINUTES, skip }, async () => {
  exportRun("--page", PAGE);
  const expected = list();
  async function* files() {
    for (const path of [...Object.keys(expected), "sw.js"]) {
      const name = path === "./" ? "index.html" : path;
      yield { path: `raremap-site/${name}`, bytes: new Uint8Array(readFileSync(join(PAGE, name))) };
    }
  }
  writeFileSync(join(folder, "raremap-site.zip"), Buffer.from(await (await zip(files())).arrayBuffer()));
  exportRun("--page", "raremap-site.zip");
  // The model's card has the time of its export.
  assert.deepEqual({ ...list(), [MODEL]: "" }, { ...expected, [MODEL]: "" });
  assert.notEqual(list()[MODEL], listIn(readFileSync(join(PAGE, "sw.js"), "utf8"))[MODEL]);
});
