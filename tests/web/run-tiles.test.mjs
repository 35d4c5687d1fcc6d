// Who computes the tiles of a run, with pools that only pretend.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RunTiles } from "../../web/worker/run-tiles.js";

/** A pool that multiplies by `factor` until it is broken. */
class FakePool {
  tilesAtOnce = 2;
  isReplacing = false;
  isClosed = false;
  isBroken = false;
  asked = 0;

  constructor(factor, size = 2) {
    this.factor = factor;
    this.size = size;
  }

  async forward(input) {
    this.asked += 1;
    await undefined;
    if (this.isBroken || this.isClosed) throw new Error("lost");
    return input.map((value) => this.factor * value);
  }

  close() {
    this.isClosed = true;
  }
}

const tile = (value) => [Float32Array.of(value), 1, 1];

function tilesOf(gpu, pool) {
  const lost = [];
  const starts = [];
  const tiles = new RunTiles(gpu, async () => (starts.push(pool), pool), (pool) => lost.push(pool));
  return { tiles, lost, starts };
}

test("a run on the processor is that of its workers", async () => {
  const { tiles, lost } = tilesOf(undefined, new FakePool(3, 4));
  await tiles.start();
  assert.deepEqual([tiles.size, tiles.workers, tiles.devices], [4, 4, ""]);
  assert.deepEqual([...(await tiles.forward(...tile(2)))], [6]);
  assert.deepEqual([tiles.devices, lost.length], ["cpu", 0]);
});

test("without workers, whoever asks computes the tiles", async () => {
  for (const pool of [undefined, new FakePool(3, 0)]) {
    const { tiles } = tilesOf(undefined, pool);
    await tiles.start();
    assert.equal(tiles.size, 0);
    await assert.rejects(tiles.forward(...tile(2)), /no workers/);
  }
});

test("the graphics card computes, and its pool is asked even while no worker of it is alive", async () => {
  const gpu = new FakePool(10, 0);
  const { tiles, starts } = tilesOf(gpu, new FakePool(3));
  await tiles.start();
  assert.deepEqual([tiles.size, tiles.workers, starts.length], [2, 0, 0]);
  assert.deepEqual([...(await tiles.forward(...tile(2)))], [20]);
  assert.equal(tiles.devices, "webgpu");
});

test("tiles that the graphics card gave up are computed by one pool on the processor, as all later ones", async () => {
  const gpu = new FakePool(10);
  const { tiles, lost, starts } = tilesOf(gpu, new FakePool(3, 5));
  await tiles.forward(...tile(1));
  gpu.isBroken = true;
  const both = await Promise.all([tiles.forward(...tile(2)), tiles.forward(...tile(4))]);
  assert.deepEqual(both.map(([value]) => value), [6, 12]);
  assert.deepEqual([lost, starts.length, gpu.isClosed, tiles.size], [[gpu], 1, true, 5]);
  await tiles.forward(...tile(1));
  assert.deepEqual([gpu.asked, tiles.devices], [3, "webgpu, cpu"]);
});

test("tiles that a run left behind start nothing", async () => {
  const gpu = new FakePool(10);
  const { tiles, lost, starts } = tilesOf(gpu, new FakePool(3));
  gpu.isBroken = true;
  const late = tiles.forward(...tile(2));
  tiles.end();
  await assert.rejects(late, /lost/);
  assert.deepEqual([lost.length, starts.length], [0, 0]);
});

test("cancelling ends the wait for another start of the graphics card, and nothing else", () => {
  const gpu = new FakePool(10);
  const { tiles } = tilesOf(gpu, new FakePool(3));
  tiles.cancel();
  assert.ok(!gpu.isClosed);
  gpu.isReplacing = true;
  tiles.cancel();
  assert.ok(gpu.isClosed);
});
