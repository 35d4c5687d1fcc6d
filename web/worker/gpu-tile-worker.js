// @ts-check
// Computes tiles of a run on the graphics card. It has a wasm module of its own, which is not loaded for runs on the processor.

import init, { TileRunner } from "../wasm/raremap-web-gpu.js";
import { watchDevices } from "./devices.js";
import { end, serveTiles } from "./serve-tiles.js";

// Before wasm asks for one.
watchDevices(end);
serveTiles({ init, create: (/** @type {import("./serve-tiles.js").PackedModel} */ { header, numbers }) => TileRunner.create(header, numbers) });
