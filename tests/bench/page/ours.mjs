// raremap's side of the bench, in a worker: the wasm of the built page.

import { take, totals, wasmBytes } from "./recorder.mjs";
import { answer } from "./answer.mjs";

const bytesAt = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());

let glue;
/** Computes a tile: gives its logits, or nothing where they stay in the session. @type {() => Promise<Float32Array | undefined>} */
let forward;
let session;

const failed = (cause) => new Error(cause?.code ? `${cause.code}: ${cause.message}` : String(cause?.message ?? cause));

/** A module's glue and bytes. @param {{glue: string, wasm: string}} urls */
async function fetchModule(urls) {
  const [module, binary] = await Promise.all([import(urls.glue), bytesAt(urls.wasm)]);
  return { module, binary };
}

/** Compiles it and starts it. @param {Awaited<ReturnType<typeof fetchModule>>} fetched */
async function begin({ module, binary }) {
  const instance = await module.default({ module_or_path: await WebAssembly.compile(binary) });
  // Once, where there are any: crates/raremap-web-gpu/build.rs says why.
  instance.__wasm_call_ctors?.();
}

/** On the graphics card, `packer` is the module of the session, which packs the model for the one that computes. */
async function startRunner(model, packer, input, [height, width]) {
  const parts = packer ? await packed(packer.module, model) : [model];
  const runner = await glue.TileRunner.create(...parts);
  forward = () => runner.forward(input, height, width);
  return runner.golden();
}

async function packed(module, model) {
  const session = await module.Session.create(model, SESSION_HOOKS);
  const { header, numbers } = session.packed();
  session.free();
  return [header, numbers];
}

const SESSION_HOOKS = { takeScratchFile: () => undefined, onRow() {} };

/** A session runs a scene of one tile: reading, normalizing, the network and blending, as the page does it. */
async function startSession(model, file, tile) {
  session = await glue.Session.create(model, SESSION_HOOKS);
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
  start: ({ drive, modules, model, input, scene, tile, size = [tile, tile] }) =>
    reporting(async () => {
      const [weights, tileBytes, sceneBytes] = await Promise.all([model, input, scene].map(bytesAt));
      // The session's first; the one for graphics cards, if there is one, computes.
      const fetched = await Promise.all(modules.map(fetchModule));
      const began = performance.now();
      await Promise.all(fetched.map(begin));
      glue = fetched.at(-1).module;
      const packer = fetched.length > 1 ? fetched[0] : undefined;
      const golden =
        drive === "session"
          ? await startSession(weights, new Blob([sceneBytes]), tile)
          : await startRunner(weights, packer, new Float32Array(tileBytes.buffer), size);
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
