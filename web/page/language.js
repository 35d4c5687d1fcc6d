// @ts-check
// The page's language: chosen by its address, by the user, or by the browser.

import { byId } from "./dom.js";
import { LANGUAGES, speech } from "./text.js";

const STORED = "raremap.language";
const ATTRIBUTES = ["aria-label", "title", "aria-roledescription"];

/** The user's choice; browsers may forbid pages to store anything. */
function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

/**
 * Puts the fixed texts of the page into its language.
 *
 * @param {Record<string, string>} texts by the English ones
 */
function translate(texts) {
  const translated = (/** @type {string} */ text) => texts[text.trim().replace(/\s+/g, " ")];
  document.title = translated(document.title) ?? document.title;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.nodeValue ?? "";
    // Spaces around it part it from its neighbours.
    const [, before, after] = /^(\s*)[^]*?(\s*)$/.exec(text) ?? ["", "", ""];
    const other = translated(text);
    if (other) node.nodeValue = before + other + after;
  }
  for (const attribute of ATTRIBUTES) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      element.setAttribute(attribute, translated(element.getAttribute(attribute) ?? "") ?? element.getAttribute(attribute) ?? "");
    }
  }
}

/** Chooses the language before anything is written. @param {string | undefined} wanted the address's */
export function startLanguage(wanted) {
  const tag = speech.nearest([wanted, stored(), ...navigator.languages]);
  speech.speak(tag);
  document.documentElement.lang = tag;
  translate(LANGUAGES[tag].page);
  const select = /** @type {HTMLSelectElement} */ (byId("language"));
  for (const [value, { name }] of Object.entries(LANGUAGES)) {
    const option = new Option(name, value);
    option.lang = value;
    select.append(option);
  }
  select.value = tag;
  select.addEventListener("change", () => choose(select.value));
}

/** Takes another language: at once, unless a scene is open that a new start would close. @param {string} tag */
function choose(tag) {
  try {
    localStorage.setItem(STORED, tag);
  } catch {
    // Then the address says it.
  }
  const address = new URL(location.href);
  address.searchParams.set("lang", tag);
  history.replaceState(null, "", address);
  if (byId("scene").hidden) location.reload();
  else byId("language-note").hidden = false;
}
