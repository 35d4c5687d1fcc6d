// @ts-check
// What is wrong, in the panel: what happened, what to try, and the details.

import { toEngineError } from "../engine/errors.js";
import { byId, make } from "./dom.js";
import { explain, t } from "./text.js";

/**
 * @param {string} what one sentence, such as "scene.tif could not be opened"
 * @param {unknown} cause
 * @param {string} [instead] advice in place of the usual one for this code
 */
export function showErrorBox(what, cause, instead) {
  const { code, cause: happened, advice, detail } = explain(toEngineError(cause));
  const box = byId("error");
  box.dataset.code = code;
  box.replaceChildren(
    make("strong", {}, what),
    make("p", {}, happened),
    make("p", {}, instead ?? advice),
    make("details", {}, make("summary", {}, t("details")), make("code", {}, detail)),
  );
  box.hidden = false;
  box.scrollIntoView({ block: "nearest" });
}

export function clearError() {
  byId("error").hidden = true;
  byId("error").replaceChildren();
}
