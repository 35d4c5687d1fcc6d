// The sides of the bench as processes of Node with Dawn's WebGPU (npm's `webgpu`): for a machine with a GPU and no browser.

import { fork } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { MODULES } from "./modules.mjs";

const PROCESS = fileURLToPath(new URL("node-process.mjs", import.meta.url));

export class Node {
  /** @type {Map<string, {process: import("node:child_process").ChildProcess, waiting: Map<number, {resolve: Function, reject: Function}>}>} */
  #processes = new Map();
  #lastId = 0;
  #folders;
  name = `Node ${process.versions.node} (V8 ${process.versions.v8})`;

  /** @param {Record<string, string>} folders what the processes read, by name; `data` can be written */
  constructor(folders) {
    this.#folders = folders;
    // Under this name Node takes it for a module.
    for (const name of MODULES) copyFileSync(join(folders.site, `web/wasm/${name}.js`), join(folders.data, `${name}.mjs`));
  }

  /** Where the processes find a file of one of the folders. @param {string} path such as `data/tile.f32` */
  address(path) {
    const [folder, ...rest] = path.split("/");
    const glue = MODULES.find((name) => path === `site/web/wasm/${name}.js`);
    if (glue) return this.address(`data/${glue}.mjs`);
    return pathToFileURL(join(this.#folders[folder], ...rest)).href + (path.endsWith("/") ? "/" : "");
  }

  /** Starts a process. @param {string} name @param {string} path of its script */
  open(name, path) {
    const child = fork(PROCESS, [this.address(path)], { serialization: "advanced" });
    const waiting = new Map();
    this.#processes.set(name, { process: child, waiting });
    return new Promise((ready, failed) => {
      child.on("message", (message) => {
        if (message.ready) return ready();
        const { resolve, reject } = waiting.get(message.id);
        waiting.delete(message.id);
        return message.error === undefined ? resolve(message.result) : reject(new Error(`${name}: ${message.error}`));
      });
      child.on("exit", (code, signal) => {
        const cause = new Error(`${name}: the process ended with ${signal ?? `status ${code}`}`);
        failed(cause);
        for (const { reject } of waiting.values()) reject(cause);
      });
    });
  }

  /** Lets a process do something; gives the result. @param {string} name @param {string} method @param {object} [params] */
  ask(name, method, params = {}) {
    const { process: child, waiting } = this.#processes.get(name);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      child.send({ id, method, params });
    });
  }

  /** As `ask`, where the result is a typed array; gives its bytes. */
  async bytes(name, method, params) {
    const array = await this.ask(name, method, params);
    return Uint8Array.from(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }

  /** Lets several processes do the same at once; gives the milliseconds until the last is done. @param {string[]} names @param {string} method */
  async together(names, method) {
    const began = performance.now();
    await Promise.all(names.map((name) => this.ask(name, method)));
    return performance.now() - began;
  }

  /** Ends a process. @param {string} name */
  close(name) {
    this.#processes.get(name)?.process.kill();
    this.#processes.delete(name);
  }

  end() {
    for (const name of this.#processes.keys()) this.close(name);
  }
}
