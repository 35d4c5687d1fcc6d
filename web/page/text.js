// @ts-check
// The page's texts: numbers, names, errors and states in its user's terms.

import { Speech } from "../view/speech.js";
import { names } from "../view/messages/hi.js";
import { en } from "./messages/en.js";
import { hi, hiPage } from "./messages/hi.js";

/**
 * @typedef {object} Language
 * @property {string} name as those who speak it write it
 * @property {Record<keyof typeof en, string>} messages
 * @property {Record<string, string>} names of classes and bands in data, where they are not those of the data
 * @property {Record<string, string>} page the fixed texts of index.html, by the English ones
 */

/** By their tags. A language is one more message file here, one in web/view/messages, and one more line here. @type {Record<string, Language>} */
export const LANGUAGES = {
  en: { name: "English", messages: en, names: {}, page: {} },
  hi: { name: "हिन्दी", messages: hi, names, page: hiPage },
};

/** @typedef {keyof typeof en} Message */

/** What the page says, in the language that was chosen. @type {Speech<Message>} */
export const speech = new Speech(LANGUAGES);

/**
 * A sentence of the page.
 *
 * @param {Message} message
 * @param {Record<string, string | number>} [values] fill in {names}
 */
export const t = (message, values) => speech.say(message, values);

/** @param {number} value @param {number} [digits] decimals */
export const number = (value, digits) => speech.number(value, digits);

/** @param {string} name of a class or a band, by itself */
export const title = (name) => speech.title(name);

/** @param {string} name of a class, within a sentence */
export const className = (name) => speech.className(name);

/** @param {string} name of a band, within a sentence */
export const bandName = (name) => speech.bandName(name);

/** @param {number} secs */
export function durationText(secs) {
  if (secs < 1) return t("underSecond");
  if (secs < 90) return t("seconds", { count: Math.round(secs) });
  if (secs < 90 * 60) return t("minutes", { count: Math.round(secs / 60) });
  return t("hours", { count: number(secs / 3600, 1) });
}

/** @param {string} instant RFC 3339 */
export function dateText(instant) {
  return new Date(instant).toLocaleString(speech.language, { dateStyle: "medium", timeStyle: "short" });
}

/** @param {number} bytes */
export function bytesText(bytes) {
  if (bytes < 1e6) return `${number(Math.max(bytes / 1e3, 0.1), 1)} kB`;
  return bytes < 1e9 ? `${number(bytes / 1e6, 1)} MB` : `${number(bytes / 1e9, 2)} GB`;
}

/** @param {string[]} words */
export function listing(words) {
  return new Intl.ListFormat(speech.language, { type: "conjunction" }).format(words);
}

/**
 * What the page calls several files: their folder if they have one in common, otherwise the first of them.
 *
 * @param {string[]} paths at least one, with `/` between folders
 */
export function entriesName(paths) {
  const [first] = paths;
  const folder = first.split("/")[0];
  if (paths.every((path) => path.startsWith(`${folder}/`))) return folder;
  return paths.length > 1 ? t("andMore", { first, count: number(paths.length - 1) }) : first;
}

/** Causes in the page's own words, where the engine's would be about its inside. @type {Record<string, Message>} */
const CAUSES = {
  not_a_tiff: "causeNotATiff",
  empty: "causeEmpty",
  truncated: "causeTruncated",
  trap: "causeTrap",
  worker_missing: "causeWorkerMissing",
  wasm_start: "causeWasmStart",
};

/** What to try, by the error's code or the beginning of it, the first that fits. @type {[string, Message][]} */
const ADVICE = [
  ["not_a_tiff", "tryGeoTiff"],
  ["too_few_bands", "tryAllBands"],
  ["band_missing", "tryAllBands"],
  ["several_products", "tryOneProduct"],
  ["grids_differ", "tryOneGrid"],
  ["no_image_among_files", "tryImages"],
  ["unsupported_jpeg_2000", "tryJpeg2000"],
  ["folder_unreadable", "tryFiles"],
  ["bad_address", "tryAddress"],
  ["http_no_ranges", "tryDownload"],
  ["http_unreachable", "tryConnection"],
  ["http_", "tryAddressOrDownload"],
  ["unsupported_", "tryConvert"],
  ["limit_exceeded", "tryTiles"],
  ["scene_too_large", "tryPart"],
  ["storage_full", "trySpace"],
  ["not_kept", "tryMapAgain"],
  ["source_", "tryOpenAgain"],
  ["model_fetch", "tryModelFetch"],
  ["model_", "tryModel"],
  ["golden_tile_differs", "tryOtherDevice"],
  ["site_fetch", "tryAgain"],
  ["sample_fetch", "trySample"],
  ["misuse", "tryOptions"],
  ["trap", "tryCpu"],
  ["worker_missing", "tryReload"],
  ["wasm_start", "tryBrowser"],
  ["empty", "tryCopy"],
  ["truncated", "tryCopy"],
  ["no_image", "tryCopy"],
  ["missing_tag", "tryCopy"],
  ["bad_tag", "tryCopy"],
  ["bad_block", "tryCopy"],
  ["", "tryReport"],
];

/** @param {{code: string, message: string}} error */
export function explain({ code, message }) {
  const own = CAUSES[code] && t(CAUSES[code]);
  const advice = t(ADVICE.find(([start]) => code.startsWith(start))?.[1] ?? "tryReport");
  const sentence = message.charAt(0).toUpperCase() + message.slice(1);
  return { code, cause: own ?? (/[.!?]$/.test(sentence) ? sentence : `${sentence}.`), advice, detail: own ? `${code}: ${message}` : code };
}

/** Why the model runs on the processor. @type {Record<string, Message>} */
const REASONS = {
  forced: "reasonForced",
  missing: "reasonMissing",
  fallback: "reasonFallback",
  limits: "reasonLimits",
  device_lost: "reasonLost",
  webgpu_failed: "reasonFailed",
  gpu_module: "reasonModule",
  golden_tile_differs: "reasonGolden",
};

/**
 * One calm line that says where the model runs, why it runs there, and what would be faster.
 *
 * @param {{backend: string, reason: string, adapter: string}} loaded
 */
export function backendText({ backend, reason, adapter }) {
  if (backend === "webgpu") {
    if (reason === "fallback") return t("onSoftwareAdapter");
    return adapter ? t("onNamedAdapter", { adapter }) : t("onAdapter");
  }
  if (reason === "network") return t("onProcessorOnly");
  const why = REASONS[reason];
  return t("onProcessor", { reason: why ? t(why) : reason });
}
