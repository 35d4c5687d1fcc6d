import assert from "node:assert/strict";
import { test } from "node:test";

import { checkDependencies, checkModule, checkSource } from "./import-direction.mjs";

const packageOf = (name, ...dependencies) => ({
  name,
  dependencies: dependencies.map(([dependency, kind = null]) => ({ name: dependency, kind })),
});

test("an arrow of the architecture is allowed", () => {
  const packages = [packageOf("raremap-tile"), packageOf("raremap-model", ["raremap-tile"], ["burn"])];
  assert.deepEqual(checkDependencies(packages), []);
});

test("model and tiff importing each other is refused", () => {
  const packages = [packageOf("raremap-model", ["raremap-tiff"]), packageOf("raremap-tiff", ["raremap-model"])];
  assert.equal(checkDependencies(packages).length, 2);
});

test("tiff importing burn is refused, also as a build dependency", () => {
  assert.equal(checkDependencies([packageOf("raremap-tiff", ["burn-tensor", "build"])]).length, 1);
});

test("a library importing train or tests is refused, even for its tests", () => {
  const packages = [packageOf("raremap-train"), packageOf("raremap-infer", ["raremap-train", "dev"])];
  assert.equal(checkDependencies(packages).length, 1);
});

test("the training library parsing a command line or drawing on a terminal is refused", () => {
  const library = packageOf("raremap-train", ["clap"], ["ratatui"], ["raremap-infer"]);
  assert.equal(checkDependencies([library, packageOf("raremap-infer")]).length, 2);
});

test("a development dependency from outside is free", () => {
  assert.deepEqual(checkDependencies([packageOf("raremap-infer", ["tokio", "dev"])]), []);
});

test("a package without a rule is refused", () => {
  assert.equal(checkDependencies([packageOf("raremap-new")]).length, 1);
});

test("choosing a device is refused in the model's code and free in its tests and comments", () => {
  const line = "let device = Device::flex();";
  assert.equal(checkSource("raremap-model", "a.rs", line).length, 1);
  assert.deepEqual(checkSource("raremap-model", "a.rs", `/// ${line}\n#[cfg(test)]\nmod tests {\n${line}`), []);
  assert.deepEqual(checkSource("raremap-train", "a.rs", line), []);
});

test("touching files is refused in the pipeline", () => {
  assert.equal(checkSource("raremap-infer", "a.rs", "use std::fs;").length, 1);
});

test("a folder of web/ imports only from those before it, types included", () => {
  assert.deepEqual(checkModule("element", "a.js", 'import { Viewer } from "../view/viewer.js";'), []);
  assert.equal(checkModule("view", "a.js", '/** @typedef {import("../page/text.js").X} X */').length, 1);
  assert.equal(checkModule("api", "a.js", 'import { a } from "../element/a.js";\nimport { b } from "../element/b.js";').length, 1);
});
