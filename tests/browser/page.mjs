// Drives the built page in headless Chromium as a person would; shared by segment.mjs and the browser tests.

import { existsSync } from "node:fs";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { serve } from "./serve.mjs";

const FLAGS = [
  "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const WEBGPU = [
  // Proves the WebGPU path on a machine without a GPU. The page calls this adapter a fallback and takes the CPU by itself.
  "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader",
];

const VIEWPORT = { width: 1440, height: 900 };

/** Runs in the page before its scripts: notes when its state and its progress first change. */
function recordTimes() {
  const times = (globalThis.raremapTimes = {});
  new MutationObserver((changes) => {
    const now = performance.now();
    for (const { target } of changes) {
      const note = (name) => (times[name] ??= Math.round(now));
      if (target.id === "status") note(target.dataset.state);
      if (target.id === "backend" && target.dataset.backend) note("backend");
      if (target.id === "progress" && target.position > 0 && target.position <= 1) note("firstTile");
    }
  }).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-state", "data-backend", "value"] });
}

const options = (hasWebGpu = true) => ({
  executablePath: process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync),
  args: [...FLAGS, ...(hasWebGpu ? WEBGPU : ["--disable-gpu"])],
});

export const launch = ({ hasWebGpu = true } = {}) => chromium.launch(options(hasWebGpu));

/**
 * A browser whose only visit keeps its storage in a folder, on the disk. Those of `launch` are private windows, which Chromium gives files
 * of at most 1.5 GB, in memory.
 */
export async function launchWithProfile(folder) {
  const context = await chromium.launchPersistentContext(folder, { ...options(), viewport: VIEWPORT, acceptDownloads: true });
  return { newContext: async () => context, close: () => context.close() };
}

/** One visit to the page. `failures` gathers what must not happen: errors on the console, requests to another origin. */
export class Visit {
  consoleErrors = [];
  foreignRequests = [];

  /** `query` holds the page's own parameters (backend, tile), `device` what Playwright emulates (touch). */
  static async open(browser, url, { query = {}, viewport = VIEWPORT, device = {} } = {}) {
    const visit = new Visit();
    visit.context = await browser.newContext({ viewport, acceptDownloads: true, ...device });
    const { origin } = new URL(url);
    visit.context.on("request", (request) => {
      const address = new URL(request.url());
      if (address.origin !== origin && !["blob:", "data:"].includes(address.protocol)) visit.foreignRequests.push(request.url());
    });
    visit.context.on("console", (message) => message.type() === "error" && visit.consoleErrors.push(message.text()));
    visit.context.on("weberror", (error) => visit.consoleErrors.push(String(error.error())));
    visit.page = await visit.context.newPage();
    await visit.page.addInitScript(recordTimes);
    const address = new URL(url);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) address.searchParams.set(name, value);
    await visit.page.goto(address.href);
    return visit;
  }

  /** Waits until the page is in one of the states; gives the state. */
  async state(states, timeout = 60_000) {
    const wanted = [states].flat().map((state) => `#status[data-state="${state}"]`);
    const found = await this.page.waitForSelector(wanted.join(", "), { timeout, state: "attached" });
    return found.getAttribute("data-state");
  }

  /** Drops a file, or several, or a folder on the page; waits until it is read or refused, and gives the state then. */
  async drop(paths, timeout = 120_000) {
    const session = await this.context.newCDPSession(this.page);
    const data = { items: [], files: [paths].flat(), dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) {
      await session.send("Input.dispatchDragEvent", { type, x: 700, y: 400, data });
    }
    await session.detach();
    return this.settled(timeout);
  }

  /** Chooses a file in the file dialog; waits until it is read or refused, and gives the state then. */
  async choose(path, timeout = 120_000) {
    await this.page.setInputFiles("#file-input", path);
    return this.settled(timeout);
  }

  /** Chooses a folder in its dialog; as `choose`. */
  async chooseFolder(path, timeout = 120_000) {
    await this.page.setInputFiles("#folder-input", path);
    return this.settled(timeout);
  }

  async settled(timeout = 120_000) {
    // The page may still show the state of the file before this one.
    await this.page.waitForTimeout(200);
    return this.state(["ready", "error"], timeout);
  }

  /** Assigns bands, `{green: 2}` meaning that the scene's second band is the model's green. */
  async assignBands(bands) {
    if (!(await this.page.$("#bands[open]"))) await this.page.click("#bands > summary");
    for (const [name, number] of Object.entries(bands)) await this.page.selectOption(`#band-${name}`, String(number - 1));
  }

  /** Clicks Run and waits for its end; gives the state at the end. */
  async run(timeout = 600_000) {
    await this.page.click("#run");
    return this.state(["done", "error"], timeout);
  }

  /** Clicks a download button and saves the file into `folder`; gives its path. */
  async download(button, folder, timeout = 60_000) {
    const [download] = await Promise.all([this.page.waitForEvent("download", { timeout }), this.page.click(button)]);
    const path = join(folder, download.suggestedFilename());
    await download.saveAs(path);
    return path;
  }

  backend() {
    return this.page.getAttribute("#backend", "data-backend");
  }

  /** What the page says is wrong; null if nothing. */
  async error() {
    return (await this.page.isVisible("#error")) ? this.page.innerText("#error") : null;
  }

  /** Collects what an element says from now on; gives a function that tells what it said. */
  async textsOf(selector) {
    const texts = await this.page.evaluateHandle((selector) => {
      const said = new Set();
      const element = document.querySelector(selector);
      new MutationObserver(() => said.add(element.textContent)).observe(element, { childList: true, characterData: true, subtree: true });
      return said;
    }, selector);
    return () => texts.evaluate((said) => [...said]);
  }

  /** The class table. */
  async classes() {
    const rows = await this.page.$$("#class-table [data-class]");
    return Promise.all(
      rows.map(async (row) => {
        const number = async (name) => {
          const text = await row.getAttribute(`data-${name}`);
          return text === null || text === "" || text === "null" ? null : Number(text);
        };
        const [pixels, hectares, percent] = await Promise.all(["pixels", "hectares", "percent"].map(number));
        return { name: await row.getAttribute("data-class"), pixels, hectares, percent };
      }),
    );
  }

  /** Milliseconds since the page was opened, by what happened first then. */
  times() {
    return this.page.evaluate(() => globalThis.raremapTimes);
  }

  close() {
    return this.context.close();
  }
}

/** Serves a built site, unless `site` is an address already. */
export async function openSite(site = "dist", prefix = "/") {
  if (/^https?:/.test(site)) return { url: site, close: async () => {} };
  if (!existsSync(join(site, "index.html"))) throw new Error(`${site}/index.html is missing: ./run --build-only makes it`);
  return serve({ root: site, prefix });
}
