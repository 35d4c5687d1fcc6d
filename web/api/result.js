// @ts-check
// The result of a run. All of it follows threshold, rare classes and top-k without a new run.

import { EngineError } from "../engine/errors.js";
import { abortable } from "./abort.js";

/**
 * @typedef {import("../engine/engine.js").Engine} Engine
 * @typedef {import("../engine/messages.js").Picture} Picture
 * @typedef {import("../engine/messages.js").Progress} Progress
 * @typedef {import("../engine/messages.js").RunSummary} RunSummary
 * @typedef {import("../wasm/raremap-web.js").Areas} Areas
 * @typedef {import("../wasm/raremap-web.js").DecideOptions} DecideOptions
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").ResultFile} ResultFile
 * @typedef {import("../wasm/raremap-web.js").SceneWindow} SceneWindow
 *
 * @typedef {Partial<DecideOptions>} Decide what is absent is as the run was asked for it
 * @typedef {{signal?: AbortSignal, onProgress?: (progress: Progress) => void}} Hooks `onProgress` is called with rows
 * @typedef {{window?: SceneWindow, maxPx?: number}} Part a window of the scene, or its longest side if all of it is drawn coarser
 *
 * @typedef {object} Mask
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array<ArrayBuffer>} values of the classes, row by row; 255 where there is no data
 *
 * @typedef {object} Raster
 * @property {number} width
 * @property {number} height
 * @property {Float32Array<ArrayBuffer>} values from 0 to 1, row by row; NaN where there is no data
 *
 * @typedef {object} MapOverlay
 * @property {ImageBitmap} bitmap on the axes of Web Mercator
 * @property {[number, number, number, number]} extent west, south, east, north in metres of EPSG:3857
 * @property {[number, number, number, number]} bounds the same in degrees
 * @property {[[number, number], [number, number], [number, number], [number, number]]} corners longitude and latitude, clockwise from the
 *   north-west
 *
 * @typedef {object} GeoJsonFeature
 * @property {"Feature"} type
 * @property {number} id
 * @property {[number, number, number, number]} [bbox]
 * @property {Record<string, any>} properties
 * @property {{type: string, coordinates: any[]}} geometry
 *
 * @typedef {object} FeatureCollection
 * @property {"FeatureCollection"} type
 * @property {GeoJsonFeature[]} features
 * @property {Record<string, string>} metadata
 */

const RADIUS_M = 6378137;

/** @param {number} x @param {number} y @returns {[number, number]} */
const lonLatOfMercator = (x, y) => [(x / RADIUS_M) * (180 / Math.PI), (Math.atan(Math.sinh(y / RADIUS_M)) * 180) / Math.PI];

/** The result of a run. All of it follows threshold, rare classes and top-k without a new run; what a call leaves out is as the run had it. */
export class Result {
  #engine;
  #isCurrent;
  #size;
  #stem;

  /**
   * @internal
   * @param {Engine} engine
   * @param {RunSummary} summary
   * @param {DecideOptions} options
   * @param {{size: {width: number, height: number}, stem: string, isCurrent: () => boolean}} scene
   */
  constructor(engine, summary, options, { size, stem, isCurrent }) {
    this.#engine = engine;
    this.#isCurrent = isCurrent;
    this.#size = size;
    this.#stem = stem;
    /** How the result is decided where a method is not told otherwise. @type {Readonly<DecideOptions>} */
    this.options = Object.freeze(options);
    /** Whether all tiles are done. Of a run that was cancelled, only what is done can be seen, and no file can be made. */
    this.complete = !summary.cancelled;
    /** Tiles that are done, and all of them. */
    this.tiles = { done: summary.done, total: summary.total };
    /** How long the run took, in seconds. */
    this.secs = summary.secs;
    /** How many workers computed tiles; 0 if the session's own did. */
    this.workers = summary.workers;
  }

  /** @param {Decide} [decide] @returns {DecideOptions} */
  #decide(decide = {}) {
    if (!this.#isCurrent()) {
      throw new EngineError("stale_result", "The session has opened another scene, started another run, or ended; this result is gone.");
    }
    const { threshold, rare, topK } = decide;
    return { threshold: threshold ?? this.options.threshold, rare: rare ?? this.options.rare, topK: topK ?? this.options.topK };
  }

  /**
   * @param {LayerKind} kind
   * @param {Decide & Part} options
   */
  #request(kind, options) {
    const maxPx = options.maxPx ?? Math.max(this.#size.width, this.#size.height);
    return { kind, options: this.#decide(options), maxPx, window: options.window };
  }

  /**
   * The class of each pixel.
   *
   * @param {Decide & Part & Hooks} [options]
   * @returns {Promise<Mask>}
   */
  async mask(options = {}) {
    return /** @type {Promise<Mask>} */ (abortable(this.#engine.values(this.#request("mask", options)), options.signal));
  }

  /**
   * How likely each pixel is to be a rare class.
   *
   * @param {string} name of the class
   * @param {Part & Hooks} [options]
   * @returns {Promise<Raster>}
   */
  async probability(name, options = {}) {
    return /** @type {Promise<Raster>} */ (abortable(this.#engine.values(this.#request(`probability:${name}`, options)), options.signal));
  }

  /**
   * How likely each pixel is to be any rare class.
   *
   * @param {Part & Hooks} [options]
   * @returns {Promise<Raster>}
   */
  async saliency(options = {}) {
    return /** @type {Promise<Raster>} */ (abortable(this.#engine.values(this.#request("saliency", options)), options.signal));
  }

  /**
   * A layer in its colours, on the scene's own grid.
   *
   * @param {LayerKind} kind
   * @param {Decide & Part & Hooks & {zoom?: number}} [options] `zoom` is picture pixels per scene pixel of outlines in a window
   * @returns {Promise<Picture>}
   */
  async picture(kind, options = {}) {
    return abortable(this.#engine.layer({ ...this.#request(kind, options), zoom: options.zoom }), options.signal);
  }

  /**
   * A layer as web maps lay it over the ground: warped to Web Mercator, right to half a pixel whatever the scene's projection.
   *
   * @param {LayerKind} [kind]
   * @param {Decide & Part & Hooks} [options]
   * @returns {Promise<MapOverlay>}
   */
  async overlay(kind = "mask", options = {}) {
    const request = this.#request(kind, { ...options, maxPx: options.maxPx ?? 2048 });
    const { bitmap, extent } = await abortable(this.#engine.overlay(request), options.signal);
    const [west, south, east, north] = [...lonLatOfMercator(extent[0], extent[1]), ...lonLatOfMercator(extent[2], extent[3])];
    return { bitmap, extent, bounds: [west, south, east, north], corners: [[west, north], [east, north], [east, south], [west, south]] };
  }

  /**
   * The area of each class.
   *
   * @param {Decide & Hooks} [options]
   * @returns {Promise<Areas>}
   */
  async areas(options = {}) {
    return abortable(this.#engine.areas(this.#decide(options), { onProgress: options.onProgress }), options.signal);
  }

  /**
   * The outlines of the mask's regions, in longitude and latitude.
   *
   * @param {Decide & Hooks} [options]
   * @returns {Promise<FeatureCollection>}
   */
  async polygons(options = {}) {
    return JSON.parse(await (await this.toGeoJSON(options)).text());
  }

  /**
   * Where to look first: the most salient regions, ranked.
   *
   * @param {Decide & Hooks} [options]
   * @returns {Promise<FeatureCollection>}
   */
  async review(options = {}) {
    return JSON.parse(await (await this.toGeoJSON({ ...options, layer: "review" })).text());
  }

  /** The files that the result can be saved as: a model without rare classes gives fewer. @param {Decide & Hooks} [options] @returns {Promise<ResultFile[]>} */
  async files(options = {}) {
    return abortable(this.#engine.files(this.#decide(options)), options.signal);
  }

  /**
   * Makes a file by the name that `files` lists.
   *
   * @param {string} name
   * @param {Decide & Hooks} [options]
   * @returns {Promise<File>} called after the scene; on disk, if the browser has private storage
   */
  async file(name, options = {}) {
    const decide = this.#decide(options);
    const listed = await abortable(this.#engine.files(decide), options.signal);
    const type = listed.find((file) => file.name === name)?.type ?? "";
    const making = this.#engine.file({ name, type }, decide, { onProgress: options.onProgress });
    const { blob } = await abortable(making, options.signal);
    return new File([blob], `${this.#stem}_${name}`, { type });
  }

  /** A layer as a cloud-optimized GeoTIFF; the mask if none is named. @param {Decide & Hooks & {layer?: "mask" | "probability" | "saliency"}} [options] @returns {Promise<File>} */
  toGeoTIFF({ layer = "mask", ...options } = {}) {
    return this.file(`${layer}.tif`, options);
  }

  /** The outlines of the regions, or the places to look at first. @param {Decide & Hooks & {layer?: "polygons" | "review"}} [options] @returns {Promise<File>} */
  toGeoJSON({ layer = "polygons", ...options } = {}) {
    return this.file(`${layer}.geojson`, options);
  }

  /** The mask as a picture with a palette. @param {Decide & Hooks} [options] @returns {Promise<File>} */
  toPNG(options) {
    return this.file("mask.png", options);
  }

  /** The areas as a table. @param {Decide & Hooks} [options] @returns {Promise<File>} */
  toCSV(options) {
    return this.file("areas.csv", options);
  }

  /** A STAC Item of the other files. @param {Decide & Hooks} [options] @returns {Promise<File>} */
  toSTAC(options) {
    return this.file("item.json", options);
  }
}
