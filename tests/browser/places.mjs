// Whether a picture shows each pixel of a scene where PROJ puts it. `agreement` runs in a page.

import { execFileSync } from "node:child_process";

/** Longitude and latitude of the middle of each pixel of a GeoTIFF, row by row. */
export const placesOf = (path) =>
  JSON.parse(execFileSync(process.env.RAREMAP_PYTHON ?? "python3", [new URL("places.py", import.meta.url).pathname, path], { encoding: "utf8", maxBuffer: 1 << 27 }));

/**
 * Share of the scene's pixels whose colour is found where they are: the first number. The others are the shares if the scene is moved by a pixel
 * in each direction, which must be lower, or the scene is too plain to tell.
 *
 * @param {{values: Uint8Array, width: number, height: number}} mask
 * @param {Record<number, number[]>} colors of the classes, by their values
 * @param {[number, number][]} places of the pixels' middles in the picture
 * @param {ImageData} picture
 * @returns {number[]}
 */
export function agreement({ values, width, height }, colors, places, picture) {
  return [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]].map(([right, down]) => {
    let [same, all] = [0, 0];
    places.forEach(([x, y], i) => {
      const [column, row] = [(i % width) + right, Math.floor(i / width) + down];
      if (column < 0 || column >= width || row < 0 || row >= height) return;
      const at = 4 * (Math.floor(y) * picture.width + Math.floor(x));
      all += 1;
      if (colors[values[row * width + column]].every((channel, k) => Math.abs(picture.data[at + k] - channel) <= 3)) same += 1;
    });
    return same / all;
  });
}
