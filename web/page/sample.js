// @ts-check
// The sample scene, which comes with the page unless its publisher left it out.

import { EngineError } from "../engine/errors.js";

const NAME = "sample.tif";
/** Where it is; empty if the page has none. */
export const SAMPLE = document.querySelector('meta[name="raremap-sample"]')?.getAttribute("content") ?? "";

/** @returns {Promise<File>} */
export async function fetchSample() {
  const response = await fetch(SAMPLE).catch((cause) => {
    throw new EngineError("sample_fetch", String(cause));
  });
  if (!response.ok) throw new EngineError("sample_fetch", `The sample could not be fetched: HTTP ${response.status}.`);
  return new File([await response.blob()], NAME, { type: "image/tiff" });
}
