import assert from "node:assert/strict";
import { test } from "node:test";

import { presetsOf } from "../../web/view/colors.js";

/** A scene of bands of which the engine knows what they are, or not. */
const known = (...names) => ({ scene: { bands: names.map((common, index) => ({ index, name: null, common })) }, modelBands: ["green", "red", "nir"] });
const found = (opened, assigned) => presetsOf(opened, assigned).map(({ word, bands }) => [word, bands]);

test("combinations are offered where their bands are known, by the file or by assignment", () => {
  assert.deepEqual(found(known(null, null, null), [0, 1, 2]), [["infraredColors", [2, 1, 0]]]);
  assert.deepEqual(found(known("blue", "green", "red", "nir", "swir1", "swir2"), [1, 2, 3]), [
    ["naturalColors", [2, 1, 0]],
    ["infraredColors", [3, 2, 1]],
    ["shortWaveColors", [5, 3, 2]],
  ]);
  assert.deepEqual(found(known("green", "red", "nir", "swir1"), [0, 1, 2]).at(-1), ["shortWaveColors", [3, 2, 1]]);
  assert.deepEqual(found(known(null, null, null), [0, 1, null]), []);
});

test("what a person assigned goes before what the file says", () => {
  assert.deepEqual(found(known("green", "red", "nir"), [2, 0, 1]), [["infraredColors", [1, 0, 2]]]);
});
