// The worker's parts that need no wasm.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { EngineError } from "../../web/engine/errors.js";
import { chooseBackend } from "../../web/worker/backend.js";
import { dispatcher } from "../../web/worker/dispatch.js";
import { fetchModel } from "../../web/engine/download.js";

/** Gives one request to a dispatcher; gives all that it posts. */
async function repliesTo(methods, request) {
  const posted = [];
  await dispatcher(methods, (reply, transfer = []) => posted.push({ reply, transfer }), () => 1024)({ id: 7, params: {}, ...request });
  return posted;
}

test("a request is answered with progress and a result, which are handed over and not copied", async () => {
  const bitmap = { close() {} };
  const values = new Float32Array(4);
  const posted = await repliesTo(
    {
      detail: (params, report) => {
        report({ seen: params }, [bitmap]);
        return { bitmap, values };
      },
    },
    { method: "detail", params: { x: 1 } },
  );
  assert.deepEqual(posted, [
    { reply: { id: 7, progress: { seen: { x: 1 } } }, transfer: [bitmap] },
    { reply: { id: 7, result: { bitmap, values }, wasmBytes: 1024 }, transfer: [bitmap, values.buffer] },
  ]);
});

test("errors are posted with their code, those without one as internal", async () => {
  const failing = (cause) => ({ run: () => Promise.reject(cause) });
  const errorOf = async (cause) => (await repliesTo(failing(cause), { method: "run" }))[0].reply.error;
  assert.deepEqual(await errorOf(new EngineError("storage_full", "Full.")), { code: "storage_full", message: "Full." });
  assert.deepEqual(await errorOf(Object.assign(new Error("no"), { code: "misuse" })), { code: "misuse", message: "no" });
  assert.equal((await errorOf(new RangeError("x"))).code, "internal");
});

test("an unknown method is refused, also one that every object has", async () => {
  for (const method of ["fly", "toString", "__proto__"]) {
    const [{ reply }] = await repliesTo({}, { method });
    assert.equal(reply.error.code, "unknown_method", method);
  }
});

test("a trap of wasm ends the worker", async () => {
  const trap = new WebAssembly.RuntimeError("unreachable");
  const [{ reply }] = await repliesTo({ run: () => Promise.reject(trap) }, { method: "run" });
  assert.deepEqual(reply, { crashed: "unreachable" });
});

const GOOD = { maxStorageBufferBindingSize: 128 * 1024 * 1024, maxComputeInvocationsPerWorkgroup: 256 };
const withAdapter = (adapter) => ({ gpu: { requestAdapter: async () => adapter } });

test("a graphics card is taken where it is fit", async () => {
  const card = { info: { vendor: "nvidia", architecture: "lovelace", description: "" }, limits: GOOD };
  assert.deepEqual(await chooseBackend("auto", withAdapter(card)), { backend: "webgpu", reason: "chosen", adapter: "nvidia lovelace" });
  assert.equal((await chooseBackend("webgpu", withAdapter(card))).reason, "forced");
  assert.deepEqual(await chooseBackend("cpu", withAdapter(card)), { backend: "cpu", reason: "forced", adapter: "" });
});

test("the processor is taken where there is no adapter, or a throw in its place", async () => {
  const missing = { backend: "cpu", reason: "missing", adapter: "" };
  assert.deepEqual(await chooseBackend("auto", {}), missing);
  assert.deepEqual(await chooseBackend("webgpu", withAdapter(null)), missing);
  assert.deepEqual(await chooseBackend("auto", { gpu: { requestAdapter: () => Promise.reject(new Error("blocked")) } }), missing);
});

test("a software adapter is used only when asked for, whichever way it says what it is", async () => {
  for (const adapter of [
    { info: { isFallbackAdapter: true }, limits: GOOD },
    { isFallbackAdapter: true, limits: GOOD },
  ]) {
    assert.equal((await chooseBackend("auto", withAdapter(adapter))).backend, "cpu");
    assert.deepEqual(await chooseBackend("webgpu", withAdapter(adapter)), { backend: "webgpu", reason: "fallback", adapter: "" });
  }
});

test("an adapter below the default limits is not used", async () => {
  for (const limits of [
    { ...GOOD, maxStorageBufferBindingSize: 64 * 1024 * 1024 },
    { ...GOOD, maxComputeInvocationsPerWorkgroup: 128 },
  ]) {
    assert.equal((await chooseBackend("auto", withAdapter({ limits }))).reason, "limits");
  }
});

const BYTES = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 251));
let server, origin;
before(async () => {
  server = createServer((request, response) => {
    if (request.url === "/model") response.writeHead(200, { "content-length": BYTES.length }).end(BYTES);
    else if (request.url === "/chunked") response.writeHead(200).end(BYTES);
    else if (request.url === "/cut") {
      response.writeHead(200, { "content-length": BYTES.length });
      response.write(BYTES.subarray(0, 100), () => response.destroy());
    } else response.writeHead(404).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  origin = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

test("the model arrives whole, with progress up to its size", async () => {
  const seen = [];
  const bytes = await fetchModel(`${origin}/model`, (loaded, total) => seen.push([loaded, total]));
  assert.ok(BYTES.equals(bytes));
  assert.deepEqual(seen.at(-1), [BYTES.length, BYTES.length]);
});

test("a server that does not say the size is read all the same", async () => {
  const seen = [];
  const bytes = await fetchModel(`${origin}/chunked`, (loaded, total) => seen.push([loaded, total]));
  assert.ok(BYTES.equals(bytes));
  assert.deepEqual(seen.at(-1), [BYTES.length, 0]);
});

test("a model that is missing, cut short or out of reach is an error with a code", async () => {
  const fetching = (url) => fetchModel(url, () => {});
  await assert.rejects(fetching(`${origin}/nothing`), { code: "model_fetch", message: /\/nothing.*HTTP 404/ });
  await assert.rejects(fetching(`${origin}/cut`), { code: "model_fetch" });
  await assert.rejects(fetching("http://127.0.0.1:9/model"), { code: "model_fetch" });
});
