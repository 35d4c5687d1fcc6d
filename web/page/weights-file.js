// @ts-check
// The card of a weights file, from its first bytes: what the file is can be said before it is downloaded. Nothing in it is trusted; the
// engine checks the whole file when it loads it. ARCHITECTURE.md describes the format.

import { EngineError } from "../engine/errors.js";
import { figuresOf, list, text } from "../view/figures.js";

const FORMATS = ["raremap/1", "raremap/2"];
const LENGTH_BYTES = 8;
/** Headers of usual models fit in. */
const FIRST_BYTES = 128 * 1024;
const MAX_HEADER_BYTES = 4 * 1024 * 1024;

/**
 * @typedef {import("../view/figures.js").Figures} Figures
 *
 * @typedef {object} OfferedModel what a weights file says of itself
 * @property {string} name
 * @property {string} description
 * @property {string[]} bands that a scene must have
 * @property {string[]} optionalBands that are used where a scene has them
 * @property {{name: string, color: string}[]} classes
 * @property {string[]} rareClasses
 * @property {[number, number] | null} resolutionM finest and coarsest pixels of the training data, in metres
 * @property {string} dataset
 * @property {string} provenance
 * @property {Figures} figures
 * @property {number} sizeBytes of the file; 0 if the server does not say
 */

/**
 * Reads the card of a file, or of one on a server by a range request.
 *
 * @param {Blob | URL} source
 * @returns {Promise<OfferedModel>}
 * @throws {EngineError} `model_malformed`, `model_truncated`, `model_unsupported`, and `model_fetch` for an address
 */
export async function readCard(source) {
  let { bytes, sizeBytes } = await readStart(source, FIRST_BYTES);
  const end = headerEnd(bytes);
  if (end > bytes.length && bytes.length === FIRST_BYTES) ({ bytes, sizeBytes } = await readStart(source, end));
  if (end > bytes.length) throw new EngineError("model_truncated", `The weights file ends after ${bytes.length} bytes, within its header.`);
  const { card, tensorBytes } = parseHeader(bytes.subarray(LENGTH_BYTES, end));
  if (sizeBytes > 0 && sizeBytes < end + tensorBytes) {
    throw new EngineError("model_truncated", `Only ${sizeBytes} of the weights file's ${end + tensorBytes} bytes are there.`);
  }
  return { ...describe(card), sizeBytes };
}

/**
 * @param {Blob | URL} source
 * @param {number} count
 * @returns {Promise<{bytes: Uint8Array, sizeBytes: number}>} fewer bytes where the file ends
 */
async function readStart(source, count) {
  if (source instanceof Blob) return { bytes: new Uint8Array(await source.slice(0, count).arrayBuffer()), sizeBytes: source.size };
  const failed = (/** @type {unknown} */ reason) => new EngineError("model_fetch", `${source.pathname} could not be fetched: ${reason}`);
  const response = await fetch(source, { headers: { range: `bytes=0-${count - 1}` } }).catch((cause) => {
    throw failed(cause);
  });
  if (!response.ok || !response.body) throw failed(`HTTP ${response.status}`);
  const isPart = response.status === 206;
  const length = isPart ? response.headers.get("content-range")?.split("/")[1] : response.headers.get("content-length");
  const bytes = new Uint8Array(count);
  let read = 0;
  const reader = response.body.getReader();
  while (read < count) {
    const { done, value } = await reader.read().catch((cause) => {
      throw failed(cause);
    });
    if (done) break;
    const part = value.subarray(0, count - read);
    bytes.set(part, read);
    read += part.length;
  }
  // A server without ranges would go on with the whole file.
  reader.cancel().catch(() => {});
  // With a content encoding the header counts compressed bytes.
  const isCounted = isPart || !response.headers.get("content-encoding");
  return { bytes: bytes.subarray(0, read), sizeBytes: (isCounted && Number(length)) || 0 };
}

/** Where the header of a weights file ends. @param {Uint8Array} bytes */
function headerEnd(bytes) {
  if (bytes.length < LENGTH_BYTES) throw new EngineError("model_truncated", `${bytes.length} bytes are too few for a weights file.`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) throw new EngineError("model_malformed", "This is not a weights file: it does not begin with a header's length.");
  return LENGTH_BYTES + Number(length);
}

/** @param {Uint8Array} bytes */
function parseHeader(bytes) {
  const malformed = (/** @type {string} */ what) => new EngineError("model_malformed", `This is not a raremap weights file: ${what}.`);
  /** @type {any} */
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw malformed("its header is not JSON");
  }
  const metadata = header?.__metadata__;
  if (typeof metadata?.format !== "string") throw malformed("it has no card");
  if (!FORMATS.includes(metadata.format)) {
    throw new EngineError("model_unsupported", `The file's format is ${text(metadata.format)}, but this page reads ${FORMATS.join(" and ")}.`);
  }
  try {
    const ends = Object.values(header).map((tensor) => Number(tensor?.data_offsets?.[1]) || 0);
    return { card: JSON.parse(metadata.card), tensorBytes: Math.max(...ends) };
  } catch {
    throw malformed("its card is not JSON");
  }
}

/**
 * The parts of a STAC Item with the MLM extension that people want to know; whatever has another type than it should is left out.
 *
 * @param {any} card
 * @returns {Omit<OfferedModel, "sizeBytes">}
 */
export function describe(card) {
  const properties = card?.properties ?? {};
  const training = properties["raremap:training"] ?? {};
  const range = list(training.ground_resolution_range_m);
  const resolution = range.length === 2 ? range : [properties.gsd, properties.gsd];
  const bands = list(properties["mlm:input"]?.[0]?.bands).filter((band) => band && !("expression" in Object(band)));
  const classes = list(properties["mlm:output"]?.[0]?.["classification:classes"]);
  return {
    name: text(properties["mlm:name"]),
    description: text(properties.description),
    bands: bands.filter((band) => band["raremap:optional"] !== true).map((band) => text(band.name)),
    optionalBands: bands.filter((band) => band["raremap:optional"] === true).map((band) => text(band.name)),
    classes: classes.map((it) => ({ name: text(it?.name), color: /^[0-9a-f]{6}$/i.test(it?.color_hint) ? `#${it.color_hint}` : "" })),
    rareClasses: list(properties["raremap:rare_classes"]).map(text),
    resolutionM: resolution.every((metres) => typeof metres === "number" && metres > 0) ? /** @type {[number, number]} */ (resolution) : null,
    dataset: text(training.dataset),
    provenance: text(training.provenance),
    figures: figuresOf(properties["raremap:metrics"]),
  };
}
