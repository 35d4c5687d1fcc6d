// @ts-check
// Reads the page's address, and addresses of scenes.

import { EngineError } from "../engine/errors.js";

/** @typedef {import("../engine/messages.js").WantedBackend} WantedBackend */

/**
 * @param {string} search the part of the page's address from `?` on
 * @returns {{backend: WantedBackend, tile: number | undefined, workers: number | undefined, scene: string | undefined, model: string | undefined,
 *   lang: string | undefined}} `auto` for a backend that does not exist
 */
export function addressOptions(search) {
  const params = new URLSearchParams(search);
  const backend = params.get("backend");
  return {
    backend: backend === "cpu" || backend === "webgpu" ? backend : "auto",
    tile: Number(params.get("tile")) || undefined,
    workers: /^\d{1,2}$/.test(params.get("workers") ?? "") ? Number(params.get("workers")) : undefined,
    scene: params.get("scene") || undefined,
    model: params.get("model") || undefined,
    lang: params.get("lang") || undefined,
  };
}

/**
 * The address of a scene or a model. A percent sign that does not begin an escape stands for itself, as in the file name `10%.tif`.
 *
 * @param {string} text whole, or relative to `base`
 * @param {string} base
 * @returns {URL}
 * @throws {EngineError} `bad_address` for a text that is not an address
 */
export function fileUrl(text, base) {
  const escaped = text.replace(/%(?![0-9a-f]{2})/gi, "%25");
  if (!URL.canParse(escaped, base)) throw new EngineError("bad_address", `"${text}" is not an address.`);
  return new URL(escaped, base);
}

/**
 * The name of the file at an address, or the server's if the address names no file.
 *
 * @param {URL} url
 */
export function fileNameOf(url) {
  const last = url.pathname.split("/").pop() ?? "";
  try {
    return decodeURIComponent(last) || url.host;
  } catch {
    // Escapes of another encoding than UTF-8.
    return last;
  }
}

/**
 * A file on a server, by its address.
 *
 * @param {string} text
 * @param {string} base
 * @returns {{name: string, url: URL}}
 * @throws {EngineError} `bad_address` for a text that is not an address
 */
export function fileAt(text, base) {
  const url = fileUrl(text, base);
  return { name: fileNameOf(url), url };
}
