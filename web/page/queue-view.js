// @ts-check
// The list of scenes that are mapped one after another.

import { Queue } from "./queue.js";
import { byId, make } from "./dom.js";
import { rareTexts } from "./kept.js";
import { explain, number, t } from "./text.js";

/**
 * @typedef {import("./queue.js").Item} Item
 * @typedef {import("./kept-store.js").Kept} Kept
 *
 * @typedef {Pick<import("./queue.js").Hooks, "map" | "onEnd"> & {onOpen: (result: Kept) => void, onScene: (item: Item) => void}} Hooks `onScene` is called
 *   when a scene is to be looked at by itself
 */

export class QueueView {
  #hooks;
  #queue;
  /** Each scene's line. @type {Map<Item, HTMLElement>} */
  #lines = new Map();

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
    this.#queue = new Queue({ map: hooks.map, onEnd: hooks.onEnd, onChange: () => this.#show() });
    byId("queue-run").addEventListener("click", () => void this.#queue.start());
    byId("queue-cancel").addEventListener("click", () => this.#queue.cancelAll());
  }

  /** @param {{name: string, from: import("../engine/messages.js").SceneSource}[]} scenes */
  add(scenes) {
    this.#queue.add(scenes);
  }

  #show() {
    const { items, isRunning } = this.#queue;
    const count = (/** @type {import("./queue.js").Status} */ status) => items.filter((item) => item.status === status).length;
    byId("queue").hidden = items.length === 0;
    for (const [item, line] of this.#lines) {
      if (items.includes(item)) continue;
      line.remove();
      this.#lines.delete(item);
    }
    for (const item of items) this.#showItem(item);
    const waiting = count("waiting");
    const run = /** @type {HTMLButtonElement} */ (byId("queue-run"));
    run.hidden = isRunning || waiting === 0;
    run.textContent = t("queueRun", { count: number(waiting) });
    byId("queue-cancel").hidden = !isRunning;
    const failed = count("failed");
    const done = t("queueDone", { done: number(count("done")), total: number(items.length) });
    const text = failed > 0 ? `${done} ${t("queueFailed", { count: number(failed) })}` : done;
    // Said once, not with every tile.
    if (byId("queue-status").textContent !== text) byId("queue-status").textContent = text;
  }

  /** @param {Item} item */
  #showItem(item) {
    const line = this.#lines.get(item) ?? make("li");
    if (!this.#lines.has(item)) byId("queue-list").append(line);
    this.#lines.set(item, line);
    const progress = item.progress;
    // The line of a scene that runs changes with every tile: only what is new is written, so that its button keeps the focus.
    if (line.dataset.status === item.status && progress) {
      const bar = line.querySelector("progress");
      if (bar) [bar.max, bar.value] = [progress.total, progress.done];
      const text = line.querySelector(".muted");
      if (text) text.textContent = this.#text(item);
      return;
    }
    if (line.dataset.status === item.status) return;
    line.dataset.status = item.status;
    const bar = item.status === "running" ? [make("progress", { max: 1, "aria-label": t("queueProgress", { name: item.name }) })] : [];
    const note = item.status === "failed" ? this.#failure(item) : make("span", { class: "muted" }, this.#text(item));
    line.replaceChildren(make("strong", {}, item.name), note, ...bar, make("span", {}, ...this.#buttons(item)));
  }

  /** @param {Item} item */
  #text({ status, progress, kept }) {
    if (status === "running" && progress) return t("tiles", { done: number(progress.done), total: number(progress.total) });
    if (status === "running") return t("queueReading");
    if (status === "done" && kept) return [t("queueMapped"), ...rareTexts(kept)].join(", ");
    return t(status === "cancelled" ? "queueCancelled" : "queueWaiting");
  }

  /** @param {Item} item */
  #failure({ error }) {
    const { cause, advice, detail } = explain(error ?? { code: "internal", message: "" });
    return make("div", { class: "failure" }, make("p", {}, cause), make("p", {}, advice), make("details", {}, make("summary", {}, t("details")), detail));
  }

  /** @param {Item} item */
  #buttons(item) {
    const { name, status, kept } = item;
    const button = (/** @type {string} */ action, /** @type {string} */ text, /** @type {string} */ label, /** @type {() => void} */ onClick) => {
      const made = make("button", { type: "button", class: "quiet", "data-action": action, "aria-label": label }, text);
      made.addEventListener("click", onClick);
      return made;
    };
    const cancel = () => button("cancel", t("cancel"), t("cancelNamed", { name }), () => this.#queue.cancel(item));
    const remove = () => button("remove", t("remove"), t("removeNamed", { name }), () => this.#queue.remove(item));
    if (status === "waiting" || status === "running") return [cancel()];
    if (status === "done" && kept) return [button("open", t("open"), t("openNamed", { name }), () => this.#hooks.onOpen(kept)), remove()];
    const retry = () => {
      this.#queue.retry(item);
      void this.#queue.start();
    };
    const scene = button("scene", t("openScene"), t("openSceneNamed", { name }), () => this.#hooks.onScene(item));
    return [scene, button("retry", t("tryItAgain"), t("tryItAgainNamed", { name }), retry), remove()];
  }
}
