// The picture of a scene in chosen bands: from samples that a reader gives, without wasm.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Compositor, level, stretchOf } from "../../web/worker/composite.js";

/** A scene whose sample is 1000 times its band plus its place in the row order, and what was read of it. */
function playedScene(width) {
  const reads = [];
  const read = async (window, bands) => {
    reads.push({ window, bands: [...bands] });
    const values = [];
    for (const band of bands) {
      for (let y = window.y; y < window.y + window.height; y++) {
        for (let x = window.x; x < window.x + window.width; x++) values.push(1000 * band + y * width + x);
      }
    }
    return Float32Array.from(values);
  };
  return { read, reads };
}

/** What wasm draws of a scene, with no data where `isEmpty` says so. */
function ownPicture(width, height, extent, isEmpty = () => false) {
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) rgba[4 * i + 3] = isEmpty(i) ? 0 : 255;
  return { rgba, width, height, extent };
}

const pixels = ({ rgba }) => Array.from({ length: rgba.length / 4 }, (_, i) => [...rgba.subarray(4 * i, 4 * i + 4)]);

test("percentiles are those of the pixels with data, and a constant band is grey", () => {
  const values = Float32Array.from({ length: 102 }, (_, i) => (i === 101 ? 9999 : 100 - i));
  const valid = Uint8Array.from(values, (_, i) => Number(i !== 101));
  assert.deepEqual(stretchOf(values, valid, [2, 98]), [2, 98]);
  assert.deepEqual(stretchOf(values, valid, [0, 100]), [0, 100]);
  assert.deepEqual(stretchOf(Float32Array.of(1, Number.NaN, 3), Uint8Array.of(1, 1, 1), [0, 100]), [1, 3]);
  assert.deepEqual(stretchOf(values, new Uint8Array(102), [0, 100]), [0, 0]);
  assert.deepEqual([0, 2, 50, 98, 1000].map((value) => level(value, [2, 98])), [0, 0, 127, 255, 255]);
  assert.equal(level(7, [7, 7]), 128);
});

test("of a large picture, percentiles come close, and the lowest and the highest value are exact", () => {
  const values = Float32Array.from({ length: 1_500_000 }, (_, i) => i % 1000);
  values[777_777] = -5;
  values[1_234_567] = 5000;
  const valid = new Uint8Array(values.length).fill(1);
  assert.deepEqual(stretchOf(values, valid, [0, 100]), [-5, 5000]);
  const [low, high] = stretchOf(values, valid, [5, 95]);
  assert.ok(Math.abs(low - 50) <= 2 && Math.abs(high - 949) <= 2, `${low}, ${high}`);
});

test("each band is stretched by itself, and pixels without data stay transparent", async () => {
  const { read } = playedScene(2);
  const compositor = new Compositor(read);
  compositor.opened(2, 2);
  compositor.drawn(ownPicture(2, 2, [0, 0, 2, 2], (i) => i === 3));
  const picture = await compositor.compose({ bands: [2, 0, 0], stretch: [0, 100] }, 2048);
  assert.deepEqual(pixels(picture), [[0, 0, 0, 255], [127, 127, 127, 255], [255, 255, 255, 255], [0, 0, 0, 0]]);
  assert.deepEqual(picture.extent, [0, 0, 2, 2]);
});

test("a large scene is reduced to the middle pixels of its cells, a few rows at a time", async () => {
  const { read, reads } = playedScene(10);
  const compositor = new Compositor(read);
  compositor.opened(4, 10);
  // An overview of another size.
  compositor.drawn(ownPicture(5, 2, [0, 0, 10, 4], (i) => i % 5 === 4));
  const picture = await compositor.compose({ bands: [0, 0, 0], stretch: [0, 100] }, 4);
  assert.deepEqual([picture.width, picture.height, picture.extent], [4, 2, [0, 0, 12, 6]]);
  assert.deepEqual(reads.map(({ window }) => window), [{ x: 0, y: 0, width: 10, height: 4 }]);
  // Columns 0, 3, 6 and 9 of rows 0 and 3: the last cell of each is cut. Nothing is known of column 9.
  const range = 36;
  assert.deepEqual(pixels(picture).map(([red, , , alpha]) => [red, alpha]), [0, 3, 6, null, 30, 33, 36, null].map((value) =>
    value === null ? [0, 0] : [Math.trunc((255 * value) / range), 255],
  ));
});

test("another stretch and bands that were shown before need no reading", async () => {
  const { read, reads } = playedScene(8);
  const compositor = new Compositor(read);
  compositor.opened(8, 8);
  compositor.drawn(ownPicture(8, 8, [0, 0, 8, 8]));
  const compose = (bands, stretch) => compositor.compose({ bands, stretch }, 8);
  await compose([0, 1, 2], [2, 98]);
  await compose([0, 1, 2], [5, 95]);
  await compose([2, 3, 1], [5, 95]);
  assert.deepEqual(reads.map(({ bands }) => bands), [[0, 1, 2], [3]]);
  // Another scene has other samples.
  compositor.opened(8, 8);
  compositor.drawn(ownPicture(8, 8, [0, 0, 8, 8]));
  await compose([0, 1, 2], [2, 98]);
  assert.equal(reads.length, 3);
});

test("parts are drawn like the whole, until the scene is drawn in its own colours", async () => {
  const { read } = playedScene(4);
  const compositor = new Compositor(read);
  compositor.opened(1, 4);
  const own = ownPicture(4, 1, [0, 0, 4, 1]);
  compositor.drawn(own);
  const part = ownPicture(2, 1, [1, 0, 2, 1]);
  const window = { x: 1, y: 0, width: 2, height: 1 };
  assert.equal(await compositor.detail(window, part), part);
  await compositor.compose({ bands: [1, 1, 1], stretch: [0, 100] }, 4);
  const drawn = await compositor.detail(window, part);
  assert.deepEqual([pixels(drawn).map(([red]) => red), drawn.extent], [[85, 170], [1, 0, 2, 1]]);
  assert.equal(await compositor.compose(null, 4), own);
  assert.equal(await compositor.detail(window, part), part);
});

test("an answer about an older picture is dropped, and what is no composition is refused", async () => {
  const { read } = playedScene(4);
  const compositor = new Compositor(read);
  const composition = { bands: [0, 1, 2], stretch: [2, 98] };
  compositor.opened(4, 4);
  await assert.rejects(compositor.compose(composition, 4), { code: "misuse" });
  compositor.drawn(ownPicture(4, 4, [0, 0, 4, 4]));
  const older = compositor.compose(composition, 4);
  const newer = compositor.compose({ ...composition, bands: [2, 1, 0] }, 4);
  await assert.rejects(older, { code: "superseded" });
  assert.equal((await newer).width, 4);
  for (const wrong of [{ stretch: [98, 2] }, { stretch: [-1, 98] }, { bands: [0, 1] }]) {
    await assert.rejects(compositor.compose({ ...composition, ...wrong }, 4), { code: "misuse" });
  }
});
