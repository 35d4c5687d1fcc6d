// Which reply belongs to which request.

import assert from "node:assert/strict";
import { test } from "node:test";

import { EngineError, toEngineError } from "../../web/engine/errors.js";
import { Requests } from "../../web/engine/requests.js";

test("replies find their requests in any order", async () => {
  const requests = new Requests();
  const [first, second] = [requests.add(), requests.add()];
  requests.receive({ id: second.id, result: "two" });
  requests.receive({ id: first.id, result: "one" });
  assert.deepEqual(await Promise.all([first.result, second.result]), ["one", "two"]);
});

test("an error of the worker keeps its code", async () => {
  const requests = new Requests();
  const { id, result } = requests.add();
  requests.receive({ id, error: { code: "truncated", message: "The file ends." } });
  await assert.rejects(result, { name: "EngineError", code: "truncated", message: "The file ends." });
});

test("progress goes to its own request alone, until that is answered", async () => {
  const requests = new Requests();
  const seen = [];
  const { id, result } = requests.add((progress) => seen.push(progress));
  requests.add(() => assert.fail("another request's progress"));
  requests.receive({ id, progress: 1 });
  requests.receive({ id, result: undefined });
  requests.receive({ id, progress: 2 });
  await result;
  assert.deepEqual(seen, [1]);
});

test("after a failure of all, late replies are dropped, and new requests work", async () => {
  const requests = new Requests();
  const lost = requests.add();
  requests.failAll(new EngineError("trap", "out of memory"));
  requests.receive({ id: lost.id, result: "late" });
  await assert.rejects(lost.result, { code: "trap" });
  const next = requests.add();
  assert.notEqual(next.id, lost.id);
  requests.receive({ id: next.id, result: "fine" });
  assert.equal(await next.result, "fine");
});

test("whatever is thrown becomes an error with a code", () => {
  const own = new EngineError("misuse", "no");
  assert.equal(toEngineError(own), own);
  const fromWasm = Object.assign(new Error("no scene"), { code: "misuse" });
  assert.deepEqual([toEngineError(fromWasm).code, toEngineError(fromWasm).message], ["misuse", "no scene"]);
  // A DOMException's code is a number.
  assert.equal(toEngineError(new DOMException("full", "QuotaExceededError")).code, "internal");
  assert.equal(toEngineError(new TypeError("x is undefined")).message, "TypeError: x is undefined");
  assert.equal(toEngineError("text").code, "internal");
});
