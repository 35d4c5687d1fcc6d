// What TypeScript knows of the tag: `document.createElement("rare-map")` is a RareMap.

import type { RareMap } from "./rare-map.js";

export type Tag = "rare-map";

declare global {
  interface HTMLElementTagNameMap {
    "rare-map": RareMap;
  }
}
