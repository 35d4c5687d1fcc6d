// The package's API against a worker that the test plays. What needs the real one is in tests/browser.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { createSession } from "../../web/api/index.js";
import { sceneSource } from "../../web/api/source.js";
import { FakeWorker } from "./fake-worker.mjs";

const CARD = { rareClasses: ["water", "wetland"] };
const SCENE = {
  scene: { name: "BAND2.tif, BAND3.tif", width: 300, height: 200, bands: [], grid: null, crs: null },
  modelBands: ["green", "red", "nir"],
  optionalBands: [],
  assignment: { bands: [0, 1, 2] },
  warnings: [{ code: "resolution", message: "coarse" }],
  notices: [],
  canResample: false,
  modelResolutionM: 10,
  hasAreas: false,
};
const MODEL = new Blob(["weights"]);

/** Answers of a worker in which all goes well. */
const answers = {
  load: () => ({ card: CARD, backend: "cpu" }),
  open: () => SCENE,
  showPartial: () => undefined,
  cancel: () => undefined,
  look: () => ({ warnings: [{ code: "values_hazy", message: "haze" }], matching: "by 10,000", statistics: { bands: [] } }),
  statistics: ({ bands }) => ({ bands: bands.map((band) => ({ band })) }),
  values: ({ kind }) => ({ width: 1, height: 1, values: kind === "mask" ? Uint8Array.of(4) : Float32Array.of(0.5) }),
  areas: () => ({ classes: [] }),
  files: () => [{ name: "mask.tif", type: "image/tiff" }, { name: "polygons.geojson", type: "application/geo+json" }],
  file: ({ name, type }) => ({ blob: new Blob([JSON.stringify({ name })], { type }), notice: null }),
};

/** What `then` of the worker says to these methods; a run is answered by the test. */
function answering(own = {}) {
  FakeWorker.answer = (worker, { id, method, params }) => {
    const answer = { ...answers, ...own }[method];
    if (answer) queueMicrotask(() => worker.say({ id, result: answer(params) }));
  };
}

beforeEach(() => {
  FakeWorker.all = [];
  globalThis.Worker = FakeWorker;
  answering();
});
afterEach(() => {
  delete globalThis.Worker;
  FakeWorker.answer = undefined;
});

/** Lets everything that waits for nothing but promises happen. */
const settle = () => new Promise((resolve) => setTimeout(resolve));

async function opened(options) {
  const session = await createSession({ model: MODEL, ...options });
  await session.open(new Blob(["II"]));
  return { session, worker: FakeWorker.all.at(-1) };
}

/** Starts a run that the worker has received. */
async function started(options) {
  const { session, worker } = await opened();
  const run = session.run(options);
  await settle();
  const { id, params } = worker.asked("run");
  const tile = (done) => worker.say({ id, progress: { kind: "tiles", done, total: 3 } });
  const end = (cancelled = false) => worker.say({ id, result: { done: cancelled ? 1 : 3, total: 3, cancelled, secs: 1 } });
  return { session, worker, run, id, params, tile, end };
}

async function mapped(options) {
  const { run, end, ...rest } = await started(options);
  end();
  return { ...rest, result: await run };
}

test("a run is a promise of its result", async () => {
  const { result, params } = await mapped({ tile: 128, topK: 5 });
  assert.deepEqual(params.options, { bands: [0, 1, 2], tile: 128, resample: false, matching: true });
  assert.deepEqual(result.options, { threshold: 0.5, rare: ["water", "wetland"], topK: 5 });
  assert.deepEqual([result.complete, result.tiles, result.secs], [true, { done: 3, total: 3 }, 1]);
});

test("a run is also an iterable of every tile, however slow its reader is", async () => {
  const { run, tile, end } = await started();
  const seen = [];
  const reading = (async () => {
    for await (const { done } of run) {
      seen.push(done);
      await settle();
    }
  })();
  for (const done of [1, 2, 3]) tile(done);
  end();
  await reading;
  assert.deepEqual(seen, [1, 2, 3]);
  assert.equal((await run).complete, true);
});

test("pictures that nobody takes are closed, and of those that wait the newest stays", async () => {
  const { run, worker, id, tile, end } = await started({ layer: "mask" });
  assert.deepEqual(worker.asked("showPartial").params.layer.kind, "mask");
  const closed = [];
  const picture = (name) => worker.say({ id, progress: { kind: "picture", picture: { name, bitmap: { close: () => closed.push(name) } } } });
  picture("unseen");
  const events = run[Symbol.asyncIterator]();
  const first = events.next();
  await settle();
  tile(1);
  for (const name of ["old", "new"]) picture(name);
  end();
  const pictures = [(await first).value.picture];
  for await (const event of events) pictures.push(event.picture?.name ?? null);
  assert.deepEqual(pictures.filter(Boolean), ["new"]);
  assert.deepEqual(closed, ["unseen", "old"]);
});

test("a run that is cancelled keeps its finished part, one whose signal is aborted fails", async () => {
  const one = await started();
  one.run.cancel();
  assert.ok(one.worker.asked("cancel"));
  one.end(true);
  const { complete, tiles } = await one.run;
  assert.deepEqual([complete, tiles.done], [false, 1]);

  const controller = new AbortController();
  const other = await started({ signal: controller.signal });
  controller.abort();
  other.end(true);
  await assert.rejects(other.run, { name: "AbortError" });
  await assert.rejects(async () => {
    for await (const _ of other.run);
  }, { name: "AbortError" });
});

test("a second run at the same time is refused, a later one is not", async () => {
  const { session, worker, run, end } = await started();
  await assert.rejects(session.run(), { code: "busy" });
  end();
  await run;
  void session.run();
  await settle();
  assert.equal(worker.received.filter(({ method }) => method === "run").length, 2);
});

test("a result ends with the next run, scene or crash", async () => {
  for (const next of ["run", "open", "crash", "free"]) {
    const { session, worker, result } = await mapped();
    await result.areas();
    if (next === "crash") worker.say({ crashed: "unreachable" });
    else if (next === "open") await session.open(new Blob(["II"]));
    else session[next]();
    await settle();
    await assert.rejects(result.areas(), { code: "stale_result" }, next);
  }
});

test("after a crash, opening a scene starts the engine anew with the same model", async () => {
  const { session, worker } = await opened();
  const running = session.run();
  await settle();
  worker.say({ crashed: "unreachable" });
  await assert.rejects(running, { code: "trap" });
  await assert.rejects(session.inspect(), { code: "misuse" });
  await session.open(new Blob(["II"]));
  assert.equal(FakeWorker.all.length, 2);
  assert.equal(await FakeWorker.all[1].asked("load").params.model.text(), "weights");
});

test("a graphics card that is lost during a run leaves the session on the processor", async () => {
  answering({
    load: () => ({ ...answers.load(), backend: "webgpu", adapter: "nvidia lovelace" }),
    run: () => ({ done: 3, total: 3, cancelled: false, secs: 1, workers: 0, isGpuLost: true }),
  });
  const { session } = await opened();
  assert.equal(session.model.backend, "webgpu");
  await session.run();
  assert.deepEqual([session.model.backend, session.model.reason, session.model.adapter], ["cpu", "device_lost", ""]);
});

test("values and files follow the options of the call, otherwise those of the run", async () => {
  const { result, worker } = await mapped({ threshold: 0.25 });
  assert.deepEqual((await result.mask({ rare: [] })).values, Uint8Array.of(4));
  assert.deepEqual(worker.asked("values").params, {
    kind: "mask", options: { threshold: 0.25, rare: [], topK: 20 }, maxPx: 300, window: undefined,
  });
  assert.deepEqual((await result.probability("water")).values, Float32Array.of(0.5));
  assert.equal(worker.asked("values").params.kind, "probability:water");
  const file = await result.toGeoTIFF({ threshold: 1 });
  assert.deepEqual([file.name, file.type, worker.asked("file").params.options.threshold], ["BAND2_mask.tif", "image/tiff", 1]);
  assert.deepEqual(await result.polygons(), { name: "polygons.geojson" });
});

test("an inspection has what the file says and what its values show", async () => {
  const { session } = await opened();
  const { warnings, matching, statistics, card, width } = await session.inspect();
  assert.deepEqual(warnings.map(({ code }) => code), ["resolution", "values_hazy"]);
  assert.deepEqual([matching, statistics, card, width], ["by 10,000", { bands: [] }, CARD, 300]);
  assert.deepEqual(await session.statistics([2, 0]), { bands: [{ band: 2 }, { band: 0 }] });
});

test("a scene with a band missing runs once the bands are named", async () => {
  answering({ open: () => ({ ...SCENE, assignment: { bands: [0, null, 2] } }) });
  const { session, worker } = await opened();
  await assert.rejects(session.run(), { code: "misuse" });
  void session.run({ bands: [0, 1, 2] });
  await settle();
  assert.deepEqual(worker.asked("run").params.options.bands, [0, 1, 2]);
});

test("an aborted signal ends the wait for anything", async () => {
  const reason = new Error("enough");
  const aborted = AbortSignal.abort(reason);
  await assert.rejects(createSession({ model: MODEL, signal: aborted }), reason);
  assert.equal(FakeWorker.all.length, 0);
  answering({ open: undefined });
  const session = await createSession({ model: MODEL });
  const controller = new AbortController();
  const opening = session.open(new Blob(["II"]), { signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(opening, reason);
});

test("a session that fails to load leaves no worker behind", async () => {
  const controller = new AbortController();
  answering({ load: undefined });
  const creating = createSession({ model: MODEL, signal: controller.signal });
  await settle();
  controller.abort();
  await assert.rejects(creating, { name: "AbortError" });
  assert.ok(FakeWorker.all[0].isTerminated);
});

test("without workers a session is an error with a code", async () => {
  delete globalThis.Worker;
  await assert.rejects(createSession({ model: MODEL }), { code: "no_browser" });
});

test("scenes come from addresses, files, bytes and several files", () => {
  const base = "https://a.example/maps/index.html";
  assert.deepEqual(sceneSource("../s%20c.tif?x=1", base), { url: "https://a.example/s%20c.tif?x=1", name: "s c.tif" });
  assert.equal(sceneSource("a%25b%.tif", base).name, "a%25b%.tif");
  const pathsOf = (source) => sceneSource(source, base).entries.map(({ path }) => path);
  assert.deepEqual(pathsOf(new File(["x"], "a.tif")), ["a.tif"]);
  assert.deepEqual(pathsOf(new Uint8Array(4)), ["scene.tif"]);
  assert.deepEqual(pathsOf([new File(["x"], "B2.tif"), { path: "f/B3.tif", file: new File(["x"], "B3.tif") }]), ["B2.tif", "f/B3.tif"]);
  for (const wrong of ["javascript:alert(1)", "file:///etc/passwd", "data:,x"]) {
    assert.throws(() => sceneSource(wrong, base), { code: "bad_address" }, wrong);
  }
  for (const wrong of [null, undefined, 7, [], ["a.tif"], {}, [{ path: "x" }]]) {
    assert.throws(() => sceneSource(wrong, base), { code: "misuse" }, String(wrong));
  }
});

let server, origin, requests;
before(async () => {
  server = createServer((request, response) => {
    requests.push(request.url);
    if (request.url === "/missing") return response.writeHead(404).end();
    response.writeHead(200, { "content-length": 7 });
    setTimeout(() => response.end("weights"), 30);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  origin = `http://127.0.0.1:${server.address().port}`;
});
beforeEach(() => (requests = []));
after(() => (server.closeAllConnections(), server.close()));

test("sessions share the download of a model, and each has a worker", async () => {
  const progress = [];
  const options = { model: `${origin}/shared`, onProgress: ({ loaded }) => progress.push(loaded) };
  await Promise.all([createSession(options), createSession({ model: new URL(`${origin}/shared`) })]);
  await createSession(options);
  assert.deepEqual(requests, ["/shared"]);
  assert.equal(FakeWorker.all.length, 3);
  assert.deepEqual(progress, [7]);
});

test("a download that failed is tried again, and one of two waiting can leave", async () => {
  await assert.rejects(createSession({ model: `${origin}/missing` }), { code: "model_fetch" });
  await assert.rejects(createSession({ model: `${origin}/missing` }), { code: "model_fetch" });
  assert.deepEqual(requests, ["/missing", "/missing"]);
  const controller = new AbortController();
  const leaving = createSession({ model: `${origin}/slow`, signal: controller.signal });
  const staying = createSession({ model: `${origin}/slow` });
  controller.abort();
  await assert.rejects(leaving, { name: "AbortError" });
  await staying;
});
