// @ts-check
// What page and element say in the same words, in Hindi.

/** @type {Record<keyof typeof import("./en.js").shared, string>} */
export const shared = {
  colors: "रंग",
  combination: "संयोजन",
  automaticColors: "स्वचालित",
  naturalColors: "प्राकृतिक",
  infraredColors: "निकट अवरक्त",
  shortWaveColors: "लघु-तरंग अवरक्त",
  ownColors: "अपनी पसंद",
  shownAsRed: "लाल",
  shownAsGreen: "हरा",
  shownAsBlue: "नीला",
  stretch: "विस्तार",
  stretchFrom: "{low} से {high} %",
  shownBands: "{red}, {green} और {blue} लाल, हरे और नीले रंग में दिखते हैं, प्रतिशतक {low} से {high} तक।",
  drawing: "चित्र बन रहा है, {percent} %",
  bandNumber: "बैंड {number}",
  bandNamed: "बैंड {number}: {name}",
};
