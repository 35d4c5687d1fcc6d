// The built page without a network, and through updates. The server is this test's own: it publishes versions of the site, and stops.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { writeList } from "../../web/precache.mjs";
import { Visit, launch } from "./page.mjs";
import { serve } from "./serve.mjs";

const MINUTES = 60_000;
const DIST = process.env.RAREMAP_SITE ?? "dist";
let browser;

before(async () => (browser = await launch()));
after(() => browser?.close());

/** A host whose files change, and whose network fails. */
class Host {
  folder = mkdtempSync(join(tmpdir(), "raremap-site-"));
  #server;
  #port = 0;

  async start() {
    this.#server = await serve({ root: this.folder, port: this.#port, prefix: "/portal/maps" });
    this.url = this.#server.url;
    this.#port = Number(new URL(this.url).port);
  }

  /** Publishes the site with `name` in its heading, and then damages it by `harm`. */
  async publish(name, harm = () => {}) {
    cpSync(DIST, this.folder, { recursive: true });
    const page = join(this.folder, "index.html");
    writeFileSync(page, readFileSync(page, "utf8").replace("<h1>raremap</h1>", `<h1>${name}</h1>`));
    // A file that only the worker reads, to see that page and worker are of one version.
    writeFileSync(join(this.folder, "version.txt"), name);
    await writeList(this.folder);
    harm(this.folder);
  }

  stop() {
    return this.#server.close();
  }

  async close() {
    await this.stop().catch(() => {});
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const heading = (visit) => visit.page.innerText("h1");
const offlineState = (visit, state) => visit.page.waitForSelector(`#offline[data-state="${state}"]`, { timeout: MINUTES, state: "attached" });
/** What the host serves at the moment, as the page gets it. */
const fetched = (visit, path) => visit.page.evaluate((path) => fetch(path).then((answer) => answer.text()), path);
/** Looks for a new version, as each visit does, and waits until it was saved or refused. */
const update = (visit) =>
  visit.page.evaluate(async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    await registration.update().catch(() => {});
    const next = registration.installing;
    if (!next) return registration.waiting?.state ?? "none";
    return new Promise((resolve) =>
      next.addEventListener("statechange", () => ["installed", "redundant"].includes(next.state) && resolve(next.state)));
  });

async function hosting(steps) {
  const host = new Host();
  await host.publish("A");
  await host.start();
  const visit = await Visit.open(browser, host.url, { query: { backend: "cpu" } });
  try {
    await offlineState(visit, "ready");
    await steps(host, visit);
    assert.deepEqual(visit.foreignRequests, []);
  } finally {
    await visit.close();
    await host.close();
  }
}

test("the page can be installed", { timeout: 5 * MINUTES }, () =>
  hosting(async (_, visit) => {
    const session = await visit.context.newCDPSession(visit.page);
    const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
    // The windows of these tests are private ones.
    assert.deepEqual(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito"), []);
  }),
);

test("after one visit the sample is mapped without a network", { timeout: 10 * MINUTES }, () =>
  hosting(async (host, visit) => {
    await host.stop();
    await visit.context.setOffline(true);
    await visit.page.goto(`${host.url}index.html?backend=cpu`);
    await visit.page.click("#sample");
    assert.equal(await visit.state(["ready", "error"]), "ready", await visit.error());
    assert.equal(await visit.run(), "done", await visit.error());
    assert.ok((await visit.classes()).find((row) => row.name === "water").pixels > 0, "no water in the sample");
    // By ranges, from the saved file.
    await visit.page.goto(`${host.url}?backend=cpu&scene=web/sample/scene.tif`);
    assert.equal(await visit.settled(), "ready", await visit.error());
    assert.deepEqual(visit.consoleErrors, []);
  }),
);

test("a new version that was published while the page was offline is offered, and taken as a whole", { timeout: 5 * MINUTES }, () =>
  hosting(async (host, visit) => {
    await host.stop();
    await visit.context.setOffline(true);
    await host.publish("B");
    await visit.page.reload();
    assert.equal(await heading(visit), "A");
    await host.start();
    await visit.context.setOffline(false);
    assert.equal(await update(visit), "installed");
    // Until it is asked for, the open page and its files stay what they were.
    assert.equal(await fetched(visit, "version.txt"), "A");
    const other = await visit.context.newPage();
    await other.goto(host.url);
    assert.equal(await other.innerText("h1"), "A");
    await visit.page.waitForSelector("#update:not([hidden])");
    await Promise.all([visit.page.waitForNavigation(), visit.page.click("#update-reload")]);
    assert.equal(await heading(visit), "B");
    assert.equal(await fetched(visit, "version.txt"), "B");
    // Another tab, which may be in the middle of a run, is told and left as it is.
    await other.waitForSelector("#update:not([hidden])");
    assert.equal(await other.innerText("h1"), "A");
    // The files of A are gone.
    assert.equal(await visit.page.evaluate(async () => (await caches.keys()).length), 1);
  }),
);

const harms = {
  "misses a file": (folder) => rmSync(join(folder, "version.txt")),
  "has a file of another version": (folder) => writeFileSync(join(folder, "version.txt"), "C"),
};
for (const [what, harm] of Object.entries(harms)) {
  test(`an update that ${what} leaves the version before working, and is taken once it is whole`, { timeout: 5 * MINUTES }, () =>
    hosting(async (host, visit) => {
      await host.publish("B", harm);
      assert.equal(await update(visit), "redundant");
      assert.ok(await visit.page.isHidden("#update"), "half a version is offered");
      await visit.context.setOffline(true);
      await visit.page.reload();
      assert.equal(await heading(visit), "A");
      assert.equal(await fetched(visit, "version.txt"), "A");
      // Published first, because the page looks by itself as soon as it can.
      await host.publish("B");
      await visit.context.setOffline(false);
      assert.equal(await update(visit), "installed");
      await visit.page.waitForSelector("#update:not([hidden])");
      await Promise.all([visit.page.waitForNavigation(), visit.page.click("#update-reload")]);
      assert.equal(await fetched(visit, "version.txt"), "B");
    }),
  );
}

test("a first visit whose page cannot be saved works, and says why it will not without a network", { timeout: 5 * MINUTES }, async () => {
  const host = new Host();
  await host.publish("A");
  await host.start();
  const visit = await Visit.open(browser, "about:blank");
  try {
    // Too little for the wasm.
    const session = await visit.context.newCDPSession(visit.page);
    await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(host.url).origin, quotaSize: 1_000_000 });
    await visit.page.goto(`${host.url}?backend=cpu`);
    await visit.page.waitForSelector('#offline[data-state="failed"][data-code="storage_full"]', { timeout: MINUTES });
    assert.match(await visit.page.innerText("#offline"), /storage is full.*Free some disk space/);
    assert.ok(await visit.page.isEnabled("#sample"));
  } finally {
    await visit.close();
    await host.close();
  }
});
