// @ts-check
// The page's texts: numbers, names, errors and states in its user's terms.

import { en } from "./messages/en.js";

const LOCALE = "en";

/**
 * A sentence of the page.
 *
 * @param {keyof typeof en} key
 * @param {Record<string, string | number>} [values] fill in {names}
 */
export function t(key, values = {}) {
  return en[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/**
 * @param {number} value
 * @param {number} [digits] decimals
 */
export function number(value, digits = 0) {
  return value.toLocaleString(LOCALE, { minimumFractionDigits: digits, maximumFractionDigits: digits });
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
  if (secs < 1) return "under 1 s";
  if (secs < 90) return `${Math.round(secs)} s`;
  if (secs < 90 * 60) return `${Math.round(secs / 60)} min`;
  return `${number(secs / 3600, 1)} h`;
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
  return name.replaceAll("_", " / ");
}

/** @type {Record<string, string>} a band's common name as people write it */
const BAND_NAMES = { nir: "near infrared", swir1: "short-wave infrared 1", swir2: "short-wave infrared 2" };

/** @param {string} name */
export function bandName(name) {
  return BAND_NAMES[name] ?? name.replaceAll("_", " ");
}

/** @param {string[]} words */
export function listing(words) {
  return new Intl.ListFormat(LOCALE, { type: "conjunction" }).format(words);
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
  return paths.length > 1 ? `${first} and ${number(paths.length - 1)} more` : first;
}

/**
 * What the names of a scene's results begin with: the name of its first file, without the extension.
 *
 * @param {string} sceneName names of its files, with a comma and a space between them
 */
export function fileStem(sceneName) {
  return sceneName.split(", ")[0].replace(/\.[^.]+$/, "");
}

/** Causes in the page's own words, where the engine's would be about its inside. @type {Record<string, string>} */
const WHAT_HAPPENED = {
  not_a_tiff: "This is not a TIFF file.",
  empty: "The file is empty.",
  truncated: "The end of the file is missing.",
  trap: "The engine stopped: it ran out of memory or has a bug.",
  worker_missing: "The engine could not be started.",
  wasm_start: "The engine could not be started in this browser.",
};

const CONVERT = "Rewrite it as a plain GeoTIFF, for example with gdal_translate -co COMPRESS=DEFLATE, and open that file.";
const DAMAGED = "The file is incomplete or damaged. Copy or download it again.";

/** What to try, by the error's code or the beginning of it, the first that fits. @type {[string, string][]} */
const WHAT_TO_TRY = [
  ["not_a_tiff", "Choose a GeoTIFF (.tif). Other formats can be converted with QGIS or gdal_translate."],
  ["too_few_bands", "Choose all band files of the scene together, or the folder or zip archive that holds them."],
  ["several_products", "Choose the files of one of them."],
  ["grids_differ", "First put the bands on one grid, for example with gdalwarp, and open the new files."],
  ["no_image_among_files", "Choose GeoTIFF files, or a folder or zip archive that contains some."],
  ["unsupported_jpeg_2000", "Convert the bands first, for example with gdal_translate in.jp2 out.tif."],
  ["folder_unreadable", "Choose the files themselves instead of the folder."],
  ["bad_address", "Write the address as https://..., or as a path on this site, after ?scene= or ?model= in the page's address."],
  ["http_no_ranges", "Download the file and open it from this computer."],
  ["http_unreachable", "Check the address and the connection. This site may be limited to files on its own server."],
  ["http_", "Check the address, or download the file and open it from this computer."],
  ["unsupported_", CONVERT],
  ["limit_exceeded", "Cut out a part of the scene, or rewrite the scene in tiles (gdal_translate -co TILED=YES)."],
  ["scene_too_large", "Cut out a part of the scene and open that."],
  ["storage_full", "Free some disk space, or use a window that is not private."],
  ["source_", "The file was moved or changed since it was opened. Open it again."],
  ["model_fetch", "Check the connection, then reload the page."],
  ["model_", "The model file is incomplete or was altered. Reload the page without its cache."],
  ["golden_tile_differs", "On this device the model gives wrong numbers, so the page does not use it. Try another browser or computer."],
  ["site_fetch", "Check the connection and try again."],
  ["sample_fetch", "Check the connection, or choose a file of your own."],
  ["misuse", "Check the options and the bands, then run again."],
  ["trap", "The page has restarted it. If this happens again, try a smaller scene, or add ?backend=cpu to the address."],
  ["worker_missing", "Reload the page. If that does not help, the site is incomplete or an extension blocks its scripts."],
  ["wasm_start", "Use a current Chrome, Edge, Firefox or Safari: the page needs WebAssembly with SIMD."],
  ...["empty", "truncated", "no_image", "missing_tag", "bad_tag", "bad_block"].map(
    (code) => /** @type {[string, string]} */ ([code, DAMAGED]),
  ),
  ["", "Reload the page. If this happens again with the same file, please report it with the details below."],
];

/** @param {{code: string, message: string}} error */
export function explain({ code, message }) {
  const own = WHAT_HAPPENED[code];
  const advice = WHAT_TO_TRY.find(([start]) => code.startsWith(start))?.[1] ?? "";
  const sentence = message.charAt(0).toUpperCase() + message.slice(1);
  return { code, cause: own ?? (/[.!?]$/.test(sentence) ? sentence : `${sentence}.`), advice, detail: own ? `${code}: ${message}` : code };
}

/** What to do about a scene that does not fit the model, by the warning's code. @type {Record<string, string>} */
const WARNINGS = {
  values_8_bit: "The values look like 8-bit display values. Match them to the model's, or use the original image if you have it.",
  values_reflectance: "The values look like reflectances from 0 to 1. Multiply them by 10,000, or the result will be wrong.",
  bands_swapped: "The bands may be in the wrong order, and then the result is wrong. Check them under Bands.",
  values_hazy: "The values look like top-of-atmosphere reflectance, or a hazy day. Surface reflectance gives a better map, above all of wetland.",
  values_unusual: "The values are unlike those of the training data, so the result may be wrong. Check the bands and the scaling.",
};

/**
 * A warning in one line, and the figures behind it if there are any.
 *
 * @param {string} code
 * @param {string} message
 */
export function warningText(code, message) {
  return WARNINGS[code] ? [WARNINGS[code], message] : [message, ""];
}

/**
 * One calm line that says where the model runs, why it runs there, and what would be faster.
 *
 * @param {{backend: string, reason: string, adapter: string}} loaded
 */
export function backendText({ backend, reason, adapter }) {
  if (backend === "webgpu") {
    const name = adapter ? ` (${adapter})` : "";
    if (reason === "fallback") return `The model runs on a software WebGPU adapter${name}, because the address asks for it.`;
    return `The model runs on the graphics card${name}.`;
  }
  /** @type {Record<string, string>} */
  const why = {
    forced: "because the address asks for it",
    missing: "because this browser offers no WebGPU",
    fallback: "because this browser only has WebGPU in software",
    limits: "because the graphics card is too limited for the model",
    crashed: "because the graphics card failed",
    webgpu_failed: "because the graphics card could not be started",
    golden_tile_differs: "because the graphics card gave wrong numbers on the model's test tile",
  };
  return `The model runs on the processor, ${why[reason] ?? reason}. A graphics card would be faster.`;
}
