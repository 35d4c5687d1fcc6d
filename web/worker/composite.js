// @ts-check
// Draws a scene in bands and with a stretch that its user chose, from samples that wasm reads. What wasm draws by itself, in the colours that
// suit the model, tells which pixels have data.

import { EngineError } from "../engine/errors.js";

const RGBA = 4;
/** Samples of a scene that are read at once: 64 MB. Rows that a file's blocks hold together are not read twice, if blocks are no higher. */
const MOST_SAMPLES = 1 << 24;
const MOST_ROWS = 256;
/** Values whose percentiles are looked for. */
const MOST_SORTED = 1 << 18;
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
 * The values that become black and full, from the pixels with data. Of a large picture, percentiles are those of pixels spread over all of it;
 * the lowest and the highest value are always those of all.
 *
 * @param {Float32Array} values
 * @param {Uint8Array} valid 1 where a pixel has data
 * @param {[number, number]} percentiles
 * @returns {[number, number]}
 */
export function stretchOf(values, valid, [low, high]) {
  // Odd, so that it does not keep to some of the columns.
  const step = Math.floor(values.length / MOST_SORTED) * 2 + 1;
  const picked = new Float32Array(Math.ceil(values.length / step));
  let count = 0;
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!valid[i] || Number.isNaN(value)) continue;
    if (value < least) least = value;
    if (value > most) most = value;
    if (i % step === 0) picked[count++] = value;
  }
  if (least > most) return [0, 0];
  const sorted = picked.subarray(0, count).toSorted();
  const at = (/** @type {number} */ percentile) => {
    if (percentile === 0 || percentile === 100 || count === 0) return percentile < 50 ? least : most;
    return sorted[Math.round((percentile / 100) * (count - 1))];
  };
  return [at(low), at(high)];
}

/** The level of a value; a constant band becomes middle grey. @param {number} value @param {[number, number]} stretch */
export function level(value, [low, high]) {
  return high > low ? Math.trunc(Math.min(Math.max((255 * (value - low)) / (high - low), 0), 255)) : 128;
}

/**
 * @param {Float32Array[]} planes red, green, blue
 * @param {[number, number][]} stretches of each
 * @param {Uint8Array} valid 1 where a pixel has data
 */
export function paint(planes, stretches, valid) {
  const rgba = new Uint8ClampedArray(valid.length * RGBA);
  const [red, green, blue] = planes;
  for (let i = 0, at = 0; i < valid.length; i++, at += RGBA) {
    if (!valid[i] || Number.isNaN(red[i] + green[i] + blue[i])) continue;
    rgba[at] = level(red[i], stretches[0]);
    rgba[at + 1] = level(green[i], stretches[1]);
    rgba[at + 2] = level(blue[i], stretches[2]);
    rgba[at + 3] = 255;
  }
  return rgba;
}

/**
 * Where a picture shows data, on another grid of the same scene.
 *
 * @param {Picture} picture
 * @param {Axis} rows
 * @param {Axis} columns
 */
function validOn({ rgba, width, height, extent: [left, top, shownWidth, shownHeight] }, rows, columns) {
  const valid = new Uint8Array(rows.count * columns.count);
  const nearest = (/** @type {Axis} */ { start, step, count }, /** @type {number} */ first, /** @type {number} */ shown, /** @type {number} */ pixels) =>
    Uint32Array.from({ length: count }, (_, i) => Math.min(Math.floor(((start + i * step + 0.5 - first) / shown) * pixels), pixels - 1));
  const [xs, ys] = [nearest(columns, left, shownWidth, width), nearest(rows, top, shownHeight, height)];
  for (let row = 0, i = 0; row < rows.count; row++) {
    const from = ys[row] * width;
    for (let column = 0; column < columns.count; column++, i++) valid[i] = rgba[(from + xs[column]) * RGBA + 3] > 0 ? 1 : 0;
  }
  return valid;
}

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
    const valid = validOn(own, rows, columns);
    const stretches = planes.map((plane) => stretchOf(plane, valid, stretch));
    this.#drawn = { bands, stretches };
    return { rgba: paint(planes, stretches, valid), width: columns.count, height: rows.count, extent: [0, 0, columns.count * step, rows.count * step] };
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
    const valid = new Uint8Array(count);
    for (let i = 0; i < count; i++) valid[i] = own.rgba[i * RGBA + 3] > 0 ? 1 : 0;
    return { ...own, rgba: paint(planes, drawn.stretches, valid) };
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
