// The workers that compute tiles, without a browser: how many there are, who gets which tile, what happens when one dies.

import assert from "node:assert/strict";
import { test } from "node:test";

import { TilePool, workersFor } from "../../web/worker/tile-pool.js";

/** A worker that doubles its input when it is told to, or fails. */
class Toy {
  static all = [];
  listeners = {};
  asked = [];
  ended = false;

  constructor() {
    Toy.all.push(this);
  }

  addEventListener(name, listener) {
    this.listeners[name] = listener;
  }

  postMessage({ id, ...message }) {
    if ("module" in message) queueMicrotask(() => this.reply({ id, ...this.answerToStart }));
    else this.asked.push({ id, ...message });
  }

  answerToStart = { result: { golden: { maxAbs: 0.001, tolerance: 0.01 } } };

  reply(data) {
    this.listeners.message({ data });
  }

  finish() {
    const { id, input } = this.asked.shift();
    this.reply({ id, result: { values: input.map((value) => 2 * value) } });
  }

  terminate() {
    this.ended = true;
  }
}

const START = { module: {}, model: new Uint8Array() };

function start(count, change = () => {}, options = {}) {
  Toy.all = [];
  const newWorker = () => {
    const worker = new Toy();
    change(worker, Toy.all.length);
    return worker;
  };
  return TilePool.start(count, START, { newWorker, ...options });
}

const tile = (value) => [Float32Array.of(value), 1, 1];
const settled = () => new Promise((resolve) => setTimeout(resolve));

test("a device has as many workers as cores and memory allow", () => {
  assert.equal(workersFor({ hardwareConcurrency: 1 }), 0);
  assert.equal(workersFor({ hardwareConcurrency: 2 }), 2);
  assert.equal(workersFor({ hardwareConcurrency: 8 }), 7);
  assert.equal(workersFor({ hardwareConcurrency: 64, deviceMemory: 8 }), 8);
  assert.equal(workersFor({ hardwareConcurrency: 8, deviceMemory: 0.5 }), 0);
  assert.equal(workersFor({}), 0);
});

test("tiles go to idle workers, and the others wait for one", async () => {
  const pool = await start(2);
  const tiles = [1, 2, 3].map((value) => pool.forward(...tile(value)));
  await settled();
  assert.deepEqual(Toy.all.map((worker) => worker.asked.length), [1, 1]);
  Toy.all[0].finish();
  await settled();
  assert.equal(Toy.all[0].asked.length, 1, "the third tile went to the worker that was idle first");
  for (const worker of Toy.all) worker.finish();
  const values = (await Promise.all(tiles)).map(([value]) => value);
  assert.deepEqual(values, [2, 4, 6]);
});

test("a worker that does not start is not one of the pool's", async () => {
  const pool = await start(3, (worker, number) => {
    if (number === 2) worker.answerToStart = { error: { code: "golden_tile_differs", message: "by 0.5" } };
  });
  assert.equal(pool.size, 2);
  assert.equal(pool.failure.code, "golden_tile_differs");
  assert.equal(pool.golden.maxAbs, 0.001);
  assert.ok(Toy.all[1].ended);
});

test("a browser that starts no workers inside of workers has a pool of none", async () => {
  const pool = await TilePool.start(2, START, {
    newWorker() {
      throw new TypeError("Worker is not defined");
    },
  });
  assert.equal(pool.size, 0);
  await assert.rejects(pool.forward(...tile(1)), /no worker/);
});

test("a worker that dies fails its own tile alone", async () => {
  const pool = await start(2);
  const lost = pool.forward(...tile(1));
  const kept = pool.forward(...tile(2));
  const waiting = pool.forward(...tile(3));
  await settled();
  const [first, second] = [Toy.all[1], Toy.all[0]];
  first.listeners.error({ message: "out of memory" });
  await assert.rejects(lost, /out of memory/);
  second.finish();
  await settled();
  second.finish();
  assert.deepEqual([...(await kept), ...(await waiting)], [4, 6]);
  assert.equal(pool.size, 1);
});

test("closing fails the tiles that wait, and ends all workers", async () => {
  const pool = await start(1);
  const tiles = [pool.forward(...tile(1)), pool.forward(...tile(2))];
  await settled();
  pool.close();
  for (const one of tiles) await assert.rejects(one);
  assert.ok(Toy.all.every((worker) => worker.ended));
});

const LOST = { error: { code: "device_lost", message: "the GPU process died" } };
const GPU = { tilesAtOnce: 2, replacements: 2 };

test("a graphics card gets several tiles at once, whose answers may come in any order", async () => {
  const pool = await start(1, undefined, GPU);
  assert.equal(pool.size, 2);
  const tiles = [1, 2, 3].map((value) => pool.forward(...tile(value)));
  await settled();
  const [worker] = Toy.all;
  assert.equal(worker.asked.length, 2);
  worker.asked.reverse();
  for (let left = 3; left > 0; left -= 1) {
    worker.finish();
    await settled();
  }
  assert.deepEqual((await Promise.all(tiles)).map(([value]) => value), [2, 4, 6]);
});

test("what a lost graphics card was asked for is computed by the worker in its place", async () => {
  const pool = await start(1, undefined, GPU);
  const tiles = [1, 2, 3].map((value) => pool.forward(...tile(value)));
  await settled();
  Toy.all[0].reply(LOST);
  await settled();
  assert.ok(Toy.all[0].ended);
  assert.equal(Toy.all.length, 2, "one worker, not one for each tile");
  while (Toy.all[1].asked.length > 0) {
    Toy.all[1].finish();
    await settled();
  }
  assert.deepEqual((await Promise.all(tiles)).map(([value]) => value).toSorted(), [2, 4, 6]);
});

test("a graphics card that is lost while it has nothing to do is replaced with the next tile", async () => {
  const pool = await start(1, undefined, GPU);
  Toy.all[0].reply(LOST);
  const one = pool.forward(...tile(1));
  await settled();
  Toy.all[1].finish();
  assert.deepEqual([...(await one)], [2]);
});

test("a graphics card that is lost again and again fails the tiles in the end", async () => {
  const pool = await start(1, undefined, GPU);
  const tiles = [1, 2, 3].map((value) => pool.forward(...tile(value)));
  const outcomes = Promise.allSettled(tiles);
  for (let number = 0; number < 3; number += 1) {
    await settled();
    Toy.all[number].reply(LOST);
  }
  assert.ok((await outcomes).every(({ status }) => status === "rejected"));
  assert.equal(Toy.all.length, 3);
  await assert.rejects(pool.forward(...tile(4)), { code: "no_worker" });
});

test("a graphics card that does not start again fails the tiles, too", async () => {
  const pool = await start(1, (worker, number) => {
    if (number > 1) worker.answerToStart = { error: { code: "webgpu_failed", message: "no adapter" } };
  }, GPU);
  const tiles = [1, 2, 3].map((value) => pool.forward(...tile(value)));
  const outcomes = Promise.allSettled(tiles);
  await settled();
  Toy.all[0].reply(LOST);
  assert.ok((await outcomes).every(({ status }) => status === "rejected"));
  assert.equal(Toy.all.length, 3);
});

test("a new run has all tries again", async () => {
  const pool = await start(1, undefined, { tilesAtOnce: 1, replacements: 1 });
  for (let run = 0; run < 3; run += 1) {
    pool.renew();
    Toy.all.at(-1).reply(LOST);
    const one = pool.forward(...tile(run));
    await settled();
    Toy.all.at(-1).finish();
    assert.deepEqual([...(await one)], [2 * run]);
  }
  assert.equal(Toy.all.length, 4);
});

test("closing ends a worker that is still starting, and what waits for it", async () => {
  const pool = await start(1, (worker, number) => {
    if (number > 1) worker.postMessage = () => {};
  }, GPU);
  const one = pool.forward(...tile(1));
  const outcome = assert.rejects(one);
  await settled();
  Toy.all[0].reply(LOST);
  await settled();
  assert.ok(pool.isReplacing);
  pool.close();
  await outcome;
  assert.ok(Toy.all[1].ended);
  assert.equal(Toy.all.length, 2);
});
