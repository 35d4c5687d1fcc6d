// What the page's address says, and the names and addresses of scenes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOptions, fileNameOf, fileUrl } from "../../web/page/address.js";

const PAGE = "https://maps.example/portal/index.html?scene=x";

test("the address chooses the device, the tile, the scene and the model", () => {
  const wanted = { backend: "webgpu", tile: 128, workers: 0, scene: "a.tif", model: "b.raremap", lang: "hi" };
  assert.deepEqual(addressOptions("?backend=webgpu&tile=128&workers=0&scene=a.tif&model=b.raremap&lang=hi"), wanted);
});

test("options that are absent or make no sense are as if not given", () => {
  const none = { backend: "auto", tile: undefined, workers: undefined, scene: undefined, model: undefined, lang: undefined };
  assert.deepEqual(addressOptions(""), none);
  assert.deepEqual(addressOptions("?backend=quantum&tile=wide&workers=-1&scene=&model="), none);
  assert.deepEqual(addressOptions("?tile=0"), none);
});

test("a scene's address is whole or relative to the page's", () => {
  assert.equal(fileUrl("scenes/a.tif", PAGE).href, "https://maps.example/portal/scenes/a.tif");
  assert.equal(fileUrl("https://data.example/b.tif?key=1", PAGE).href, "https://data.example/b.tif?key=1");
});

test("a percent sign in a file's name neither throws nor asks for another file", () => {
  const { scene } = addressOptions("?scene=a%25b.tif");
  assert.equal(scene, "a%b.tif");
  const url = fileUrl(scene, PAGE);
  assert.equal(url.href, "https://maps.example/portal/a%25b.tif");
  assert.equal(fileNameOf(url), "a%b.tif");
});

test("escapes in a scene's address stay what they are", () => {
  const url = fileUrl("r%C3%ADo%20bajo.tif", PAGE);
  assert.equal(url.pathname, "/portal/r%C3%ADo%20bajo.tif");
  assert.equal(fileNameOf(url), "río bajo.tif");
});

test("a name that is not in UTF-8 is shown as it is written", () => {
  assert.equal(fileNameOf(fileUrl("caf%E9.tif", PAGE)), "caf%E9.tif");
});

test("an address of a folder is called by its server", () => {
  assert.equal(fileNameOf(fileUrl("https://data.example/", PAGE)), "data.example");
});

test("what is no address is refused with a code", () => {
  assert.throws(() => fileUrl("https://", PAGE), { name: "EngineError", code: "bad_address", message: /"https:\/\/"/ });
  assert.throws(() => fileUrl("http://[1/x.tif", PAGE), { code: "bad_address" });
});
