// @ts-check
// Files that were taken for one scene, and may be one each.

import { byId } from "./dom.js";
import { number, t } from "./text.js";

/** @typedef {import("../engine/messages.js").Entry} Entry */

/** What the button does. @type {() => void} */
let take = () => {};

export function hideApart() {
  byId("apart").hidden = true;
}

/**
 * Offers to take files apart.
 *
 * @param {Entry[][] | undefined} scenes nothing if they cannot be more than one
 * @param {boolean} isOpen they are open as one scene
 * @param {(scenes: Entry[][]) => void} onTake
 */
export function offerApart(scenes, isOpen, onTake) {
  byId("apart").hidden = !scenes;
  if (!scenes) return;
  byId("apart-text").textContent = t(isOpen ? "openedAsOne" : "notOneScene");
  byId("apart-take").textContent = t("openApart", { count: number(scenes.length) });
  take = () => onTake(scenes);
}

byId("apart-take").addEventListener("click", () => take());
