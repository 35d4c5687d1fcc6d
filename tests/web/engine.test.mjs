// The engine's client against a worker that the test plays.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Engine } from "../../web/engine/engine.js";
import { FakeWorker } from "./fake-worker.mjs";

let workers = FakeWorker.all;

beforeEach(() => {
  workers = FakeWorker.all = [];
  globalThis.Worker = FakeWorker;
});
afterEach(() => delete globalThis.Worker);

test("nothing starts before the first call, and all calls share a worker", async () => {
  const engine = new Engine();
  assert.equal(workers.length, 0);
  const results = [engine.files({ threshold: 0.5, rare: [], topK: 20 }), engine.detail({ x: 0, y: 0, width: 1, height: 1 })];
  const [worker] = workers;
  assert.equal(workers.length, 1);
  worker.say({ id: worker.asked("detail").id, result: "a picture" });
  worker.say({ id: worker.asked("files").id, result: [] });
  assert.deepEqual(await Promise.all(results), [[], "a picture"]);
});

test("the model, the wasm and the worker can lie elsewhere", () => {
  const engine = new Engine({
    modelUrl: "https://a.example/m.raremap", wasmUrl: new URL("https://a.example/w.wasm"), gpuWasmUrl: "https://a.example/g.wasm",
    workerUrl: "https://b.example/w.js",
  });
  void engine.load({ backend: "cpu" });
  const [worker] = workers;
  assert.equal(worker.url, "https://b.example/w.js");
  assert.deepEqual(worker.options, { type: "module", name: "raremap" });
  assert.deepEqual(worker.asked("load").params, {
    backend: "cpu", model: "https://a.example/m.raremap", wasmUrl: "https://a.example/w.wasm", gpuWasmUrl: "https://a.example/g.wasm",
  });
});

test("by default they lie beside the client", () => {
  void new Engine().load();
  const [worker] = workers;
  const { backend, model, wasmUrl, gpuWasmUrl } = worker.asked("load").params;
  assert.equal(backend, "auto");
  assert.match(worker.url, /\/web\/worker\/worker\.js$/);
  assert.match(model, /\/web\/models\/default\.raremap$/);
  assert.match(wasmUrl, /\/web\/wasm\/raremap-web_bg\.wasm$/);
  assert.match(gpuWasmUrl, /\/web\/wasm\/raremap-web-gpu_bg\.wasm$/);
});

test("a run tells of tiles and of pictures", async () => {
  const engine = new Engine();
  const tiles = [];
  const pictures = [];
  const running = engine.run(
    { bands: [0, 1, 2] },
    { onProgress: ({ done, total }) => tiles.push(`${done}/${total}`), onPicture: (picture) => pictures.push(picture) },
  );
  const [worker] = workers;
  const { id } = worker.asked("run");
  worker.say({ id, progress: { kind: "tiles", done: 1, total: 2 } });
  worker.say({ id, progress: { kind: "picture", picture: "half" } });
  worker.say({ id, progress: { kind: "tiles", done: 2, total: 2 } });
  worker.say({ id, result: { done: 2, total: 2, cancelled: false, secs: 1 } });
  assert.equal((await running).cancelled, false);
  assert.deepEqual([tiles, pictures], [["1/2", "2/2"], ["half"]]);
});

test("a signal cancels the run, whose finished part is the result", async () => {
  const engine = new Engine();
  const controller = new AbortController();
  const running = engine.run({ bands: [0] }, { signal: controller.signal });
  const [worker] = workers;
  assert.equal(worker.asked("cancel"), undefined);
  controller.abort();
  assert.ok(worker.asked("cancel").id > worker.asked("run").id);
  worker.say({ id: worker.asked("cancel").id, result: undefined });
  worker.say({ id: worker.asked("run").id, result: { done: 3, total: 9, cancelled: true, secs: 1 } });
  assert.deepEqual(await running, { done: 3, total: 9, cancelled: true, secs: 1 });
});

test("a signal that comes too late cancels nothing", async () => {
  const engine = new Engine();
  const controller = new AbortController();
  const running = engine.run({ bands: [0] }, { signal: controller.signal });
  const [worker] = workers;
  worker.say({ id: worker.asked("run").id, result: { done: 9, total: 9, cancelled: false, secs: 1 } });
  await running;
  controller.abort();
  assert.equal(worker.asked("cancel"), undefined);
  await assert.rejects(engine.run({ bands: [0] }, { signal: controller.signal }), { name: "AbortError" });
});

test("after a crash all that waits fails, the worker goes, and the next call starts another", async () => {
  let crashes = 0;
  const engine = new Engine({
    onCrash: () => {
      crashes += 1;
      // What the page does: it loads at once, while the old requests fail.
      void engine.load();
    },
  });
  const lost = [engine.preview({ bands: [0], maxPx: 10 }), engine.areas({ threshold: 1, rare: [], topK: 1 })];
  const [first] = workers;
  first.say({ crashed: "memory access out of bounds" });
  for (const result of lost) await assert.rejects(result, { code: "trap", message: "memory access out of bounds" });
  assert.equal(crashes, 1);
  assert.ok(first.isTerminated);
  assert.equal(workers.length, 2);
  // The dead worker's last messages, and those of its error event, are nobody's.
  const loading = workers[1].asked("load");
  first.say({ id: loading.id, result: "from the dead" });
  first.say({ crashed: "again" });
  assert.equal(crashes, 1);
  assert.ok(!workers[1].isTerminated);
});

test("a worker that does not load is told apart from one that failed", async () => {
  const engine = new Engine();
  const missing = engine.load();
  workers[0].dispatchEvent(Object.assign(new Event("error", { cancelable: true }), { message: "" }));
  await assert.rejects(missing, { code: "worker_missing" });
  const failed = engine.load();
  workers[1].dispatchEvent(Object.assign(new Event("error", { cancelable: true }), { message: "x is undefined" }));
  await assert.rejects(failed, { code: "trap", message: "x is undefined" });
});

test("a worker that may not start rejects the call", async () => {
  globalThis.Worker = class {
    constructor() {
      throw new DOMException("cross-origin", "SecurityError");
    }
  };
  await assert.rejects(new Engine().load(), { code: "worker_missing", message: /cross-origin/ });
});

test("options that cannot be sent to a worker reject the call, and nothing waits", async () => {
  const engine = new Engine();
  await assert.rejects(engine.run({ bands: [() => 1] }), { code: "misuse" });
  engine.close();
});

test("closing ends the worker, and calls that wait fail", async () => {
  const engine = new Engine();
  const waiting = engine.load();
  engine.close();
  assert.ok(workers[0].isTerminated);
  await assert.rejects(waiting, { code: "closed" });
});

test("the size of wasm's memory is told with each result", async () => {
  const sizes = [];
  const engine = new Engine({ onMemory: (bytes) => sizes.push(bytes) });
  const loading = engine.load();
  const [worker] = workers;
  worker.say({ id: worker.asked("load").id, progress: { phase: "check" } });
  worker.say({ id: worker.asked("load").id, result: {}, wasmBytes: 65_536 });
  await loading;
  assert.deepEqual(sizes, [65_536]);
});
