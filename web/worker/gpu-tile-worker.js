// @ts-check
// Computes tiles of a run on the graphics card, by a wasm module of its own, which runs on the processor never load.

import init, { TileRunner } from "../wasm/raremap-web-gpu.js";
import { watchDevices } from "./devices.js";
import { end, serveTiles } from "./serve-tiles.js";

// Before wasm asks for one.
watchDevices(end);
serveTiles({ init, create: (/** @type {import("./serve-tiles.js").PackedModel} */ { header, numbers }) => TileRunner.create(header, numbers) });
