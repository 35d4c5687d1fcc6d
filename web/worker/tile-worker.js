// @ts-check
// Computes tiles of a run on a thread of its own, on the processor.

import init, { TileRunner } from "../wasm/raremap-web.js";
import { serveTiles } from "./serve-tiles.js";

serveTiles({ init, create: (/** @type {Uint8Array} */ model) => TileRunner.create(model) });
