// @ts-check
// Draws a scene in bands and with a stretch that its user chose, from samples that wasm reads. What wasm draws by itself, in the colours that
// suit the model, tells which pixels have data.

import { EngineError } from "../engine/errors.js";

const RGBA = 4;
/** Samples of a scene that are read at once: 64 MB. Rows that a file's blocks hold together are not read twice, if blocks are no higher. */
const MOST_SAMPLES = 1 << 24;
const MOST_ROWS = 256;
/** Bands whose reduced samples are kept, so that another stretch and other combinations of them need no reading: 16 MB each at most. */
const MOST_PLANES = 6;

/**
 * @typedef {import("../wasm/raremap-web.js").Picture} Picture
 * @typedef {import("../wasm/raremap-web.js").SceneWindow} SceneWindow
 * @typedef {import("../engine/messages.js").Composition} Composition
 * @typedef {(window: SceneWindow, bands: Uint32Array) => Promise<Float32Array>} Read samples of a window, band by band
 *
 * @typedef {object} Axis
 * @property {number} start the first pixel that is drawn
 * @property {number} step from one that is drawn to the next
 * @property {number} count
 */

/** Every n-th pixel, the middle one of its cell, but inside the scene if the last cell is cut. @param {number} size @param {number} step @returns {Axis} */
function axis(size, step) {
  const count = Math.ceil(size / step);
  return { start: Math.min(Math.floor(step / 2), size - 1 - (count - 1) * step), step, count };
}

/**
 * The values that become black and full, from the pixels with data.
 *
 * @param {Float32Array} values
 * @param {(index: number) => boolean} hasData
 * @param {[number, number]} percentiles
 * @returns {[number, number]}
 */
export function stretchOf(values, hasData, [low, high]) {
  const sorted = values.filter((value, i) => !Number.isNaN(value) && hasData(i)).toSorted();
  const at = (/** @type {number} */ percentile) => sorted[Math.round((percentile / 100) * (sorted.length - 1))] ?? 0;
  return [at(low), at(high)];
}

/** The level of a value; a constant band becomes middle grey. @param {number} value @param {[number, number]} stretch */
export function level(value, [low, high]) {
  return high > low ? Math.trunc(Math.min(Math.max((255 * (value - low)) / (high - low), 0), 255)) : 128;
}

/**
 * @param {Float32Array[]} planes red, green, blue
 * @param {[number, number][]} stretches of each
 * @param {(index: number) => boolean} hasData
 */
export function paint(planes, stretches, hasData) {
  const count = planes[0].length;
  const rgba = new Uint8ClampedArray(count * RGBA);
  for (let i = 0; i < count; i++) {
    if (!hasData(i) || planes.some((plane) => Number.isNaN(plane[i]))) continue;
    for (let channel = 0; channel < 3; channel++) rgba[i * RGBA + channel] = level(planes[channel][i], stretches[channel]);
    rgba[i * RGBA + 3] = 255;
  }
  return rgba;
}

/** @param {Pick<Picture, "rgba" | "width" | "height">} picture @param {number} i */
const isOpaque = ({ rgba }, i) => rgba[i * RGBA + 3] > 0;

export class Compositor {
  #read;
  #height = 0;
  #width = 0;
  /** What wasm drew of the whole scene. @type {Picture | undefined} */
  #own;
  /** Reduced samples by band, the one used last at the end. @type {Map<number, Float32Array>} */
  #planes = new Map();
  #reducedTo = 0;
  /** How the scene is drawn, if not in its own colours. @type {{bands: number[], stretches: [number, number][]} | undefined} */
  #drawn;
  /** Counts what was asked for: an answer to an older question is dropped. */
  #asked = 0;

  /** @param {Read} read */
  constructor(read) {
    this.#read = read;
  }

  /** Another scene is open. @param {number} height @param {number} width */
  opened(height, width) {
    [this.#height, this.#width] = [height, width];
    this.#planes.clear();
    this.drawn(undefined);
  }

  /** The scene was drawn in its own colours, and is so until `compose` says otherwise. @param {Picture | undefined} picture of all of it */
  drawn(picture) {
    this.#asked += 1;
    this.#own = picture;
    this.#drawn = undefined;
  }

  /**
   * Draws the whole scene. Without a composition, in its own colours.
   *
   * @param {Composition | null} composition
   * @param {number} maxPx the picture's longest side
   * @param {(done: number, total: number) => void} [onRows]
   * @returns {Promise<Picture>}
   */
  async compose(composition, maxPx, onRows = () => {}) {
    this.#asked += 1;
    const asked = this.#asked;
    const own = this.#own;
    if (!own) throw new EngineError("misuse", "the scene has not been drawn yet");
    if (!composition) {
      this.#drawn = undefined;
      return own;
    }
    const { bands, stretch } = composition;
    const [low, high] = stretch;
    if (bands.length !== 3 || !(low >= 0 && low < high && high <= 100)) {
      throw new EngineError("misuse", "A picture takes three bands, and two percentiles from 0 to 100, the lower one first.");
    }
    const step = Math.ceil(Math.max(this.#width, this.#height) / Math.max(maxPx, 1));
    const [rows, columns] = [axis(this.#height, step), axis(this.#width, step)];
    await this.#reduce([...new Set(bands)], step, rows, columns, onRows, asked);
    const planes = bands.map((band) => /** @type {Float32Array} */ (this.#planes.get(band)));
    const [left, top, shownWidth, shownHeight] = own.extent;
    const hasData = (/** @type {number} */ i) => {
      const x = columns.start + (i % columns.count) * step + 0.5 - left;
      const y = rows.start + Math.floor(i / columns.count) * step + 0.5 - top;
      const [ownX, ownY] = [Math.floor((x / shownWidth) * own.width), Math.floor((y / shownHeight) * own.height)];
      return isOpaque(own, Math.min(ownY, own.height - 1) * own.width + Math.min(ownX, own.width - 1));
    };
    const stretches = planes.map((plane) => stretchOf(plane, hasData, stretch));
    this.#drawn = { bands, stretches };
    return { rgba: paint(planes, stretches, hasData), width: columns.count, height: rows.count, extent: [0, 0, columns.count * step, rows.count * step] };
  }

  /**
   * A part of the scene, pixel by pixel, in the colours of the whole.
   *
   * @param {SceneWindow} window
   * @param {Picture} own the same part in the scene's own colours
   * @returns {Promise<Picture>}
   */
  async detail(window, own) {
    const drawn = this.#drawn;
    if (!drawn) return own;
    const asked = this.#asked;
    const values = await this.#read(window, Uint32Array.from(drawn.bands));
    this.#refuseIfOld(asked);
    const count = window.width * window.height;
    const planes = [0, 1, 2].map((channel) => values.subarray(channel * count, (channel + 1) * count));
    return { ...own, rgba: paint(planes, drawn.stretches, (i) => isOpaque(own, i)) };
  }

  /**
   * Reads the samples that the picture shows, of bands that are not at hand.
   *
   * @param {number[]} bands
   * @param {number} step
   * @param {Axis} rows
   * @param {Axis} columns
   * @param {(done: number, total: number) => void} onRows
   * @param {number} asked
   */
  async #reduce(bands, step, rows, columns, onRows, asked) {
    if (step !== this.#reducedTo) this.#planes.clear();
    this.#reducedTo = step;
    const missing = bands.filter((band) => !this.#planes.has(band));
    const planes = missing.map(() => new Float32Array(rows.count * columns.count));
    const height = Math.max(1, Math.min(MOST_ROWS, Math.floor(MOST_SAMPLES / (this.#width * Math.max(missing.length, 1)))));
    for (let row = 0; row < rows.count && missing.length > 0; ) {
      const y = rows.start + row * step;
      const last = Math.min(rows.count - 1, row + Math.floor((height - 1) / step));
      const window = { x: 0, y, width: this.#width, height: (last - row) * step + 1 };
      const values = await this.#read(window, Uint32Array.from(missing));
      this.#refuseIfOld(asked);
      for (const [i, plane] of planes.entries()) {
        for (let to = row; to <= last; to++) {
          const from = (i * window.height + (to - row) * step) * this.#width + columns.start;
          for (let column = 0; column < columns.count; column++) plane[to * columns.count + column] = values[from + column * step];
        }
      }
      row = last + 1;
      onRows(row, rows.count);
    }
    for (const [i, band] of missing.entries()) this.#planes.set(band, planes[i]);
    // Those in use go to the end, and the ones at the beginning go.
    for (const band of bands) {
      const plane = /** @type {Float32Array} */ (this.#planes.get(band));
      this.#planes.delete(band);
      this.#planes.set(band, plane);
    }
    for (const band of this.#planes.keys()) {
      if (this.#planes.size <= MOST_PLANES) break;
      this.#planes.delete(band);
    }
  }

  /** @param {number} asked */
  #refuseIfOld(asked) {
    if (asked !== this.#asked) throw new EngineError("superseded", "The scene is another one by now, or is drawn in other colours.");
  }
}
