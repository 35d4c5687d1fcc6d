// onnxruntime-web's side of the bench, in a worker.

import { take, totals, wasmBytes } from "./recorder.mjs";
import { answer } from "./answer.mjs";

const PARTS = {
  cpu: { provider: "wasm", module: "ort.wasm.min.mjs", wasm: "ort-wasm-simd-threaded.wasm" },
  webgpu: { provider: "webgpu", module: "ort.webgpu.min.mjs", wasm: "ort-wasm-simd-threaded.asyncify.wasm" },
};
const bytesAt = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());

let session, feeds;

/** Runs a tile; gives the logits of each head, on the host. */
async function forward() {
  const outputs = await session.run(feeds);
  return ["main", "auxiliary"].filter((name) => outputs[name]).map((name) => outputs[name].data);
}

answer({
  /** From the bytes of wasm and model to a session that is ready. `library` is the address of onnxruntime-web's modules. */
  async start({ backend, threads, library, model, input, inputShape }) {
    const { provider, module, wasm } = PARTS[backend];
    const ort = await import(library + module);
    const [graph, tile, binary] = await Promise.all([model, input, library + wasm].map(bytesAt));
    const began = performance.now();
    ort.env.wasm.wasmPaths = library;
    ort.env.wasm.wasmBinary = binary;
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = "error";
    session = await ort.InferenceSession.create(graph, { executionProviders: [provider] });
    feeds = { input: new ort.Tensor("float32", new Float32Array(tile.buffer), inputShape) };
    return { ms: performance.now() - began, counts: take() };
  },
  async run() {
    take();
    const began = performance.now();
    await forward();
    return { ms: performance.now() - began, counts: take() };
  },
  async logits() {
    return Float32Array.from((await forward()).flatMap((part) => [...part]));
  },
  totals: () => ({ ...totals(), wasm_bytes: wasmBytes() }),
});
