// @ts-check
// Registers <rare-map>. Importing this on a server does nothing.

/** @typedef {import("./tag.js").Tag} Tag */

import { RareMap } from "./rare-map.js";

export { RareMap };

if (globalThis.customElements && !customElements.get("rare-map")) customElements.define("rare-map", RareMap);
