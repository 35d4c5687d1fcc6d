// @ts-check
// What a scene can be opened from, as the engine takes it.

import { EngineError } from "../engine/errors.js";

/**
 * @typedef {import("../engine/messages.js").Entry} Entry
 * @typedef {import("../engine/messages.js").SceneSource} SceneSource
 *
 * @typedef {string | URL | Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer> | Iterable<Blob | Entry>} Source an address; a file; its bytes;
 *   or several files that are one scene, such as its bands, each with a path if they come from folders
 */

const NAME = "scene.tif";

/** The last part of an address, without what only the server reads. @param {URL} url */
function nameOf(url) {
  const last = url.pathname.split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(last) || NAME;
  } catch {
    return last;
  }
}

/** @param {Blob | Entry} part @param {string} [name] @returns {Entry} */
function entry(part, name) {
  if (!(part instanceof Blob)) return part;
  if (part instanceof File) return { path: name ?? (part.webkitRelativePath || part.name), file: part };
  const path = name ?? NAME;
  return { path, file: new File([part], path, { type: part.type }) };
}

/**
 * @param {Source} source
 * @param {string | undefined} base what relative addresses are relative to
 * @param {string} [name] what the scene is called instead of its file's name
 * @returns {SceneSource}
 */
export function sceneSource(source, base, name) {
  if (typeof source === "string" || source instanceof URL) {
    const url = URL.canParse(source, base) ? new URL(source, base) : undefined;
    if (!url || !/^https?:$/.test(url.protocol)) throw new EngineError("bad_address", `${source} is not the address of a file on a server.`);
    return { url: url.href, name: name ?? nameOf(url) };
  }
  if (source instanceof Blob) return { entries: [entry(source, name)] };
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) {
    return { entries: [entry(new Blob([source]), name)] };
  }
  if (source && typeof source === "object" && Symbol.iterator in source) {
    const entries = [...source].map((part) => entry(part));
    if (entries.length > 0 && entries.every((part) => part?.file instanceof Blob && typeof part.path === "string")) return { entries };
  }
  throw new EngineError("misuse", "A scene is opened from an address, a file, bytes, or several files.");
}

/** What a scene can be called until it is read. @param {Source} source */
export function nameOfSource(source) {
  if (typeof source === "string" || source instanceof URL) return String(source).split(/[?#]/)[0].split("/").at(-1) ?? "";
  if (source instanceof File) return source.name;
  if (source instanceof Blob || source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return "";
  const [first] = source;
  return first instanceof File ? first.name : "path" in first ? first.path : "";
}
