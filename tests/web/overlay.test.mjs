// The warp to Web Mercator, against places that are computed here in another way.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Mesh, mercator, warpToMercator } from "../../web/worker/overlay.js";

/** A picture whose pixels say which they are. */
function numbered(width, height, extent = [0, 0, width, height]) {
  const rgba = new Uint8ClampedArray(width * height * 4);
  new Uint32Array(rgba.buffer).forEach((_, i, all) => (all[i] = i + 1));
  return { rgba, width, height, extent };
}

/** A grid that is turned and curved, as that of a projection far from its middle. @type {(column: number, row: number) => [number, number]} */
const curved = (column, row) => {
  const [x, y] = [column / 400, row / 400];
  return [10 + 0.9 * x + 0.2 * y + 0.03 * x * y, 48 + 0.15 * x - 0.7 * y + 0.02 * x * x];
};
const lonLatOf = (place) => (pixels) => {
  const places = new Float64Array(pixels.length);
  for (let at = 0; at < pixels.length; at += 2) [places[at], places[at + 1]] = place(pixels[at], pixels[at + 1]);
  return places;
};

test("Web Mercator is that of EPSG:3857", () => {
  const near = ([x, y], [wantedX, wantedY]) => assert.ok(Math.hypot(x - wantedX, y - wantedY) < 1e-6, `${x}, ${y}`);
  near(mercator(180, 85.0511287798066), [20037508.342789244, 20037508.342789244]);
  near(mercator(-90, -45), [-10018754.171394622, -5621521.486192066]);
  assert.throws(() => mercator(0, 86), { code: "outside_crs_domain" });
  assert.throws(() => mercator(0, NaN), { code: "outside_crs_domain" });
});

test("each pixel of the overlay shows the scene's pixel that is there", () => {
  const [width, height] = [300, 200];
  const { rgba, ...overlay } = warpToMercator(numbered(width, height), [height, width], lonLatOf(curved));
  const [west, , east, north] = overlay.extent;
  const step = (east - west) / overlay.width;
  const pixels = new Uint32Array(rgba.buffer);
  let [shown, worst] = [0, 0];
  pixels.forEach((value, at) => {
    if (value === 0) return;
    shown += 1;
    const [column, row] = [(value - 1) % width, Math.floor((value - 1) / width)];
    const [x, y] = mercator(...curved(column + 0.5, row + 0.5));
    const [rightX, rightY] = mercator(...curved(column + 1.5, row + 0.5));
    const [downX, downY] = mercator(...curved(column + 0.5, row + 1.5));
    const [dx, dy] = [west + ((at % overlay.width) + 0.5) * step - x, north - (Math.floor(at / overlay.width) + 0.5) * step - y];
    const determinant = (rightX - x) * (downY - y) - (downX - x) * (rightY - y);
    const columns = (dx * (downY - y) - dy * (downX - x)) / determinant;
    const rows = (dy * (rightX - x) - dx * (rightY - y)) / determinant;
    worst = Math.max(worst, Math.abs(columns), Math.abs(rows));
  });
  assert.ok(worst < 0.53, `${worst} pixels from the middle of one`);
  assert.ok(worst < 0.53, `${worst} pixels from the middle of one`);
  assert.ok(shown > 4 * width * height * 0.5, `${shown} pixels`);
});

test("the pixel that is found for a place is exactly there", () => {
  const mesh = new Mesh([0, 0, 16000, 17000], lonLatOf((c, r) => curved(c / 50, r / 50)));
  let worst = 0;
  for (const [column, row] of [[0, 0], [15999, 3], [8000.5, 8000.5], [12.25, 16999], [4321, 1234]]) {
    const [x, y] = mercator(...curved(column / 50, row / 50));
    const [foundColumn, foundRow] = mesh.pixelAt(x, y, [8000, 8500]);
    worst = Math.max(worst, Math.abs(foundColumn - column), Math.abs(foundRow - row));
  }
  assert.ok(worst < 0.1, `${worst} pixels`);
});

test("a picture of every third pixel shows the same places", () => {
  const [width, height] = [300, 201];
  const picture = numbered(100, 67, [-1, -1, 300, 201]);
  const { rgba, ...overlay } = warpToMercator(picture, [height, width], lonLatOf(curved));
  const [west, south, east, north] = overlay.extent;
  const [x, y] = mercator(...curved(150, 100));
  const at = Math.floor(((north - y) / (north - south)) * overlay.height) * overlay.width + Math.floor(((x - west) / (east - west)) * overlay.width);
  const value = new Uint32Array(rgba.buffer)[at] - 1;
  assert.ok(Math.abs((value % 100) - 50) <= 1 && Math.abs(Math.floor(value / 100) - 33) <= 1, `${value % 100}, ${Math.floor(value / 100)}`);
});

test("outside the scene, and where it has no data, the overlay is transparent", () => {
  const picture = numbered(64, 64);
  new Uint32Array(picture.rgba.buffer).fill(0, 0, 64 * 32);
  const { rgba, width, height } = warpToMercator(picture, [64, 64], lonLatOf((c, r) => [c * 0.01 + r * 0.004, 10 + c * 0.004 - r * 0.01]));
  const pixels = new Uint32Array(rgba.buffer);
  const corners = [0, width - 1, (height - 1) * width, height * width - 1].map((at) => pixels[at]);
  assert.deepEqual(corners, [0, 0, 0, 0]);
  assert.ok(pixels.filter(Boolean).length > 0.3 * 64 * 32 && !pixels.some((value) => value && value <= 64 * 32));
});
