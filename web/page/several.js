// @ts-check
// Several scenes: into the queue, through an engine of their own, and kept.

import { EngineError } from "../engine/errors.js";
import { Batch } from "./batch.js";
import { byId } from "./dom.js";
import { showErrorBox } from "./error-box.js";
import { KeptList } from "./kept.js";
import { QueueView } from "./queue-view.js";
import { scenesOf } from "./scenes.js";
import { entriesName, t } from "./text.js";

/**
 * @typedef {import("../engine/messages.js").Entry} Entry
 * @typedef {import("./kept-store.js").Kept} Kept
 *
 * @typedef {object} Hooks
 * @property {() => import("./batch.js").Settings} settings how scenes are mapped
 * @property {(result: Kept) => void} onOpen a kept result is to be shown
 * @property {(item: import("./queue.js").Item) => void} onScene a scene is to be looked at by itself
 */

/** @param {Entry[]} entries */
export const nameOf = (entries) => entriesName(entries.map(({ path }) => path));

export class SeveralScenes {
  #queue;

  /** @param {import("./host.js").EngineHost} host @param {Hooks} hooks */
  constructor(host, { settings, onOpen, onScene }) {
    /** The results on this device. */
    this.kept = new KeptList(onOpen);
    const batch = new Batch(() => host.another());
    this.#queue = new QueueView({
      map: async (item, hooks) => {
        const mapped = await batch.map(item, hooks, settings);
        await this.kept.show();
        return mapped;
      },
      onEnd: () => batch.close(),
      onOpen,
      onScene,
    });
  }

  /** @param {Entry[][]} scenes */
  add(scenes) {
    this.#queue.add(scenes.map((entries) => ({ name: nameOf(entries), from: { entries } })));
    byId("queue").scrollIntoView({ block: "nearest" });
  }

  /** Takes files apart into scenes. @param {Entry[]} entries */
  addFiles(entries) {
    const scenes = scenesOf(entries);
    if (scenes.length > 0) this.add(scenes);
    else showErrorBox(t("notOpened", { name: nameOf(entries) }), new EngineError("no_image_among_files", t("causeNotATiff")));
  }
}
