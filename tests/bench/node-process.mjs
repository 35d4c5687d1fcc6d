// One side of the bench in a process of Node, with the parts of a browser's worker that it uses. The argument is the side's script.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { create, globals } from "webgpu";

const define = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

Object.assign(globalThis, globals);
define("navigator", { gpu: create([]), hardwareConcurrency: 1, userAgent: "Node" });
// wgpu looks for one of the kinds of global scope that have a navigator; onnxruntime-web takes the other one for a worker of a browser.
define("Window", class {});
define("fetch", async (url) => new Response(await readFile(fileURLToPath(url))));
define("addEventListener", (name, listener) => process.on(name, (data) => listener({ data })));
define("postMessage", (message) => process.send(message));

// Dawn takes no views of shared memory, which is what onnxruntime-web's wasm has.
const { writeBuffer } = GPUQueue.prototype;
GPUQueue.prototype.writeBuffer = function copied(buffer, offset, data, ...rest) {
  return writeBuffer.call(this, buffer, offset, data.buffer instanceof SharedArrayBuffer ? data.slice() : data, ...rest);
};

await import(process.argv[2]);
