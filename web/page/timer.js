// @ts-check
// How long the rest of a run will take.

import { durationText } from "./text.js";

export class TileTimer {
  #firstDone = 0;

  /**
   * From the tiles after the first: that one also warms the engine up.
   *
   * @param {number} done
   * @param {number} total
   */
  left(done, total) {
    const now = performance.now();
    if (done <= 1) this.#firstDone = now;
    if (done < 3) return "";
    const secsPerTile = (now - this.#firstDone) / 1000 / (done - 1);
    return `${durationText(secsPerTile * (total - done))} left`;
  }
}
