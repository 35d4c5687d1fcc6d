// raremap's side of the bench, in a worker: the wasm of the built page.

import { take, totals, wasmBytes } from "./recorder.mjs";
import { answer } from "./answer.mjs";

const bytesAt = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());

let glue;
/** Computes a tile: gives its logits, or nothing where they stay in the session. @type {() => Promise<Float32Array | undefined>} */
let forward;
let session;

const failed = (cause) => new Error(cause?.code ? `${cause.code}: ${cause.message}` : String(cause?.message ?? cause));

async function startRunner(model, backend, input, [height, width]) {
  const runner = await glue.TileRunner.create(model, backend);
  forward = () => runner.forward(input, height, width);
  return runner.golden();
}

/** A session runs a scene of one tile: reading, normalizing, the network and blending, as the page does it. */
async function startSession(model, file, tile) {
  session = await glue.Session.create(model, { takeScratchFile: () => undefined, onRow() {} });
  const hooks = {
    onTile: async () => ({ cancel: false, layer: null }),
    onPicture() {},
    tileWorkers: 0,
    forwardTile: () => Promise.reject(new Error("there are no workers")),
    devices: () => "",
  };
  let bands;
  forward = async () => {
    if (!bands) {
      const { scene } = await session.openFiles(["scene.tif"], [file], () => {}, false);
      bands = scene.bands.map(({ index }) => index);
    }
    const { done, total } = await session.run({ bands, tile, resample: false, matching: false }, hooks);
    if (done !== 1 || total !== 1) throw new Error(`the scene should be one tile, but ${done} of ${total} were run`);
    return undefined;
  };
  return session.info().golden;
}

async function reporting(act) {
  try {
    return await act();
  } catch (cause) {
    throw failed(cause);
  }
}

answer({
  /**
   * From the bytes of wasm and model to a network that is ready. With `drive` "session" it works as the page does; with "tiles" it gets tiles, of another
   * `size` than `tile` x `tile` (rows, columns) if there is one.
   */
  start: ({ backend, drive, glue: glueUrl, wasm, model, input, scene, tile, size = [tile, tile] }) =>
    reporting(async () => {
      glue = await import(glueUrl);
      const [binary, weights, tileBytes, sceneBytes] = await Promise.all([wasm, model, input, scene].map(bytesAt));
      const began = performance.now();
      const instance = await glue.default({ module_or_path: await WebAssembly.compile(binary) });
      // Once: crates/raremap-web/build.rs says why.
      instance.__wasm_call_ctors();
      const golden =
        drive === "session"
          ? await startSession(weights, new Blob([sceneBytes]), tile)
          : await startRunner(weights, backend, new Float32Array(tileBytes.buffer), size);
      return { ms: performance.now() - began, golden_difference: golden.maxAbs, counts: take() };
    }),
  run: () =>
    reporting(async () => {
      take();
      const began = performance.now();
      await forward();
      return { ms: performance.now() - began, counts: take() };
    }),
  logits: () => reporting(() => forward()),
  /** The mask of the last run: the likeliest class of each pixel, by its place among the classes. */
  mask({ tile }) {
    const { values } = session.values({ kind: "mask", options: { threshold: 1, rare: [], topK: 0 }, maxPx: tile });
    const places = new Map(session.info().card.classes.map(({ value }, place) => [value, place]));
    return Uint8Array.from(values, (value) => places.get(value) ?? 255);
  },
  totals: () => ({ ...totals(), wasm_bytes: wasmBytes() }),
});
