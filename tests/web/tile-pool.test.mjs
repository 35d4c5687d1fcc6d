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

  postMessage(message) {
    if ("module" in message) queueMicrotask(() => this.reply(this.answerToStart));
    else this.asked.push(message);
  }

  answerToStart = { ready: true };

  reply(data) {
    this.listeners.message({ data });
  }

  finish() {
    this.reply({ values: this.asked.shift().input.map((value) => 2 * value) });
  }

  terminate() {
    this.ended = true;
  }
}

function start(count, change = () => {}) {
  Toy.all = [];
  return TilePool.start(count, { module: {}, model: new Uint8Array() }, () => {
    const worker = new Toy();
    change(worker, Toy.all.length);
    return worker;
  });
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
    if (number === 2) worker.answerToStart = { error: "golden tile" };
  });
  assert.equal(pool.size, 2);
  assert.ok(Toy.all[1].ended);
});

test("a browser that starts no workers inside of workers has a pool of none", async () => {
  const pool = await TilePool.start(2, { module: {}, model: new Uint8Array() }, () => {
    throw new TypeError("Worker is not defined");
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
