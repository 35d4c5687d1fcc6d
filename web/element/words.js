// @ts-check
// What the element says, by language; numbers follow the language too. A language is one more entry here.

const en = {
  loading: "Loading the model.",
  empty: "Choose a satellite image, or drop it here.",
  accepts: "GeoTIFF, band files or a zip. Nothing is uploaded.",
  reading: "Reading {name}.",
  ready: "{name} is open.",
  bandMissing: "Which band of the scene is this: {bands}? Choose it under Bands.",
  bands: "Bands",
  band: "Band {number}",
  chooseBand: "Choose a band",
  bandNotThere: "Not in the scene",
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
  rare: "Rare classes",
  topK: "Top-k saliency (%)",
  layer: "Show",
  classes: "Classes",
  saliency: "Saliency",
  none: "Scene only",
  class: "Class",
  hectares: "ha",
  pixels: "pixels",
  percent: "%",
  areas: "Area by class",
  downloads: "Downloads",
  canvas: "Scene. Drag it or use the arrow keys to move, press plus and minus to zoom, or 0 to show all of it.",
  zoomIn: "Zoom in",
  zoomOut: "Zoom out",
  zoomFit: "Show all",
  progress: "Tiles done",
  "mask.tif": "Mask, GeoTIFF",
  "mask.png": "Mask, PNG",
  "probability.tif": "Probability, GeoTIFF",
  "saliency.tif": "Saliency, GeoTIFF",
  "polygons.geojson": "Polygons, GeoJSON",
  "review.geojson": "Look here first, GeoJSON",
  "areas.csv": "Areas, CSV",
  "areas.json": "Areas, JSON",
  "item.json": "STAC Item",
};

/** @typedef {keyof typeof en} Word */

/** @type {Record<Word, string>} */
const hi = {
  loading: "मॉडल लोड हो रहा है।",
  empty: "उपग्रह चित्र चुनें, या यहाँ छोड़ें।",
  accepts: "GeoTIFF, बैंड फ़ाइलें या zip। कुछ भी अपलोड नहीं होता।",
  reading: "{name} पढ़ी जा रही है।",
  ready: "{name} खुली है।",
  bandMissing: "दृश्य का कौन-सा बैंड है: {bands}? उसे बैंड के अंतर्गत चुनें।",
  bands: "बैंड",
  band: "बैंड {number}",
  chooseBand: "बैंड चुनें",
  bandNotThere: "दृश्य में नहीं",
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
  rare: "दुर्लभ वर्ग",
  topK: "शीर्ष-k महत्व (%)",
  layer: "दिखाएँ",
  classes: "वर्ग",
  saliency: "महत्व",
  none: "केवल दृश्य",
  class: "वर्ग",
  hectares: "हेक्टेयर",
  pixels: "पिक्सेल",
  percent: "%",
  areas: "वर्ग के अनुसार क्षेत्रफल",
  downloads: "डाउनलोड",
  canvas: "दृश्य। खिसकाने के लिए खींचें या तीर कुंजियाँ दबाएँ, ज़ूम के लिए + और -, पूरा दिखाने के लिए 0।",
  zoomIn: "ज़ूम इन",
  zoomOut: "ज़ूम आउट",
  zoomFit: "पूरा दिखाएँ",
  progress: "पूरी टाइलें",
  "mask.tif": "मास्क, GeoTIFF",
  "mask.png": "मास्क, PNG",
  "probability.tif": "प्रायिकता, GeoTIFF",
  "saliency.tif": "महत्व, GeoTIFF",
  "polygons.geojson": "बहुभुज, GeoJSON",
  "review.geojson": "पहले यहाँ देखें, GeoJSON",
  "areas.csv": "क्षेत्रफल, CSV",
  "areas.json": "क्षेत्रफल, JSON",
  "item.json": "STAC Item",
};

/** @type {Record<string, Record<Word, string>>} */
const LANGUAGES = { en, hi };

/** A language that the element speaks, for one that was asked for. @param {string} wanted a tag such as `hi-IN` */
export function languageOf(wanted) {
  const [language] = wanted.toLowerCase().split("-");
  return Object.hasOwn(LANGUAGES, language) ? language : "en";
}

export class Words {
  #texts;

  /** @param {string} wanted */
  constructor(wanted) {
    this.language = languageOf(wanted);
    this.#texts = LANGUAGES[this.language];
  }

  /**
   * @param {string} word
   * @param {Record<string, string | number>} [values] in place of the names in braces
   */
  say(word, values = {}) {
    const text = Object.hasOwn(this.#texts, word) ? this.#texts[/** @type {Word} */ (word)] : word;
    return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  }

  /** @param {number} value @param {number} [digits] decimals; one at most if absent */
  number(value, digits) {
    return value.toLocaleString(this.language, { minimumFractionDigits: digits, maximumFractionDigits: digits ?? 1 });
  }

  /** With more digits the smaller it is. @param {number} value hectares or percent */
  amount(value) {
    if (value === 0) return "0";
    if (value < 0.01) return `< ${this.number(0.01, 2)}`;
    return this.number(value, value >= 100 ? 0 : value >= 1 ? 1 : 2);
  }
}

/** A class's name as people write it: `grass_shrub` is "Grass / shrub". @param {string} name */
export function className(name) {
  const words = name.replaceAll("_", " / ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
