// The built page with weights files of the user's in place of the default model.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Visit, launch } from "./page.mjs";
import { serve } from "./serve.mjs";
import { weights } from "./weights.mjs";

const MINUTES = 60_000;
const folder = mkdtempSync(join(tmpdir(), "raremap-model-"));
const root = join(folder, "site");
let browser, site;

/** The default model under another name, with a class that it does not have. */
const lake = weights((card) => {
  card.properties["mlm:name"] = "lakes";
  for (const output of card.properties["mlm:output"]) {
    for (const it of output["classification:classes"]) if (it.name === "wetland") it.name = it.title = "reed";
  }
  card.properties["raremap:rare_classes"] = ["water", "reed"];
  // Of its own, so that another default model changes nothing here.
  card.properties["raremap:metrics"].val.shipped.classes.find(({ name }) => name === "wetland").precision = 0.133;
});

before(async () => {
  cpSync(process.env.RAREMAP_SITE ?? "dist", root, { recursive: true });
  writeFileSync(join(root, "lake.raremap"), lake);
  site = await serve({ root, prefix: "/portal/maps" });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await site?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function visiting(query, steps) {
  const visit = await Visit.open(browser, site.url, { query: { backend: "cpu", ...query } });
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

/** Drops a weights file, and waits until its card is shown. */
async function offer(visit, name, bytes) {
  await visit.page.waitForSelector("#backend[data-backend=cpu]", { timeout: MINUTES });
  await visit.page.setInputFiles("#model-input", fileOf(name, bytes));
  await visit.page.waitForSelector("#offer[open]");
}

const rareClasses = (visit) => visit.page.$$eval("input[name=rare]", (boxes) => boxes.map((box) => box.value));

test("a weights file's card is shown, its model maps the scene, and one click brings the default back", { timeout: 10 * MINUTES }, () =>
  visiting({}, async (visit) => {
    const { page } = visit;
    await page.click("#sample");
    assert.equal(await visit.state(["ready", "error"]), "ready", await visit.error());
    await offer(visit, "lake.raremap", lake);
    const card = await page.innerText("#offer");
    for (const said of ["lakes", "lake.raremap", "green, red, and near infrared", "5–36 m", "Reed", "2.1 MB"]) {
      assert.ok(card.includes(said), `${said}: ${card}`);
    }
    // Precision of wetland, as the card's figures have it.
    assert.match(card, /wetland\s+13\.3/);
    assert.deepEqual(await rareClasses(visit), ["water", "wetland"]);
    await page.click("#offer-take");
    await page.waitForSelector("#own-model:not([hidden])", { timeout: MINUTES });
    assert.match(await page.innerText("#own-model"), /lake\.raremap/);
    // The scene is open again, and the options are the model's.
    assert.equal(await visit.state(["ready", "error"]), "ready", await visit.error());
    assert.deepEqual(await rareClasses(visit), ["water", "reed"]);
    assert.equal(await visit.run(), "done", await visit.error());
    assert.ok((await visit.classes()).some(({ name }) => name === "reed"));
    await page.click("#model-default");
    await page.waitForSelector("#own-model", { state: "hidden" });
    assert.deepEqual(await rareClasses(visit), ["water", "wetland"]);
    assert.equal(await visit.state(["ready", "error"]), "ready", await visit.error());
  }),
);

test("a model that is not wanted changes nothing", { timeout: 5 * MINUTES }, () =>
  visiting({}, async (visit) => {
    await offer(visit, "lake.raremap", lake);
    await visit.page.keyboard.press("Escape");
    await visit.page.waitForSelector("#offer", { state: "hidden" });
    assert.deepEqual(await rareClasses(visit), ["water", "wetland"]);
    assert.ok(await visit.page.isHidden("#own-model"));
  }),
);

test("a model's address in the page's is read by a range request, and shown before the rest is fetched", { timeout: 5 * MINUTES }, async () => {
  const visit = await Visit.open(browser, "about:blank");
  const { page } = visit;
  const ranges = [];
  page.on("request", (request) => request.url().endsWith("/lake.raremap") && ranges.push(request.headers().range));
  try {
    await page.goto(`${site.url}?backend=cpu&model=lake.raremap`);
    await page.waitForSelector("#offer[open]", { timeout: MINUTES });
    assert.deepEqual(ranges, ["bytes=0-131071"]);
    await page.click("#offer-take");
    await page.waitForSelector("#own-model:not([hidden])", { timeout: MINUTES });
    assert.deepEqual(await rareClasses(visit), ["water", "reed"]);
  } finally {
    await visit.close();
  }
});

test("a model on another server, or on none, is refused, and the page works on", { timeout: 5 * MINUTES }, async () => {
  const models = { "nothing.raremap": /HTTP 404/, "https://elsewhere.example/x.raremap": /limited to files on its own server/ };
  for (const [model, said] of Object.entries(models)) {
    const visit = await Visit.open(browser, site.url, { query: { backend: "cpu", model } });
    try {
      await visit.page.waitForSelector('#error[data-code="model_fetch"]');
      assert.match(await visit.error(), said);
      await visit.page.click("#sample");
      assert.equal(await visit.state(["ready", "error"]), "ready", await visit.error());
    } finally {
      await visit.close();
    }
  }
});

test("the site is saved as a folder with the user's model in it, and works on another server", { timeout: 5 * MINUTES }, async () => {
  let archive;
  await visiting({}, async (visit) => {
    await offer(visit, "lake.raremap", lake);
    await visit.page.click("#offer-take");
    await visit.page.waitForSelector("#own-model:not([hidden])", { timeout: MINUTES });
    archive = await visit.download("#site-folder", folder, MINUTES);
  });
  execFileSync(process.env.RAREMAP_PYTHON ?? "python3", ["-m", "zipfile", "-e", archive, folder]);
  const other = await serve({ root: join(folder, "raremap-site"), prefix: "/intranet" });
  const visit = await Visit.open(browser, other.url, { query: { backend: "cpu" } });
  try {
    await visit.page.waitForSelector('#offline[data-state="ready"]', { timeout: MINUTES });
    assert.deepEqual(await rareClasses(visit), ["water", "reed"]);
    assert.ok(await visit.page.isHidden("#own-model"));
    // Its own service worker took the new model: the list in it has the model's digest.
    await other.close();
    await visit.page.reload();
    await visit.page.waitForSelector("#backend[data-backend=cpu]", { timeout: MINUTES });
    assert.deepEqual(await rareClasses(visit), ["water", "reed"]);
    assert.deepEqual(visit.consoleErrors, []);
  } finally {
    await visit.close();
    await other.close();
  }
});

test("a damaged weights file is refused, and the page works on with its model", { timeout: 5 * MINUTES }, () =>
  visiting({}, async (visit) => {
    const damaged = Buffer.from(lake);
    damaged[damaged.length - 1000] ^= 1;
    await offer(visit, "damaged.raremap", damaged);
    await visit.page.click("#offer-take");
    await visit.page.waitForSelector('#error[data-code="model_altered"]', { timeout: MINUTES });
    assert.match(await visit.error(), /damaged\.raremap cannot be used as a model[^]*keeps using the model that it had/);
    await visit.page.setInputFiles("#model-input", fileOf("text.raremap", Buffer.from("This is a text, and no weights file.")));
    await visit.page.waitForSelector('#error[data-code="model_malformed"]');
    await visit.page.click("#sample");
    assert.equal(await visit.state(["ready", "error"]), "ready", await visit.error());
    assert.equal(await visit.error(), null);
    assert.equal(await visit.run(), "done", await visit.error());
  }),
);

const HOSTILE = '<img src="x" onerror="document.title=1"><script>document.title=2</script>';

test("markup in a card is text", { timeout: 5 * MINUTES }, () =>
  visiting({}, async (visit) => {
    const { page } = visit;
    const title = await page.title();
    const images = await page.$$eval("img, script", (found) => found.length);
    const bytes = weights((card) => {
      card.properties["mlm:name"] = card.properties.description = card.properties["raremap:training"].dataset = HOSTILE;
      for (const output of card.properties["mlm:output"]) {
        for (const it of output["classification:classes"]) if (it.name === "wetland") it.name = it.title = HOSTILE;
      }
      card.properties["raremap:rare_classes"] = ["water", HOSTILE];
      for (const it of card.properties["raremap:metrics"].val.shipped.classes) it.name = HOSTILE;
    });
    await offer(visit, "hostile.raremap", bytes);
    assert.ok((await page.innerText("#offer")).includes("<script>document.title=2</script>"));
    await page.click("#offer-take");
    await page.waitForSelector("#own-model:not([hidden]), #error:not([hidden])", { timeout: MINUTES });
    await page.click("#about-open", { timeout: 2000 }).catch(() => {});
    await page.click("#about-close", { timeout: 2000 }).catch(() => {});
    // A file's name is its owner's text, too.
    const buffer = readFileSync("web/sample/scene.tif");
    await page.setInputFiles("#file-input", { name: '<img src="x" onerror="document.title=3">.tif', mimeType: "image/tiff", buffer });
    await visit.settled();
    await visit.run();
    assert.equal(await page.title(), title);
    assert.equal(await page.$$eval("img, script", (found) => found.length), images);
  }),
);
