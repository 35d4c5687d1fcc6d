// @ts-check
// What page and element say in the same words, in English, the language that every other message file follows. {Names} in braces are filled in.

export const shared = {
  // The colours of the scene
  colors: "Colours",
  combination: "Combination",
  automaticColors: "Automatic",
  naturalColors: "Natural",
  infraredColors: "Near infrared",
  shortWaveColors: "Short-wave infrared",
  ownColors: "Own choice",
  shownAsRed: "Red",
  shownAsGreen: "Green",
  shownAsBlue: "Blue",
  stretch: "Stretch",
  stretchFrom: "{low} to {high} %",
  shownBands: "{red}, {green} and {blue} are shown as red, green and blue, stretched from percentile {low} to {high}.",
  drawing: "Drawing, {percent} %",
  bandNumber: "Band {number}",
  bandNamed: "Band {number}: {name}",
};
