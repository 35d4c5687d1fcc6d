// @ts-check
// What the element says, by language.

import { shared as sharedEn } from "../view/messages/en.js";
import { names, shared as sharedHi } from "../view/messages/hi.js";
import { Speech } from "../view/speech.js";

const en = {
  ...sharedEn,
  loading: "Loading the model.",
  empty: "Choose a satellite image, or drop it here.",
  accepts: "GeoTIFF, band files or a zip. Nothing is uploaded.",
  reading: "Reading {name}.",
  ready: "{name} is open.",
  bandMissing: "Which band of the scene is this: {bands}? Choose it under Bands.",
  bands: "Bands",
  running: "Mapping the scene.",
  tiles: "{done} of {total} tiles",
  done: "Mapped in {secs} s.",
  cancelled: "Cancelled after {done} of {total} tiles. The map is incomplete.",
  measuring: "Measuring areas, {percent}%",
  failed: "This did not work.",
  choose: "Choose a file",
  another: "Open another",
  run: "Run",
  cancel: "Cancel",
  threshold: "Threshold",
  rareClasses: "Rare classes",
  topK: "Top-k saliency (%)",
  opacity: "Opacity (%)",
  class: "Class",
  legend: "Legend",
  layer: "Show",
  percent: "%",
  areas: "Area by class",
  downloads: "Downloads",
  canvas: "Scene. Drag it or use the arrow keys to move, press plus and minus to zoom, or 0 to show all of it.",
  zoomIn: "Zoom in",
  zoomOut: "Zoom out",
  zoomFit: "Show all",
  progress: "Tiles done",
};

/** @typedef {keyof typeof en} Word */

/** @type {Record<Word, string>} */
const hi = {
  ...sharedHi,
  loading: "मॉडल लोड हो रहा है।",
  empty: "उपग्रह चित्र चुनें, या यहाँ छोड़ें।",
  accepts: "GeoTIFF, बैंड फ़ाइलें या zip। कुछ भी अपलोड नहीं होता।",
  reading: "{name} पढ़ी जा रही है।",
  ready: "{name} खुली है।",
  bandMissing: "दृश्य का कौन-सा बैंड है: {bands}? उसे बैंड के अंतर्गत चुनें।",
  bands: "बैंड",
  running: "दृश्य का मानचित्र बन रहा है।",
  tiles: "{total} में से {done} टाइलें",
  done: "{secs} सेकंड में मानचित्र बना।",
  cancelled: "{total} में से {done} टाइलों के बाद रद्द। मानचित्र अधूरा है।",
  measuring: "क्षेत्रफल मापा जा रहा है, {percent}%",
  failed: "यह नहीं हो सका।",
  choose: "फ़ाइल चुनें",
  another: "दूसरी खोलें",
  run: "चलाएँ",
  cancel: "रद्द करें",
  threshold: "सीमा",
  rareClasses: "दुर्लभ वर्ग",
  topK: "शीर्ष-k महत्व (%)",
  opacity: "अपारदर्शिता (%)",
  class: "वर्ग",
  legend: "संकेत सूची",
  layer: "दिखाएँ",
  percent: "%",
  areas: "वर्ग के अनुसार क्षेत्रफल",
  downloads: "डाउनलोड",
  canvas: "दृश्य। खिसकाने के लिए खींचें या तीर कुंजियाँ दबाएँ, ज़ूम के लिए + और -, पूरा दिखाने के लिए 0।",
  zoomIn: "ज़ूम इन",
  zoomOut: "ज़ूम आउट",
  zoomFit: "पूरा दिखाएँ",
  progress: "पूरी टाइलें",
};

/** By their tags. A language is one more entry here, and one more file in web/view/messages. */
const LANGUAGES = {
  en: { messages: en, names: {} },
  hi: { messages: hi, names },
};

/** What an element says, in a language of its own. @returns {Speech<Word>} */
export function newSpeech() {
  return new Speech(LANGUAGES);
}
