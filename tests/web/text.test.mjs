// Numbers, names and sentences of the page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { fileStem } from "../../web/engine/names.js";
import { warningText } from "../../web/view/before-run.js";
import * as text from "../../web/page/text.js";

test("areas and shares keep about three digits, and never round something to nothing", () => {
  assert.deepEqual([0, 0.004, 0.5, 12.34, 123.4, 98_765].map((hectares) => text.speech.area(hectares)), ["0", "< 0.01", "0.50", "12.3", "123", "98,765"]);
  assert.deepEqual([0, 0.004, 0.126, 45.67].map((percent) => text.speech.percent(percent)), ["0", "< 0.01", "0.13", "45.7"]);
});

test("durations and sizes change their unit as they grow", () => {
  assert.deepEqual([0.4, 12.4, 89, 90, 60 * 90].map(text.durationText), ["under 1 s", "12 s", "89 s", "2 min", "1.5 h"]);
  assert.deepEqual([1, 12_300, 3_910_000, 2_700_000_000].map(text.bytesText), ["0.1 kB", "12.3 kB", "3.9 MB", "2.70 GB"]);
});

test("names of classes and bands are written for people", () => {
  assert.equal(text.title("grass_shrub"), "Grass / shrub");
  assert.equal(text.className("grass_shrub"), "grass / shrub");
  assert.equal(text.bandName("nir"), "near infrared");
  assert.equal(text.bandName("red_edge"), "red edge");
  assert.equal(text.listing(["green", "red", "nir"]), "green, red, and nir");
});

test("files are called by the folder they share, else by the first of them", () => {
  assert.equal(text.entriesName(["scene.tif"]), "scene.tif");
  assert.equal(text.entriesName(["L4/BAND2.tif", "L4/BAND3.tif"]), "L4");
  assert.equal(text.entriesName(["BAND2.tif", "BAND3.tif", "BAND4.tif"]), "BAND2.tif and 2 more");
  assert.equal(text.entriesName(["a/1.tif", "b/2.tif"]), "a/1.tif and 1 more");
});

test("the names of results begin with the scene's, without its extension", () => {
  assert.equal(fileStem("river.tif"), "river");
  assert.equal(fileStem("BAND2.tif, BAND3.tif"), "BAND2");
  assert.equal(fileStem("L4_product"), "L4_product");
  assert.equal(fileStem("a.b.tif"), "a.b");
});

test("an error says what happened, what to try, and its code", () => {
  const told = text.explain({ code: "truncated", message: "the file ends at byte 12" });
  assert.notEqual(told.cause, "The file ends at byte 12.");
  assert.match(told.advice, /again/);
  assert.equal(told.detail, "truncated: the file ends at byte 12");
});

test("a cause without words of the page's own becomes a sentence", () => {
  const told = text.explain({ code: "band_count", message: "the bands differ" });
  assert.equal(told.cause, "The bands differ.");
  assert.equal(told.detail, "band_count");
  assert.equal(text.explain({ code: "x", message: "is it?" }).cause, "Is it?");
});

test("advice is the most special one for a code, and there is always some", () => {
  const advice = (/** @type {string} */ code) => text.explain({ code, message: "m" }).advice;
  assert.notEqual(advice("http_no_ranges"), advice("http_status"));
  assert.notEqual(advice("unsupported_jpeg_2000"), advice("unsupported_codec"));
  assert.match(advice("bad_address"), /\?scene=/);
  assert.match(advice("something_new"), /Reload/);
});

test("a warning with advice is one line, with the figures apart", () => {
  assert.deepEqual(warningText({ code: "values_8_bit", message: "mean 120" }, text.speech).slice(1), ["mean 120"]);
  assert.deepEqual(warningText({ code: "unheard_of", message: "mean 120" }, text.speech), ["mean 120", ""]);
});

test("the backend's line says where it computes, and why", () => {
  const line = (/** @type {string} */ backend, /** @type {string} */ reason, adapter = "") => text.backendText({ backend, reason, adapter });
  assert.match(line("webgpu", "chosen", "nvidia lovelace"), /graphics card \(nvidia lovelace\)/);
  assert.match(line("webgpu", "fallback"), /software WebGPU adapter, because /);
  for (const reason of ["forced", "missing", "fallback", "limits", "network", "gpu_module", "device_lost", "webgpu_failed", "golden_tile_differs"]) {
    assert.match(line("cpu", reason), /processor, because the|processor, because this|processor, because only/, reason);
  }
  assert.doesNotMatch(line("cpu", "network"), /faster/);
});
