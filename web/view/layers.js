// @ts-check
// The layers of a run and its result on a viewer. They follow their options without a new run, and what is in sight is drawn sharper.

// Long side of the pictures on the screen; the mask itself is always computed and saved at the scene's size.
export const PICTURE_MAX_PX = 2048;
// Between two drawings, the page reacts to its user.
const REFRESH_MS = 30;
const DETAIL_MS = 150;
const MAX_ZOOM = 16;

/**
 * @typedef {import("../engine/messages.js").Picture} Picture
 * @typedef {import("../wasm/raremap-web.js").Areas} Areas
 * @typedef {import("../wasm/raremap-web.js").DecideOptions} DecideOptions
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").LayerRequest} LayerRequest
 * @typedef {import("./viewer.js").Viewer} Viewer
 * @typedef {Pick<import("../engine/engine.js").Engine, "layer" | "areas" | "detail" | "showPartial">} Engine
 *
 * @typedef {object} Hooks
 * @property {() => DecideOptions} options how the result is decided now
 * @property {() => number} opacity of the overlay
 * @property {() => boolean} hasOutline whether the rare classes are outlined
 * @property {(areas: Areas, kind: LayerKind | "none", options: DecideOptions) => void} onAreas called with the numbers of what is drawn
 * @property {(what: unknown) => void} onError the result could not be drawn
 * @property {(done: number, total: number) => void} onMeasuring called while a pass over the scene's rows measures areas
 */

export class Layers {
  /** What is drawn over the scene. @type {LayerKind | "none"} */
  #kind = "mask";
  /** @type {"none" | "running" | "finished"} */
  #phase = "none";
  /** Counts scenes and runs: an answer about an older one is dropped. */
  #epoch = 0;
  /** @type {Promise<void> | undefined} */
  #refreshing;
  #isStale = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #detailTimer;
  /** The detail's window and what it shows, to tell whether it is still right. */
  #detailKey = "";

  /**
   * @param {Engine} engine
   * @param {Viewer} viewer
   * @param {Hooks} hooks
   */
  constructor(engine, viewer, hooks) {
    this.engine = engine;
    this.viewer = viewer;
    this.hooks = hooks;
  }

  /** Counts scenes and runs: whoever waits for an answer can tell whether it is still about the one at hand. */
  get epoch() {
    return this.#epoch;
  }

  get isFinished() {
    return this.#phase === "finished";
  }

  /** A picture of a layer of the whole scene. @param {LayerKind} kind @returns {LayerRequest} */
  #request(kind) {
    return { kind, options: this.hooks.options(), maxPx: PICTURE_MAX_PX };
  }

  #showPartial() {
    return this.engine.showPartial(this.#kind === "none" ? null : this.#request(this.#kind));
  }

  /** @param {LayerKind | "none"} kind */
  setKind(kind) {
    this.#kind = kind;
    this.refresh();
  }

  /** The scene or the way it is read has changed, so the result no longer holds. */
  clear() {
    this.#epoch += 1;
    this.#phase = "none";
    for (const name of /** @type {const} */ (["overlay", "overlay-detail", "outline", "outline-detail", "scene-detail"])) {
      this.viewer.setLayer(name, undefined);
    }
    this.#detailKey = "";
  }

  startRun() {
    this.clear();
    this.#phase = "running";
    // If the worker is gone, the run fails.
    this.#showPartial().catch(() => {});
  }

  /** @param {Picture} picture of the part that is done */
  showPart(picture) {
    this.viewer.setLayer("overlay", this.#kind === "none" ? undefined : picture, this.hooks.opacity());
  }

  /** Draws the result of a run; resolves when it is on the screen. */
  async finish() {
    this.#phase = "finished";
    await this.refresh();
  }

  /** After any option changed: the newest options win, and there are never two drawings at once. Resolves when they are on the screen. */
  refresh() {
    this.#isStale = true;
    this.#refreshing ??= this.#drawNewest().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #drawNewest() {
    while (this.#isStale) {
      this.#isStale = false;
      const epoch = this.#epoch;
      try {
        if (this.#phase === "running") await this.#showPartial();
        if (this.#phase === "finished") await this.#draw(epoch);
      } catch (cause) {
        if (epoch === this.#epoch) this.hooks.onError(cause);
      }
      if (this.#isStale) await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
    }
  }

  /** @param {number} epoch */
  async #draw(epoch) {
    const kind = this.#kind;
    const options = this.hooks.options();
    const overlay = kind === "none" ? undefined : await this.engine.layer(this.#request(kind));
    if (epoch !== this.#epoch) return;
    this.viewer.setLayer("overlay", overlay, this.hooks.opacity());
    const outline = this.hooks.hasOutline() ? await this.engine.layer(this.#request("rare-outline")) : undefined;
    if (epoch !== this.#epoch) return;
    this.viewer.setLayer("outline", outline);
    // The numbers need a pass over every pixel; if newer options are waiting, they would be thrown away.
    if (!this.#isStale) {
      const onProgress = (/** @type {{done: number, total: number}} */ { done, total }) => {
        if (epoch === this.#epoch) this.hooks.onMeasuring(done, total);
      };
      const areas = await this.engine.areas(options, { onProgress });
      if (epoch !== this.#epoch) return;
      this.hooks.onAreas(areas, kind, options);
    }
    this.#detailKey = "stale";
    await this.#drawDetail();
  }

  /** The scene is drawn in other colours. */
  onColors() {
    this.#detailKey = "stale";
    this.onView();
  }

  /** Called when the view moves: what is in sight is drawn sharper once it rests. */
  onView() {
    clearTimeout(this.#detailTimer);
    this.#detailTimer = setTimeout(() => this.#drawDetail().catch(() => {}), DETAIL_MS);
  }

  async #drawDetail() {
    const epoch = this.#epoch;
    const { window, scale, isCoarse } = this.viewer.sight();
    const isSmall = Math.min(window.width, window.height) > 0 && Math.max(window.width, window.height) <= PICTURE_MAX_PX;
    const isSharper = isSmall && isCoarse;
    // Lines of about two pixels of the screen, however large a pixel of the scene is drawn.
    const zoom = isSmall ? Math.max(1, Math.min(MAX_ZOOM, Math.floor(scale / 2))) : 1;
    const hasThinOutline = this.hooks.hasOutline() && (isSharper || zoom > 1);
    const key = isSharper || hasThinOutline ? JSON.stringify([window, zoom, isSharper, hasThinOutline, this.#phase]) : "";
    if (key === this.#detailKey) return;
    this.#detailKey = key;
    /** @type {(name: import("./viewer.js").LayerName, picture: Promise<Picture> | false, opacity?: number) => Promise<void>} */
    const show = async (name, picture, opacity) => {
      const drawn = await picture;
      if (epoch === this.#epoch && key === this.#detailKey) this.viewer.setLayer(name, drawn || undefined, opacity);
    };
    const layer = (/** @type {LayerKind} */ kind) => this.engine.layer({ ...this.#request(kind), window, zoom });
    await show("scene-detail", isSharper && this.engine.detail(window));
    await show("overlay-detail", this.isFinished && isSharper && this.#kind !== "none" && layer(this.#kind), this.hooks.opacity());
    await show("outline-detail", this.isFinished && hasThinOutline && layer("rare-outline"));
  }
}
