import assert from "node:assert/strict";
import { test } from "node:test";

import { TileTimer } from "../../web/page/timer.js";

test("the time left comes from the tiles after the first, which also warms up", (t) => {
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const timer = new TileTimer();
  now = 60_000;
  assert.equal(timer.left(1, 100), "");
  now += 1000;
  assert.equal(timer.left(2, 100), "");
  now += 1000;
  assert.equal(timer.left(3, 43), "40 s left");
});
