// @ts-check
// Drives a <rare-map> in a frame of another origin by messages. docs/embed.md describes them.
//
// The frame's side answers windows of the allowed origins that embed it, and nobody else; whatever else arrives does nothing.

import { EngineError, toEngineError } from "../engine/errors.js";
import { Requests } from "../engine/requests.js";

/**
 * @typedef {import("./rare-map.js").RareMap} RareMap
 * @typedef {{raremap: 1, id: number, command: string, params?: Record<string, any>}} Command
 */

const EVENTS = /** @type {const} */ (["ready", "scene", "progress", "result", "change", "cancel", "error"]);
const OPTIONS = /** @type {const} */ (["threshold", "rare", "topK", "opacity", "lang"]);
const RUN_OPTIONS = /** @type {const} */ (["bands", "tile", "resample", "matching", "workers"]);
const RESULT_OPTIONS = /** @type {const} */ (["threshold", "rare", "topK", "window", "maxPx"]);

/**
 * The own properties of these names.
 *
 * @param {Record<string, any>} from
 * @param {readonly string[]} names
 * @returns {Record<string, any>}
 */
const pick = (from, names) => Object.fromEntries(names.filter((name) => Object.hasOwn(from, name)).map((name) => [name, from[name]]));

/** What of the element can be told to another window. @param {RareMap} map */
function stateOf(map) {
  const { state, scene, areas, threshold, rare, topK, result } = map;
  return { state, scene: scene ?? null, areas: areas ?? null, threshold, rare, topK, tiles: result?.tiles ?? null, complete: result?.complete ?? null };
}

/** @type {Record<string, (map: RareMap, params: Record<string, any>) => unknown>} */
const COMMANDS = {
  connect: (map) => stateOf(map),
  open: (map, { url, file, files, bytes }) => map.open(url ?? file ?? files ?? bytes),
  set(map, params) {
    Object.assign(map, pick(params, OPTIONS));
    return stateOf(map);
  },
  async run(map, params) {
    await map.run(pick(params, RUN_OPTIONS));
    return stateOf(map);
  },
  cancel(map) {
    map.cancel();
    return stateOf(map);
  },
  async get(map, { what, ...params }) {
    if (what === "state") return stateOf(map);
    const { result } = map;
    if (!result) throw new EngineError("misuse", "nothing has been run yet");
    const { threshold, rare, topK } = map;
    /** @type {Record<string, any>} */
    const options = { threshold, rare, topK, ...pick(params, RESULT_OPTIONS) };
    switch (what) {
      case "areas":
        return result.areas(options);
      case "polygons":
        return result.polygons(options);
      case "review":
        return result.review(options);
      case "mask":
        return result.mask(options);
      case "saliency":
        return result.saliency(options);
      case "probability":
        return result.probability(String(params.class), options);
      case "overlay":
        return result.overlay(params.layer ?? "mask", options);
      case "file":
        return result.file(String(params.name), options);
      default:
        throw new EngineError("misuse", `there is no ${what} to get`);
    }
  },
};

/** @param {unknown} data @returns {data is Command} */
function isCommand(data) {
  if (typeof data !== "object" || data === null) return false;
  const { raremap, id, command, params } = /** @type {Record<string, unknown>} */ (data);
  return raremap === 1 && typeof id === "number" && typeof command === "string" && (params === undefined || (typeof params === "object" && params !== null));
}

/** @param {any} result @returns {Transferable[]} */
const transferables = (result) => [result?.bitmap, result?.values?.buffer].filter(Boolean);

/**
 * Lets the windows that embed this one drive its element.
 *
 * @param {RareMap} map
 * @param {{origins: string[]}} options origins that are allowed to, such as `https://portal.example`; none means nobody
 * @returns {() => void} ends it
 */
export function serveElement(map, { origins }) {
  const allowed = new Set(origins);
  const { parent } = window;
  /** Where events go: the origin that connected. @type {string | undefined} */
  let connected;
  /** @param {MessageEvent} event */
  const onMessage = async ({ data, origin, source }) => {
    if (source !== parent || source === window || !allowed.has(origin) || !isCommand(data)) return;
    const { id, command, params = {} } = data;
    if (!Object.hasOwn(COMMANDS, command)) return;
    connected = origin;
    const reply = (/** @type {Record<string, unknown>} */ answer, /** @type {Transferable[]} */ transfer = []) =>
      parent.postMessage({ raremap: 1, id, ...answer }, origin, transfer);
    try {
      const result = await COMMANDS[command](map, params);
      reply({ result }, transferables(result));
    } catch (cause) {
      const { code, message } = toEngineError(cause);
      reply({ error: { code, message } });
    }
  };
  /** @param {Event} event */
  const onEvent = (event) => {
    if (!connected) return;
    const { result: _, ...detail } = /** @type {CustomEvent} */ (event).detail;
    parent.postMessage({ raremap: 1, event: event.type, detail }, connected);
  };
  addEventListener("message", onMessage);
  for (const name of EVENTS) map.addEventListener(name, onEvent);
  return () => {
    removeEventListener("message", onMessage);
    for (const name of EVENTS) map.removeEventListener(name, onEvent);
  };
}

/** The embedding page's side: an element in a frame, driven as if it were here. It fires the element's events. */
export class RareMapFrame extends EventTarget {
  #frame;
  #origin;
  #requests = new Requests();

  /**
   * @param {HTMLIFrameElement} frame whose page serves its element
   * @param {{origin?: string}} [options] the frame's origin; that of its address if absent
   */
  constructor(frame, { origin = new URL(frame.src, document.baseURI).origin } = {}) {
    super();
    this.#frame = frame;
    this.#origin = origin;
    addEventListener("message", this.#onMessage);
  }

  /** Waits for the frame's page and tells the state of its element. From then on, events come. @param {{signal?: AbortSignal}} [options] @returns {Promise<any>} */
  async connect({ signal } = {}) {
    for (;;) {
      signal?.throwIfAborted();
      // A frame that is still loading does not hear this.
      const timeout = new Promise((resolve) => setTimeout(resolve, 250));
      const state = await Promise.race([this.#ask("connect"), timeout]);
      if (state) return state;
    }
  }

  /** As the element's `open`. @param {{url?: string, file?: Blob, files?: Blob[], bytes?: ArrayBuffer}} source @returns {Promise<import("../wasm/raremap-web.js").OpenedScene>} */
  open(source) {
    return this.#ask("open", source, source.bytes ? [source.bytes] : []);
  }

  /** Sets options of the element, and tells its state. @param {{threshold?: number, rare?: string[], topK?: number, opacity?: number, lang?: string}} options @returns {Promise<any>} */
  set(options) {
    return this.#ask("set", options);
  }

  /** As the element's `run`; tells the state at the end. @param {{bands?: number[], tile?: number, resample?: boolean, matching?: boolean, workers?: number}} [options] @returns {Promise<any>} */
  run(options) {
    return this.#ask("run", options);
  }

  /** Ends a run, and tells the state. @returns {Promise<any>} */
  cancel() {
    return this.#ask("cancel");
  }

  /**
   * Gives something of the state or the result.
   *
   * @param {"state" | "areas" | "polygons" | "review" | "mask" | "saliency" | "probability" | "overlay" | "file"} what
   * @param {Record<string, any>} [params] `class` of a probability, `layer` of an overlay, `name` of a file; options of the decision
   * @returns {Promise<any>}
   */
  get(what, params) {
    return this.#ask("get", { ...params, what });
  }

  /** Listens no more; what waits fails. */
  close() {
    removeEventListener("message", this.#onMessage);
    this.#requests.failAll(new EngineError("closed", "The frame was let go."));
  }

  /**
   * @param {string} command
   * @param {Record<string, any>} [params]
   * @param {Transferable[]} [transfer]
   * @returns {Promise<any>}
   */
  #ask(command, params = {}, transfer = []) {
    const { id, result } = this.#requests.add();
    this.#frame.contentWindow?.postMessage({ raremap: 1, id, command, params }, this.#origin, transfer);
    return result;
  }

  /** @param {MessageEvent} message */
  #onMessage = ({ data, origin, source }) => {
    if (source !== this.#frame.contentWindow || origin !== this.#origin || data?.raremap !== 1) return;
    if (typeof data.event === "string") this.dispatchEvent(new CustomEvent(data.event, { detail: data.detail }));
    else if (typeof data.id === "number") this.#requests.receive(data);
  };
}
