// The sides of the bench as workers of a page of headless Chromium.

import { createRequire } from "node:module";

import { serveFolders } from "./site.mjs";

const FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--enable-unsafe-webgpu"];
const ADAPTER_FLAGS = { software: ["--use-webgpu-adapter=swiftshader"], hardware: ["--enable-features=Vulkan", "--ignore-gpu-blocklist"] };

/** Runs in the page: workers by name, and a way to ask them. */
function prepare() {
  const workers = new Map();
  let lastId = 0;
  globalThis.bench = {
    open: (name, url) =>
      new Promise((ready, failed) => {
        const worker = new Worker(url, { type: "module" });
        const waiting = new Map();
        workers.set(name, { worker, waiting });
        worker.addEventListener("error", (event) => {
          const cause = new Error(`${name}: ${event.message ?? "the worker failed"}`);
          failed(cause);
          for (const { reject } of waiting.values()) reject(cause);
        });
        worker.addEventListener("message", ({ data }) => {
          if (data.ready) return ready();
          const { resolve, reject } = waiting.get(data.id);
          waiting.delete(data.id);
          return data.error === undefined ? resolve(data.result) : reject(new Error(`${name}: ${data.error}`));
        });
      }),
    ask: (name, method, params = {}) =>
      new Promise((resolve, reject) => {
        const { worker, waiting } = workers.get(name);
        lastId += 1;
        waiting.set(lastId, { resolve, reject });
        worker.postMessage({ id: lastId, method, params });
      }),
    close(name) {
      workers.get(name)?.worker.terminate();
      workers.delete(name);
    },
    /** Arrays cross to Node as text of their bytes. */
    async bytes(name, method, params) {
      const array = await globalThis.bench.ask(name, method, params);
      const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
      const parts = [];
      for (let at = 0; at < bytes.length; at += 1 << 15) parts.push(String.fromCharCode(...bytes.subarray(at, at + (1 << 15))));
      return btoa(parts.join(""));
    },
  };
}

export class Chromium {
  /**
   * @param {Record<string, string>} folders what the workers read, by name
   * @param {{executablePath: string, playwright: string, adapter: "software" | "hardware"}} options `playwright` is a module whose packages have it
   */
  static async start(folders, { executablePath, playwright, adapter }) {
    const { chromium } = createRequire(playwright)("playwright-core");
    const host = new Chromium();
    host.site = await serveFolders(folders);
    host.browser = await chromium.launch({ executablePath, args: [...FLAGS, ...ADAPTER_FLAGS[adapter]] });
    host.page = await host.browser.newPage();
    await host.page.goto(host.site.url);
    await host.page.evaluate(prepare);
    host.name = `Chromium ${host.browser.version()}`;
    return host;
  }

  /** Where the workers find a file of one of the folders. @param {string} path such as `data/tile.f32` */
  address(path) {
    return new URL(path, this.site.url).href;
  }

  /** Starts a worker. @param {string} name @param {string} path of its script */
  open(name, path) {
    return this.page.evaluate(([name, url]) => globalThis.bench.open(name, url), [name, this.address(path)]);
  }

  /** Lets a worker do something; gives the result. @param {string} name @param {string} method @param {object} [params] */
  ask(name, method, params) {
    return this.page.evaluate(([name, method, params]) => globalThis.bench.ask(name, method, params), [name, method, params]);
  }

  /** As `ask`, where the result is a typed array; gives its bytes. */
  async bytes(name, method, params) {
    const text = await this.page.evaluate(([name, method, params]) => globalThis.bench.bytes(name, method, params), [name, method, params]);
    return new Uint8Array(Buffer.from(text, "base64"));
  }

  /** Lets several workers do the same at once; gives the milliseconds until the last is done. @param {string[]} names @param {string} method */
  together(names, method) {
    return this.page.evaluate(
      async ([names, method]) => {
        const began = performance.now();
        await Promise.all(names.map((name) => globalThis.bench.ask(name, method)));
        return performance.now() - began;
      },
      [names, method],
    );
  }

  /** Ends a worker. @param {string} name */
  close(name) {
    return this.page.evaluate((name) => globalThis.bench.close(name), name);
  }

  async end() {
    await this.browser?.close();
    await this.site?.close();
  }
}
