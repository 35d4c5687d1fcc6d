// @ts-check
// The sample scene, which comes with the page.

import { EngineError } from "../engine/errors.js";

const NAME = "sample.tif";

/** @returns {Promise<File>} */
export async function fetchSample() {
  const response = await fetch(new URL("../sample/scene.tif", import.meta.url)).catch((cause) => {
    throw new EngineError("sample_fetch", String(cause));
  });
  if (!response.ok) throw new EngineError("sample_fetch", `The sample could not be fetched: HTTP ${response.status}.`);
  return new File([await response.blob()], NAME, { type: "image/tiff" });
}
