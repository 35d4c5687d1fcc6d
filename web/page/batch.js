// @ts-check
// Maps scenes of the queue in an engine of its own, so that the page can be used meanwhile, and keeps what is found.

import { unassigned } from "../engine/bands.js";
import { EngineError, toEngineError } from "../engine/errors.js";
import { fileStem } from "../engine/names.js";
import { PICTURE_MAX_PX } from "../view/layers.js";
import { keepCurrent } from "./kept.js";
import { t } from "./text.js";

/**
 * @typedef {import("../engine/engine.js").Engine} Engine
 * @typedef {import("../engine/messages.js").Progress} Progress
 * @typedef {import("../wasm/raremap-web.js").DecideOptions} DecideOptions
 * @typedef {import("./kept-store.js").Kept} Kept
 *
 * @typedef {object} Settings how scenes are mapped
 * @property {DecideOptions} options
 * @property {number | undefined} tile
 * @property {number | undefined} workers
 * @property {import("../view/figures.js").Figures} figures of the model
 * @property {string} model its name
 */

/** After these, an engine has to be started again. */
const FATAL = new Set(["trap", "worker_missing", "not_loaded"]);

export class Batch {
  /** @type {Promise<Engine> | undefined} */
  #engine;

  /** @param {() => Promise<Engine>} start gives an engine with a model in it */
  constructor(start) {
    this.start = start;
  }

  /** Gives back the engine's memory, until the next scene. */
  close() {
    this.#engine?.then((engine) => engine.close(), () => {});
    this.#engine = undefined;
  }

  async #started() {
    this.#engine ??= this.start();
    try {
      return await this.#engine;
    } catch (cause) {
      this.#engine = undefined;
      throw cause;
    }
  }

  /**
   * Maps a scene with the bands that it seems to have.
   *
   * @param {import("./queue.js").Item} item
   * @param {{signal: AbortSignal, onProgress: (progress: Progress) => void}} hooks
   * @param {() => Settings} settings asked for once the model is loaded
   * @returns {Promise<Kept>}
   */
  async map(item, { signal, onProgress }, settings) {
    try {
      const engine = await this.#started();
      signal.throwIfAborted();
      const info = await engine.open(item.from);
      signal.throwIfAborted();
      const { bands } = info.assignment;
      if (unassigned(info, bands).length > 0) throw new EngineError("band_missing", t("bandMissingAlone"));
      const preview = await engine.preview({ bands, maxPx: PICTURE_MAX_PX });
      const { tile, workers, options, figures, model } = settings();
      await engine.run({ bands, tile, matching: true }, { onProgress, signal, workers });
      signal.throwIfAborted();
      const areas = await engine.areas(options);
      signal.throwIfAborted();
      const warnings = [...info.warnings, ...preview.warnings];
      const shown = { facts: info.scene, areas, options, warnings, figures, model, note: preview.note };
      return await keepCurrent({ engine, stem: fileStem(info.scene.name), shown, picture: preview, signal });
    } catch (cause) {
      if (FATAL.has(toEngineError(cause).code)) this.close();
      throw cause;
    }
  }
}
