// @ts-check
// What the map says about one pixel: the one under the pointer, or, by the keyboard, the one in the middle of the view.

import { unassigned } from "../engine/bands.js";
import { byId, make } from "./dom.js";
import { bandName, className, number, t, title } from "./text.js";

const NO_DATA = 255;

/**
 * @typedef {import("../engine/engine.js").Engine} Engine
 * @typedef {import("../wasm/raremap-web.js").DecideOptions} DecideOptions
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").ModelCard} ModelCard
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("../view/viewer.js").Viewer} Viewer
 *
 * @typedef {object} Subject what can be asked about a pixel at the moment
 * @property {Engine} engine
 * @property {OpenedScene} info
 * @property {ModelCard} card
 * @property {(number | null)[]} bands the scene's band for each that the model needs
 * @property {DecideOptions | undefined} options of the finished result; undefined if there is none
 */

export class Inspector {
  /** @type {{x: number, y: number} | undefined} */
  #wanted;
  #isBusy = false;
  /** Whether the pixel in the middle of the view is meant. */
  #isCentred = false;

  /**
   * @param {Viewer} viewer
   * @param {() => Subject | undefined} subject
   */
  constructor(viewer, subject) {
    this.viewer = viewer;
    this.subject = subject;
    const { canvas } = viewer;
    canvas.addEventListener("pointermove", (event) => {
      // While a button is down the picture is dragged.
      if (event.buttons === 0) this.#inspect(viewer.pixelAt(event.offsetX, event.offsetY));
    });
    canvas.addEventListener("click", (event) => this.#inspect(viewer.pixelAt(event.offsetX, event.offsetY)));
    canvas.addEventListener("pointerleave", () => this.#isCentred || this.hide());
    canvas.addEventListener("keydown", (event) => {
      if (event.key === "i" && !event.ctrlKey && !event.metaKey && !event.altKey) this.#setCentred(!this.#isCentred);
      if (event.key === "Escape") this.#setCentred(false);
    });
    canvas.addEventListener("blur", () => this.#setCentred(false));
  }

  /** @param {boolean} isCentred */
  #setCentred(isCentred) {
    if (this.#isCentred === isCentred) return;
    this.#isCentred = isCentred;
    if (isCentred) {
      this.onView();
      return;
    }
    this.hide();
    this.viewer.mark();
  }

  /** Called when the view has moved. */
  onView() {
    if (!this.#isCentred) return;
    const { clientWidth, clientHeight } = this.viewer.canvas;
    this.#inspect(this.viewer.pixelAt(clientWidth / 2, clientHeight / 2));
  }

  hide() {
    this.#wanted = undefined;
    byId("pixel").hidden = true;
  }

  /** @param {{x: number, y: number} | undefined} pixel */
  #inspect(pixel) {
    if (!pixel) {
      if (this.#wanted) this.hide();
      return;
    }
    if (pixel.x === this.#wanted?.x && pixel.y === this.#wanted.y) return;
    this.#wanted = pixel;
    if (this.#isCentred) this.viewer.mark({ ...pixel, width: 1, height: 1 });
    if (!this.#isBusy) void this.#show();
  }

  /** The newest pixel wins: what the pointer passes meanwhile is skipped. */
  async #show() {
    this.#isBusy = true;
    try {
      for (let pixel = this.#wanted; pixel; ) {
        const facts = await this.#facts(pixel);
        if (facts && this.#wanted) {
          byId("pixel-facts").replaceChildren(...facts.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, text)]));
          byId("pixel").hidden = false;
        }
        pixel = pixel === this.#wanted ? undefined : this.#wanted;
      }
    } catch {
      // The scene or its result is another one by now.
      this.hide();
    } finally {
      this.#isBusy = false;
    }
  }

  /**
   * @param {{x: number, y: number}} pixel
   * @returns {Promise<[string, string][] | undefined>}
   */
  async #facts({ x, y }) {
    const subject = this.subject();
    if (!subject) return undefined;
    const { engine, info, card, options } = subject;
    const window = { x, y, width: 1, height: 1 };
    /** @type {[string, string][]} */
    const facts = [[t("pixel"), t("pixelColumnRow", { column: number(x), row: number(y) })]];
    if (info.scene.grid) {
      const [a, b, c, d, e, f] = info.scene.grid.transform;
      // The pixel's middle.
      const [column, row] = [x + 0.5, y + 0.5];
      const digits = info.scene.grid.epsg === 4326 ? 6 : 1;
      facts.push([t("pixelMap"), `${number(a * column + b * row + c, digits)}, ${number(d * column + e * row + f, digits)}`]);
      // Not every system can be converted.
      const place = await engine.lonLat([column, row]).catch(() => undefined);
      if (place) facts.push([t("pixelLonLat"), `${number(place[1], 5)}°, ${number(place[0], 5)}°`]);
    }
    if (options) {
      const value = async (/** @type {LayerKind} */ kind) => (await engine.values({ kind, options, maxPx: 1, window })).values[0];
      const drawn = await value("mask");
      const found = card.classes.find((it) => it.value === drawn);
      facts.push([t("class"), drawn === NO_DATA || !found ? t("noData") : title(found.name)]);
      for (const name of drawn === NO_DATA ? [] : card.rareClasses) {
        facts.push([t("probabilityOf", { name: className(name) }), number(await value(`probability:${name}`), 2)]);
      }
    }
    const there = info.modelBands.flatMap((name, i) => (subject.bands[i] === null ? [] : [{ name, band: subject.bands[i] }]));
    const samples = unassigned(info, subject.bands).length > 0 ? null : await engine.read(window, there.map(({ band }) => band));
    if (samples) {
      for (const [i, { name }] of there.entries()) facts.push([title(bandName(name)), number(samples[i], samples[i] % 1 ? 3 : 0)]);
    }
    return facts;
  }
}
