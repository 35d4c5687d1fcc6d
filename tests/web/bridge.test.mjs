// The bridge between a frame's element and the page around it, over windows that the test plays.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { RareMapFrame, serveElement } from "../../web/element/bridge.js";

const PORTAL = "https://portal.example";
const FRAME = "https://maps.example";
const FACTS = { state: "ready", scene: null, areas: null, threshold: 0.5, rare: ["water"], topK: 20, tiles: null, complete: null };

/** What was posted to a window. */
class FakeWindow extends EventTarget {
  posted = [];
  postMessage(data, origin, transfer = []) {
    this.posted.push({ data, origin, transfer });
  }
}

class FakeMap extends EventTarget {
  asked = [];
  state = "ready";
  threshold = 0.5;
  rare = ["water"];
  topK = 20;
  result = undefined;
  async open(source) {
    this.asked.push(["open", source]);
    return { scene: { name: "a.tif" } };
  }
  async run(options) {
    this.asked.push(["run", options]);
    if (options.tile === 7) throw Object.assign(new Error("a tile is a multiple of 32"), { code: "misuse" });
  }
  cancel() {
    this.asked.push(["cancel"]);
  }
}

let frame, parent, map, stop;
beforeEach(() => {
  // The frame's window is the global one, as in a frame's page.
  frame = new EventTarget();
  parent = new FakeWindow();
  Object.assign(globalThis, {
    window: { parent },
    addEventListener: frame.addEventListener.bind(frame),
    removeEventListener: frame.removeEventListener.bind(frame),
  });
  map = new FakeMap();
  stop = serveElement(map, { origins: [PORTAL] });
});
afterEach(() => {
  for (const name of ["window", "addEventListener", "removeEventListener"]) delete globalThis[name];
});

async function send(data, { origin = PORTAL, source = parent } = {}) {
  frame.dispatchEvent(Object.assign(new Event("message"), { data, origin, source }));
  await new Promise((resolve) => setTimeout(resolve));
}

test("commands of an allowed origin are answered, to that origin alone", async () => {
  await send({ raremap: 1, id: 1, command: "open", params: { url: "https://a.example/s.tif" } });
  await send({ raremap: 1, id: 2, command: "set", params: { threshold: 0.25, rare: [], src: "evil", innerHTML: "<b>" } });
  await send({ raremap: 1, id: 3, command: "run", params: { tile: 256, signal: {} } });
  assert.deepEqual(map.asked, [["open", "https://a.example/s.tif"], ["run", { tile: 256 }]]);
  assert.deepEqual([map.threshold, map.rare, map.src, map.innerHTML], [0.25, [], undefined, undefined]);
  assert.deepEqual(parent.posted.map(({ data, origin }) => [data.id, origin]), [[1, PORTAL], [2, PORTAL], [3, PORTAL]]);
  assert.deepEqual(parent.posted[1].data.result, { ...FACTS, threshold: 0.25, rare: [] });
});

test("failures are answered with their code", async () => {
  await send({ raremap: 1, id: 1, command: "run", params: { tile: 7 } });
  await send({ raremap: 1, id: 2, command: "get", params: { what: "areas" } });
  assert.deepEqual(parent.posted.map(({ data }) => data.error), [
    { code: "misuse", message: "a tile is a multiple of 32" },
    { code: "misuse", message: "nothing has been run yet" },
  ]);
});

test("what is to be had of the result follows the element's options, and values are handed over", async () => {
  const values = Uint8Array.of(1);
  map.result = {
    mask: async (options) => ({ values, options }),
    probability: async (name, options) => ({ name, options }),
    file: async (name) => name,
  };
  await send({ raremap: 1, id: 1, command: "get", params: { what: "mask", topK: 5, maxPx: 64 } });
  const [{ data, transfer }] = parent.posted;
  assert.deepEqual(data.result.options, { threshold: 0.5, rare: ["water"], topK: 5, maxPx: 64 });
  assert.deepEqual(transfer, [values.buffer]);
  await send({ raremap: 1, id: 2, command: "get", params: { what: "probability", class: "water" } });
  assert.equal(parent.posted[1].data.result.name, "water");
  await send({ raremap: 1, id: 3, command: "get", params: { what: "constructor" } });
  assert.equal(parent.posted[2].data.error.code, "misuse");
});

test("messages of other origins, of other windows and of other shapes do nothing", async () => {
  const good = { raremap: 1, id: 1, command: "open", params: { url: "https://a.example/s.tif" } };
  for (const origin of ["https://evil.example", "null", "", "https://portal.example.evil.example", "http://portal.example"]) await send(good, { origin });
  for (const source of [null, new FakeWindow(), globalThis.window]) await send(good, { source });
  for (const data of [
    null, "open", 7, [], {}, { ...good, raremap: 2 }, { ...good, id: "1" }, { ...good, id: undefined }, { ...good, command: "fly" },
    { ...good, command: "toString" }, { ...good, command: "__proto__" }, { ...good, command: "constructor" }, { ...good, params: "x" },
    { ...good, params: null }, { raremap: 1, id: 1, result: {} },
  ]) await send(data);
  assert.deepEqual(map.asked, []);
  assert.deepEqual(parent.posted, []);
});

test("events go to the origin that connected, and to nobody before and after", async () => {
  const progress = () => map.dispatchEvent(Object.assign(new Event("progress"), { detail: { done: 1, total: 9 } }));
  progress();
  assert.deepEqual(parent.posted, []);
  await send({ raremap: 1, id: 1, command: "connect" });
  progress();
  // A result is a live object, which cannot be sent.
  map.dispatchEvent(Object.assign(new Event("result"), { detail: { result: () => {}, areas: { complete: true } } }));
  assert.deepEqual(parent.posted.slice(1), [
    { data: { raremap: 1, event: "progress", detail: { done: 1, total: 9 } }, origin: PORTAL, transfer: [] },
    { data: { raremap: 1, event: "result", detail: { areas: { complete: true } } }, origin: PORTAL, transfer: [] },
  ]);
  stop();
  progress();
  await send({ raremap: 1, id: 2, command: "connect" });
  assert.equal(parent.posted.length, 3);
});

test("the page's side asks, hears events, and believes only its frame", async () => {
  const contentWindow = new FakeWindow();
  const client = new RareMapFrame({ contentWindow }, { origin: FRAME });
  const seen = [];
  client.addEventListener("progress", ({ detail }) => seen.push(detail.done));
  const asking = client.get("areas", { topK: 5 });
  const [{ data, origin }] = contentWindow.posted;
  assert.deepEqual([data.command, data.params, origin], ["get", { topK: 5, what: "areas" }, FRAME]);
  const answer = { raremap: 1, id: data.id, result: "areas" };
  await send({ ...answer, result: "forged" }, { origin: "https://evil.example", source: contentWindow });
  await send({ ...answer, result: "forged" }, { origin: FRAME, source: parent });
  await send({ raremap: 1, event: "progress", detail: { done: 2 } }, { origin: "https://evil.example", source: contentWindow });
  await send({ raremap: 1, event: "progress", detail: { done: 3 } }, { origin: FRAME, source: contentWindow });
  await send(answer, { origin: FRAME, source: contentWindow });
  assert.equal(await asking, "areas");
  assert.deepEqual(seen, [3]);
  const waiting = client.run();
  client.close();
  await assert.rejects(waiting, { code: "closed" });
});
