// @ts-check
// How long the rest of a run will take.

import { durationText, t } from "./text.js";

export class TileTimer {
  #firstDone = 0;

  /**
   * Estimates from the tiles after the first, because that one also warms up the engine.
   *
   * @param {number} done
   * @param {number} total
   */
  left(done, total) {
    const now = performance.now();
    if (done <= 1) this.#firstDone = now;
    if (done < 3) return "";
    const secsPerTile = (now - this.#firstDone) / 1000 / (done - 1);
    return t("timeLeft", { time: durationText(secsPerTile * (total - done)) });
  }
}
