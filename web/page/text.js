// @ts-check
// The page's texts: numbers, names, errors and states in its user's terms.

import { en } from "./messages/en.js";
import { hi, hiNames, hiPage } from "./messages/hi.js";

/**
 * @typedef {object} Language
 * @property {string} name as those who speak it write it
 * @property {Record<keyof typeof en, string>} messages
 * @property {Record<string, string>} names of classes and bands in data, where they are not those of the data
 * @property {Record<string, string>} page the fixed texts of index.html, by the English ones
 */

/** By their tags. A language is one more message file and one more line here. @type {Record<string, Language>} */
export const LANGUAGES = {
  en: { name: "English", messages: en, names: {}, page: {} },
  hi: { name: "हिन्दी", messages: hi, names: hiNames, page: hiPage },
};

let locale = "en";
let language = LANGUAGES.en;

/** @param {string} tag one of LANGUAGES */
export function setLanguage(tag) {
  locale = tag;
  language = LANGUAGES[tag];
}

/** @typedef {keyof typeof en} Message */

/**
 * A sentence of the page.
 *
 * @param {Message} message
 * @param {Record<string, string | number>} [values] fill in {names}
 */
export function t(message, values = {}) {
  return language.messages[message].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/**
 * @param {number} value
 * @param {number} [digits] decimals
 */
export function number(value, digits = 0) {
  return value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** @param {number} hectares */
export function hectaresText(hectares) {
  if (hectares === 0) return "0";
  if (hectares < 0.01) return "< 0.01";
  return number(hectares, hectares >= 100 ? 0 : hectares >= 1 ? 1 : 2);
}

/** @param {number} percent */
export function percentText(percent) {
  if (percent === 0) return "0";
  if (percent < 0.01) return "< 0.01";
  return number(percent, percent >= 1 ? 1 : 2);
}

/** @param {number} secs */
export function durationText(secs) {
  if (secs < 1) return t("underSecond");
  if (secs < 90) return t("seconds", { count: Math.round(secs) });
  if (secs < 90 * 60) return t("minutes", { count: Math.round(secs / 60) });
  return t("hours", { count: number(secs / 3600, 1) });
}

/** @param {string} instant RFC 3339 */
export function dateText(instant) {
  return new Date(instant).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
}

/** @param {number} bytes */
export function bytesText(bytes) {
  if (bytes < 1e6) return `${number(Math.max(bytes / 1e3, 0.1), 1)} kB`;
  return bytes < 1e9 ? `${number(bytes / 1e6, 1)} MB` : `${number(bytes / 1e9, 2)} GB`;
}

/**
 * A class's name as people write it: `grass_shrub` is "Grass / shrub".
 *
 * @param {string} name
 */
export function title(name) {
  const words = className(name);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The same within a sentence. @param {string} name */
export function className(name) {
  return language.names[name] ?? name.replaceAll("_", " / ");
}

/** @type {Record<string, Message>} */
const BANDS = { nir: "band_nir", swir1: "band_swir1", swir2: "band_swir2" };

/** A band's common name as people write it. @param {string} name */
export function bandName(name) {
  return BANDS[name] ? t(BANDS[name]) : (language.names[name] ?? name.replaceAll("_", " "));
}

/** @param {string[]} words */
export function listing(words) {
  return new Intl.ListFormat(locale, { type: "conjunction" }).format(words);
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

/**
 * What the names of a scene's results begin with: the name of its first file, without the extension.
 *
 * @param {string} sceneName names of its files, with a comma and a space between them
 */
export function fileStem(sceneName) {
  return sceneName.split(", ")[0].replace(/\.[^.]+$/, "");
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

/** What to do about a scene that does not fit the model, by the warning's code. @type {Record<string, Message>} */
const WARNINGS = {
  values_8_bit: "warn8Bit",
  values_reflectance: "warnReflectance",
  bands_swapped: "warnSwapped",
  values_hazy: "warnHazy",
  values_unusual: "warnUnusual",
};

/**
 * A warning in one line, and the figures behind it if there are any.
 *
 * @param {string} code
 * @param {string} message
 */
export function warningText(code, message) {
  return WARNINGS[code] ? [t(WARNINGS[code]), message] : [message, ""];
}

/** Why the model runs on the processor. @type {Record<string, Message>} */
const REASONS = {
  forced: "reasonForced",
  missing: "reasonMissing",
  fallback: "reasonFallback",
  limits: "reasonLimits",
  crashed: "reasonCrashed",
  webgpu_failed: "reasonFailed",
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
  const why = REASONS[reason];
  return t("onProcessor", { reason: why ? t(why) : reason });
}
