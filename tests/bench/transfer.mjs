// Bytes that each side sends before the first mask, as they are and with brotli.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { constants, brotliCompressSync } from "node:zlib";

import { modulesFor } from "./modules.mjs";

// The quality at which hosts compress ahead of time and still finish.
const QUALITY = 9;

/** @param {string[]} files */
export function bytesOf(files) {
  const contents = files.map((file) => readFileSync(file));
  const packed = (content) => {
    const params = { [constants.BROTLI_PARAM_QUALITY]: QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
    return brotliCompressSync(content, { params }).length;
  };
  const sum = (sizes) => sizes.reduce((total, size) => total + size, 0);
  return { raw: sum(contents.map(({ length }) => length)), brotli: sum(contents.map(packed)) };
}

const scriptsIn = (folder) => readdirSync(folder).filter((name) => name.endsWith(".js"));
/** Scripts that only a graphics card needs. @param {string} name */
const isForGpu = (name) => /(^|-)gpu\b|^devices\.js$/.test(name);

/**
 * The engine without the page around it, as the other side has none.
 *
 * @param {"cpu" | "webgpu"} backend @param {string} site @param {string} model
 */
export function ourTransfer(backend, site, model) {
  const inWeb = (path) => join(site, "web", path);
  const loaded = (name) => backend === "webgpu" || !isForGpu(name);
  const scripts = ["engine", "worker", "wasm"].flatMap((folder) =>
    scriptsIn(inWeb(folder)).filter(loaded).map((name) => inWeb(join(folder, name))),
  );
  const modules = modulesFor(backend).map((name) => inWeb(join("wasm", `${name}_bg.wasm`)));
  return { wasm: bytesOf(modules), scripts: bytesOf(scripts), model: bytesOf([model]) };
}

const THEIR_PARTS = {
  cpu: { wasm: ["ort-wasm-simd-threaded.wasm"], scripts: ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs"] },
  webgpu: { wasm: ["ort-wasm-simd-threaded.asyncify.wasm"], scripts: ["ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs"] },
};

/** @param {"cpu" | "webgpu"} backend @param {string} folder of onnxruntime-web's modules @param {string} model */
export function theirTransfer(backend, folder, model) {
  const { wasm, scripts } = THEIR_PARTS[backend];
  const at = (names) => names.map((name) => join(folder, name));
  return { wasm: bytesOf(at(wasm)), scripts: bytesOf(at(scripts)), model: bytesOf([model]) };
}
