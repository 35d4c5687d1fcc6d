// @ts-check
// What the page says: numbers, names, errors and states in the reader's terms.

const LOCALE = "en";

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
  const words = name.replaceAll("_", " / ");
  return words.charAt(0).toUpperCase() + words.slice(1);
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
 * What to try, by the error's code; the cause itself comes with the error.
 *
 * @type {Record<string, string>}
 */
const WHAT_TO_TRY = {
  "not-a-tiff": "Choose a GeoTIFF (.tif). Other formats can be converted, for example with gdal_translate or QGIS.",
  malformed: "The file is probably incomplete or damaged: copy or download it again.",
  unsupported: "Rewrite the file as a plain GeoTIFF, for example with gdal_translate -co COMPRESS=DEFLATE, and open that.",
  limit: "Cut a smaller part of the scene, or rewrite it with smaller blocks (gdal_translate -co TILED=YES).",
  "too-few-bands": "Stack the bands into one file first, for example with gdal_merge.py -separate or QGIS.",
  "file-changed": "The file was moved or changed since it was opened. Open it again.",
  misuse: "Check the options and the bands, then run again.",
  trap: "It was started anew. If this happens again, try a smaller scene, or add ?backend=cpu to the address.",
  "worker-missing": "Reload the page. If it goes on, the site is incomplete, or an extension blocks its scripts.",
  "wasm-start": "A current Chrome, Edge, Firefox or Safari is needed (WebAssembly with SIMD). Reload the page to try again.",
  "model-fetch": "Check the connection, then reload the page.",
  "model-malformed": "Reload the page without the cache: the model's file is incomplete or altered.",
  "golden-mismatch": "This device computes wrong numbers, so the model is not used on it. Another browser or computer may do.",
  "sample-fetch": "Check the connection, or choose a file of your own.",
  internal: "Reload the page. If it happens again with the same file, please report it with the details below.",
};

/** @type {Record<string, string>} */
const WHAT_HAPPENED = {
  trap: "The engine stopped: out of memory, or a fault in it.",
  "worker-missing": "The engine could not be started.",
  "wasm-start": "The engine could not be started in this browser.",
};

/** @param {{code?: string, message: string}} error */
export function explain({ code = "internal", message }) {
  return {
    code,
    cause: WHAT_HAPPENED[code] ?? message,
    advice: WHAT_TO_TRY[code] ?? WHAT_TO_TRY.internal,
    detail: WHAT_HAPPENED[code] ? `${code}: ${message}` : code,
  };
}

/**
 * One calm line: where it computes, why there, and how fast that is.
 *
 * @param {{backend: string, reason: string, adapter: string, check: {tileSecs: number, tilePx: number}}} loaded
 */
export function backendText({ backend, reason, adapter, check }) {
  const speed = `about ${number(check.tileSecs, check.tileSecs < 1 ? 2 : 1)} s for ${check.tilePx} x ${check.tilePx} pixels`;
  if (backend === "webgpu") {
    const name = adapter ? ` (${adapter})` : "";
    if (reason === "fallback") return `Computing through a software WebGPU adapter${name}, as the address asks: ${speed}.`;
    return `Computing on the graphics card${name}.`;
  }
  /** @type {Record<string, string>} */
  const why = {
    forced: "as the address asks",
    missing: "as this browser offers no WebGPU",
    fallback: "as this browser's WebGPU is software only",
    limits: "as the graphics card is too limited for the model",
    crashed: "as the graphics card failed",
    "webgpu-init": "as the graphics card could not be started",
    "golden-mismatch": "as the graphics card gave wrong numbers on the model's test tile",
  };
  return `Computing on the processor, ${why[reason] ?? reason}: ${speed}. A graphics card is often ten times faster.`;
}
