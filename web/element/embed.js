// @ts-check
// The script of embed.html: a <rare-map> that fills a frame, driven by the pages that embed it.

import { serveElement } from "./bridge.js";
import { RareMap } from "./index.js";

const map = document.querySelector("rare-map");
if (!(map instanceof RareMap)) throw new Error("embed.html has no <rare-map>");
const allowed = document.querySelector('meta[name="raremap-origins"]')?.getAttribute("content") ?? "";
const origins = allowed.split(/\s+/).filter(Boolean);

// Attributes of the element can be given in the address.
const address = new URLSearchParams(location.search);
for (const name of ["src", "threshold", "rare", "top-k", "opacity", "backend", "lang"]) {
  const value = address.get(name);
  if (value !== null) map.setAttribute(name, value);
}

serveElement(map, { origins: [location.origin, ...origins] });
