import assert from "node:assert/strict";
import { test } from "node:test";

import { EngineError } from "../../web/engine/errors.js";
import { Queue } from "../../web/page/queue.js";

/** A queue whose scenes are mapped as their names say; gives what was begun. */
function played() {
  const begun = [];
  let ends = 0;
  const queue = new Queue({
    async map({ name }, { signal, onProgress }) {
      begun.push(name);
      onProgress({ done: 1, total: 2 });
      if (name === "broken") throw new EngineError("not_a_tiff", "no TIFF");
      if (name === "endless") await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      return { id: name };
    },
    onChange: () => {},
    onEnd: () => (ends += 1),
  });
  return { queue, begun, ends: () => ends, statuses: () => queue.items.map(({ name, status }) => `${name} ${status}`) };
}
const named = (...names) => names.map((name) => ({ name, from: { entries: [] } }));
const aMoment = () => new Promise((resolve) => setTimeout(resolve, 5));

test("scenes are mapped one after another, and one that fails does not stop the rest", async () => {
  const { queue, begun, ends, statuses } = played();
  queue.add(named("a", "broken", "b"));
  assert.deepEqual(statuses(), ["a waiting", "broken waiting", "b waiting"]);
  await queue.start();
  assert.deepEqual(begun, ["a", "broken", "b"]);
  assert.deepEqual(statuses(), ["a done", "broken failed", "b done"]);
  assert.deepEqual([queue.items[0].kept, queue.items[1].error?.code], [{ id: "a" }, "not_a_tiff"]);
  assert.deepEqual([ends(), queue.isRunning], [1, false]);
});

test("one scene is cancelled, and the next goes on", async () => {
  const { queue, begun, statuses } = played();
  queue.add(named("endless", "left out", "b"));
  const running = queue.start();
  queue.cancel(queue.items[1]);
  assert.deepEqual(queue.items[0].progress, { done: 1, total: 2 });
  queue.cancel(queue.items[0]);
  await running;
  assert.deepEqual(statuses(), ["endless cancelled", "left out cancelled", "b done"]);
  assert.deepEqual(begun, ["endless", "b"]);
});

test("all are cancelled at once: none of those that wait begins", async () => {
  const { queue, begun, statuses } = played();
  queue.add(named("a", "endless", "b"));
  const running = queue.start();
  while (queue.items[1].status !== "running") await aMoment();
  queue.cancelAll();
  await running;
  assert.deepEqual(statuses(), ["a done", "endless cancelled", "b cancelled"]);
  assert.deepEqual(begun, ["a", "endless"]);
});

test("what was added during the run is mapped too, and what failed can be tried again", async () => {
  const { queue, statuses } = played();
  queue.add(named("broken"));
  const running = queue.start();
  queue.add(named("b"));
  await running;
  assert.deepEqual(statuses(), ["broken failed", "b done"]);
  queue.retry(queue.items[0]);
  assert.deepEqual([queue.items[0].status, queue.items[0].error], ["waiting", undefined]);
  queue.remove(queue.items[1]);
  await queue.start();
  assert.deepEqual(statuses(), ["broken failed"]);
});
