import assert from "node:assert/strict";
import { test } from "node:test";

import { areApart, scenesOf } from "../../web/page/scenes.js";

const entries = (...paths) => paths.map((path) => ({ path, file: {} }));
const apart = (...paths) => scenesOf(entries(...paths)).map((scene) => scene.map(({ path }) => path));

test("files of one product are one scene, with what describes it", () => {
  const landsat = "LC08_L2SP_199024_20200801_20200908_02_T1";
  for (const one of [
    ["BAND2.tif", "BAND3.tif", "BAND4.tif", "BAND_META.txt"],
    [`${landsat}_SR_B3.TIF`, `${landsat}_SR_B4.TIF`, `${landsat}_SR_B5 (1).TIF`, `${landsat}_QA_PIXEL.TIF`, `${landsat}_MTL.txt`],
    ["T32TQM_20200101T101319_B03_10m.tif", "T32TQM_20200101T101319_B8A_20m.tif", "T32TQM_20200101T101319_SCL_20m.tif"],
    ["HLS.S30.T32TQM.2020213T101031.v2.0.B8A.tif", "HLS.S30.T32TQM.2020213T101031.v2.0.B03.tif", "HLS.S30.T32TQM.2020213T101031.v2.0.Fmask.tif"],
    ["scene.tif", "scene.tif.msk", "scene.tfw", "scene.tif.aux.xml"],
    ["L4/BAND2.tif", "L4/BAND3.tif"],
  ]) {
    assert.deepEqual(apart(...one), [one]);
  }
});

test("several products, images, folders and archives are a scene each", () => {
  assert.deepEqual(apart("LC08_A_B3.TIF", "LC08_B_B3.TIF", "LC08_A_B4.TIF", "LC08_A_MTL.txt", "LC08_B_B4.TIF"), [
    ["LC08_A_B3.TIF", "LC08_A_B4.TIF", "LC08_A_MTL.txt"],
    ["LC08_B_B3.TIF", "LC08_B_B4.TIF"],
  ]);
  assert.deepEqual(apart("north.tif", "south.tif", "north.tfw"), [["north.tif", "north.tfw"], ["south.tif"]]);
  assert.deepEqual(apart("in/a/BAND2.tif", "in/b/BAND2.tif", "in/a/BAND3.tif", "in/notes.pdf"), [["a/BAND2.tif", "a/BAND3.tif"], ["b/BAND2.tif"]]);
  assert.deepEqual(apart("a.zip", "b.zip", "c.tif"), [["a.zip"], ["b.zip"], ["c.tif"]]);
  assert.deepEqual(apart("notes.txt", "a/readme.md"), []);
});

test("only archives beside others cannot be one scene with them", () => {
  assert.ok(areApart(entries("a.zip", "b.tif")));
  assert.ok(!areApart(entries("a.zip")));
  assert.ok(!areApart(entries("north.tif", "south.tif")));
});
