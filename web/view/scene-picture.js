// @ts-check
// The picture of the scene, in its own colours or in those that are chosen for it.

import { toEngineError } from "../engine/errors.js";
import { ColorChoice } from "./colors.js";
import { PICTURE_MAX_PX } from "./layers.js";

/**
 * @typedef {import("../engine/messages.js").Preview} Preview
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {Pick<import("../engine/engine.js").Engine, "compose">} Engine
 *
 * @typedef {object} Hooks
 * @property {import("./speech.js").Speech} speech
 * @property {() => Engine | undefined} engine
 * @property {(text: string) => void} onNote what is shown, or that it is being drawn, in words
 * @property {() => void} onDrawn the scene is drawn in other colours
 * @property {(cause: unknown) => void} onError
 */

export class ScenePicture {
  /** Counts pictures: one that was asked for before is dropped. */
  #asked = 0;
  #isStale = false;
  /** @type {Promise<void> | undefined} */
  #drawing;
  #note = "";

  /** @param {import("./viewer.js").Viewer} viewer @param {Hooks} hooks */
  constructor(viewer, hooks) {
    this.viewer = viewer;
    this.hooks = hooks;
    this.choice = new ColorChoice(hooks.speech, () => void this.#compose());
  }

  /**
   * Shows the scene as the engine draws it by itself.
   *
   * @param {OpenedScene} opened
   * @param {(number | null)[]} assigned the scene's band for each of the model's
   * @param {Preview} preview
   */
  show(opened, assigned, preview) {
    this.forget();
    this.#note = preview.note;
    this.viewer.setLayer("scene", preview);
    this.choice.show(opened, assigned);
    this.hooks.onNote(preview.note);
  }

  /** There is another picture, or none: what is being drawn is not wanted any more. */
  forget() {
    this.#asked += 1;
    this.#isStale = false;
  }

  /** Draws the newest choice; there are never two drawings at once. */
  #compose() {
    this.#asked += 1;
    this.#isStale = true;
    this.#drawing ??= this.#drawNewest().finally(() => (this.#drawing = undefined));
    return this.#drawing;
  }

  async #drawNewest() {
    while (this.#isStale) {
      this.#isStale = false;
      await this.#draw();
    }
  }

  async #draw() {
    const asked = this.#asked;
    const { choice, hooks } = this;
    const { composition } = choice;
    hooks.onNote(hooks.speech.say("drawing"));
    try {
      const picture = await hooks.engine()?.compose(composition, { maxPx: PICTURE_MAX_PX });
      if (!picture || asked !== this.#asked) {
        picture?.bitmap.close();
        return;
      }
      this.viewer.setLayer("scene", picture);
      hooks.onNote(composition ? choice.note(composition) : this.#note);
      hooks.onDrawn();
    } catch (cause) {
      if (asked === this.#asked && toEngineError(cause).code !== "superseded") hooks.onError(cause);
    }
  }
}
