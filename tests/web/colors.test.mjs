import assert from "node:assert/strict";
import { test } from "node:test";

import { presetsOf } from "../../web/view/colors.js";

const named = (...names) => ({ scene: { bands: names.map((name, index) => ({ index, name })) }, modelBands: ["green", "red", "nir"] });
const found = (opened, assigned) => presetsOf(opened, assigned).map(({ word, bands }) => [word, bands]);

test("combinations are offered where their bands are known, by name or by assignment", () => {
  assert.deepEqual(found(named(null, null, null), [0, 1, 2]), [["infraredColors", [2, 1, 0]]]);
  assert.deepEqual(found(named("Blue", "Green", "Red", "Near Infrared", "SWIR 1", "swir2"), [1, 2, 3]), [
    ["naturalColors", [2, 1, 0]],
    ["infraredColors", [3, 2, 1]],
    ["shortWaveColors", [5, 3, 2]],
  ]);
  assert.deepEqual(found(named("green", "red", "nir", "swir16"), [0, 1, 2]).at(-1), ["shortWaveColors", [3, 2, 1]]);
  assert.deepEqual(found(named("1", "2", "3"), [0, 1, null]), []);
});

test("what a person assigned goes before what a band is called", () => {
  assert.deepEqual(found(named("green", "red", "nir"), [2, 0, 1]), [["infraredColors", [1, 0, 2]]]);
});
