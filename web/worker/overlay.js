// @ts-check
// Warps a picture of the scene to Web Mercator (EPSG:3857), so that a web map can lay it over the ground as it is.

import { EngineError } from "../engine/errors.js";

const RADIUS_M = 6378137;
/** Where Web Mercator ends, in degrees. */
const MAX_LATITUDE = 85.0511287798066;
/** Cells of the mesh of known places, along each axis: for 16,000 pixels of 10 m, straight lines within a cell are right to 0.02 pixels. */
const CELLS = 64;
/** Between these pixels of the new picture, places are interpolated. */
const BLOCK_PX = 32;
const MAX_SIDE_PX = 4096;
/** New pixels per pixel of the picture, along each axis: the nearest one is then at most a quarter of a pixel away. */
const OVERSAMPLING = 2;

/**
 * @typedef {object} Picture
 * @property {Uint8ClampedArray} rgba
 * @property {number} width
 * @property {number} height
 * @property {number[]} extent left, top, width and height of what it shows, in pixels of the scene
 */

/**
 * @param {number} longitude
 * @param {number} latitude
 * @returns {[number, number]} metres
 */
export function mercator(longitude, latitude) {
  if (!(Math.abs(latitude) <= MAX_LATITUDE)) {
    throw new EngineError("outside_crs_domain", "The scene reaches beyond the edge of Web Mercator, at 85 degrees of latitude.");
  }
  const angle = (latitude * Math.PI) / 180;
  return [(RADIUS_M * longitude * Math.PI) / 180, RADIUS_M * Math.atanh(Math.sin(angle))];
}

/** Places of the scene's pixels in Web Mercator, bilinear between the nodes of a mesh. */
export class Mesh {
  #places;
  #cell;

  /**
   * @param {[number, number, number, number]} extent left, top, width and height in pixels of the scene
   * @param {(pixels: Float64Array) => Float64Array} lonLat longitude and latitude in turn, of columns and rows in turn
   */
  constructor([left, top, width, height], lonLat) {
    this.#cell = { left, top, width: width / CELLS, height: height / CELLS };
    const pixels = new Float64Array(2 * (CELLS + 1) ** 2);
    for (let y = 0, at = 0; y <= CELLS; y++) {
      for (let x = 0; x <= CELLS; x++, at += 2) {
        pixels[at] = left + x * this.#cell.width;
        pixels[at + 1] = top + y * this.#cell.height;
      }
    }
    this.#places = lonLat(pixels);
    for (let at = 0; at < this.#places.length; at += 2) {
      [this.#places[at], this.#places[at + 1]] = mercator(this.#places[at], this.#places[at + 1]);
    }
  }

  /** West, south, east and north. */
  bounds() {
    const bounds = [Infinity, Infinity, -Infinity, -Infinity];
    for (let at = 0; at < this.#places.length; at += 2) {
      bounds[0] = Math.min(bounds[0], this.#places[at]);
      bounds[1] = Math.min(bounds[1], this.#places[at + 1]);
      bounds[2] = Math.max(bounds[2], this.#places[at]);
      bounds[3] = Math.max(bounds[3], this.#places[at + 1]);
    }
    return bounds;
  }

  /**
   * Where a pixel is, and how fast that changes along columns and rows. Outside the mesh, its outermost cells go on.
   *
   * @param {number} column
   * @param {number} row
   */
  at(column, row) {
    const { left, top, width, height } = this.#cell;
    const [across, down] = [(column - left) / width, (row - top) / height];
    const [x, y] = [across, down].map((at) => Math.min(Math.max(Math.floor(at), 0), CELLS - 1));
    const [u, v] = [across - x, down - y];
    const node = 2 * (y * (CELLS + 1) + x);
    const below = node + 2 * (CELLS + 1);
    /** @param {0 | 1} axis */
    const along = (axis) => {
      const [a, b, c, d] = [node, node + 2, below, below + 2].map((at) => this.#places[at + axis]);
      return {
        place: (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * c + u * d),
        byColumn: ((1 - v) * (b - a) + v * (d - c)) / width,
        byRow: ((1 - u) * (c - a) + u * (d - b)) / height,
      };
    };
    return { x: along(0), y: along(1) };
  }

  /**
   * The pixel at a place, by Newton's method from a pixel nearby.
   *
   * @param {number} x
   * @param {number} y
   * @param {[number, number]} near
   * @returns {[number, number]}
   */
  pixelAt(x, y, [column, row]) {
    for (let step = 0; step < 20; step++) {
      const here = this.at(column, row);
      const [dx, dy] = [x - here.x.place, y - here.y.place];
      const determinant = here.x.byColumn * here.y.byRow - here.x.byRow * here.y.byColumn;
      const [columns, rows] = [
        (dx * here.y.byRow - dy * here.x.byRow) / determinant,
        (dy * here.x.byColumn - dx * here.y.byColumn) / determinant,
      ];
      column += columns;
      row += rows;
      if (Math.abs(columns) + Math.abs(rows) < 1e-4) break;
    }
    return [column, row];
  }
}

/**
 * The picture on the axes of Web Mercator, pixel by pixel of the nearest one; transparent where the scene is not.
 *
 * @param {Picture} picture
 * @param {[number, number]} size height and width of the scene
 * @param {(pixels: Float64Array) => Float64Array} lonLat longitude and latitude in turn, of columns and rows in turn
 * @returns {{rgba: Uint8ClampedArray<ArrayBuffer>, width: number, height: number, extent: [number, number, number, number]}}
 */
export function warpToMercator(picture, [sceneHeight, sceneWidth], lonLat) {
  const [left, top, shownWidth, shownHeight] = picture.extent;
  // The last pixel of a coarse picture reaches over the scene's edge, where there may be no place.
  const [right, bottom] = [Math.min(left + shownWidth, sceneWidth), Math.min(top + shownHeight, sceneHeight)];
  const [first, firstRow] = [Math.max(left, 0), Math.max(top, 0)];
  const mesh = new Mesh([first, firstRow, right - first, bottom - firstRow], lonLat);
  const [west, south, east, north] = mesh.bounds();
  const middle = mesh.at((first + right) / 2, (firstRow + bottom) / 2);
  const finest = Math.min(
    Math.hypot(middle.x.byColumn, middle.y.byColumn) * (shownWidth / picture.width),
    Math.hypot(middle.x.byRow, middle.y.byRow) * (shownHeight / picture.height),
  );
  const step = Math.max(finest / OVERSAMPLING, Math.max(east - west, north - south) / MAX_SIDE_PX);
  const width = Math.max(1, Math.ceil((east - west) / step - 1e-9));
  const height = Math.max(1, Math.ceil((north - south) / step - 1e-9));
  const source = new Uint32Array(picture.rgba.buffer, picture.rgba.byteOffset, picture.width * picture.height);
  const rgba = new Uint8ClampedArray(width * height * 4);
  const target = new Uint32Array(rgba.buffer);
  /** @type {[number, number]} */
  let near = [(first + right) / 2, (firstRow + bottom) / 2];
  /** Pixels at the nodes of a row of blocks. @param {number} y */
  const nodesAt = (y) => {
    const nodes = [];
    for (let x = 0; x <= width + BLOCK_PX; x += BLOCK_PX) {
      near = mesh.pixelAt(west + x * step, north - y * step, nodes.at(-1) ?? near);
      nodes.push(near);
    }
    near = nodes[0];
    return nodes;
  };
  let above = nodesAt(0);
  for (let blockY = 0; blockY < height; blockY += BLOCK_PX) {
    const below = nodesAt(blockY + BLOCK_PX);
    for (let y = blockY; y < Math.min(blockY + BLOCK_PX, height); y++) {
      const v = (y + 0.5 - blockY) / BLOCK_PX;
      for (let x = 0; x < width; x++) {
        const block = Math.floor(x / BLOCK_PX);
        const u = (x + 0.5) / BLOCK_PX - block;
        const [a, b, c, d] = [above[block], above[block + 1], below[block], below[block + 1]];
        const column = (1 - v) * ((1 - u) * a[0] + u * b[0]) + v * ((1 - u) * c[0] + u * d[0]);
        const row = (1 - v) * ((1 - u) * a[1] + u * b[1]) + v * ((1 - u) * c[1] + u * d[1]);
        if (column < first || column >= right || row < firstRow || row >= bottom) continue;
        const fromX = Math.min(Math.floor(((column - left) / shownWidth) * picture.width), picture.width - 1);
        const fromY = Math.min(Math.floor(((row - top) / shownHeight) * picture.height), picture.height - 1);
        target[y * width + x] = source[fromY * picture.width + fromX];
      }
    }
    above = below;
  }
  return { rgba, width, height, extent: [west, north - height * step, west + width * step, north] };
}
