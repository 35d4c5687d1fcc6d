// The page's languages: complete, and chosen by what the user wants.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LANGUAGES, className, number, speech, t, title } from "../../web/page/text.js";

/** The same in every language, or never seen as it is. */
const UNTRANSLATED = new Set(["raremap", "ha", "%", "0 of 0 tiles", "raremap runs in your browser and needs JavaScript."]);

const squeezed = (/** @type {string} */ text) => text.trim().replace(/\s+/g, " ");
const html = readFileSync("index.html", "utf8").replace(/<!--.*?-->/gs, "");
const body = html.slice(html.indexOf("<body"));
const fixed = new Set([
  /** @type {RegExpExecArray} */ (/<title>(.*?)<\/title>/.exec(html))[1],
  ...[...body.matchAll(/>([^<]+)</g)].map(([, text]) => squeezed(text)),
  ...[...body.matchAll(/\s(?:aria-label|title|aria-roledescription)="([^"]+)"/g)].map(([, text]) => squeezed(text)),
].filter((text) => /[a-z]/i.test(text) && !UNTRANSLATED.has(text)));

const others = Object.entries(LANGUAGES).filter(([tag]) => tag !== "en");

for (const [tag, { messages, page }] of others) {
  test(`${tag} has every fixed text of the page, and no other`, () => {
    assert.deepEqual([...fixed].filter((text) => !page[text]), []);
    assert.deepEqual(Object.keys(page).filter((text) => !fixed.has(text)), []);
  });

  test(`${tag} fills in what English fills in`, () => {
    const places = (/** @type {string} */ text) => [...text.matchAll(/\{\w+\}/g)].map(String).toSorted();
    for (const [message, english] of Object.entries(LANGUAGES.en.messages)) {
      assert.deepEqual(places(messages[/** @type {import("../../web/page/text.js").Message} */ (message)]), places(english), message);
    }
  });
}

test("the first wanted language that the page speaks is taken, and English if there is none", () => {
  assert.equal(speech.nearest([undefined, null, "hi-IN", "en"]), "hi");
  assert.equal(speech.nearest(["fr", "en-GB", "hi"]), "en");
  assert.equal(speech.nearest(["toString", "xx"]), "en");
});

test("names and numbers follow the language", () => {
  try {
    speech.speak("hi");
    assert.equal(title("wetland"), "आर्द्रभूमि");
    // A class of a model of the user's keeps its name.
    assert.equal(className("salt_marsh"), "salt / marsh");
    assert.equal(t("opened", { name: "a.tif" }), "a.tif खुल गई है।");
    assert.equal(number(1_234_567), "12,34,567");
  } finally {
    speech.speak("en");
  }
});
