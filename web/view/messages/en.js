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
  ownColors: "Custom",
  shownAsRed: "Shown as red",
  shownAsGreen: "Shown as green",
  shownAsBlue: "Shown as blue",
  stretch: "Stretch",
  stretchFrom: "{low} to {high}%",
  shownBands: "{red}, {green} and {blue} are shown as red, green and blue, stretched from percentile {low} to {high}.",
  drawing: "The scene is being drawn.",
  bandNumber: "Band {number}",
  bandNamed: "Band {number}: {name}",

  // The scene before the run
  emptyBorder: "Treat the empty border as no data",
  resample: "Run at the model's {metres} m; the mask keeps the scene's own pixels",
  matching: "Match the values to the training data's",
  figures: "Figures",
  chooseBand: "Choose a band",
  bandNotThere: "Not in the scene",
  warn8Bit: "The values look like 8-bit display values. Match them to the model's, or use the original image if you have it.",
  warnReflectance: "The values look like reflectances from 0 to 1. Multiply them by 10,000, or the result will be wrong.",
  warnSwapped: "The bands may be in the wrong order, and then the result is wrong. Check them under Bands.",
  warnHazy: "The values look like top-of-atmosphere reflectance, or the scene is hazy. Surface reflectance gives a better map, above all of wetland.",
  warnUnusual: "The values are unlike those of the training data, so the result may be wrong. Check the bands and the scaling.",

  // The map
  classes: "Classes",
  saliency: "Saliency",
  disagreement: "Disagreement",
  sceneOnly: "Scene only",
  howLikely: "How likely each pixel is to be {name}",
  auxiliaryAlone: "Found by the rare-class head alone",
  mainAlone: "Found by the main head alone",
  legendSaliency: "Saliency. The top {percent}%, {threshold} and above, are bright",
  legendNoSaliency: "Saliency. No pixel is marked",
  probabilityOf: "Probability of {name}",

  // Areas
  hectares: "ha",
  pixelsUnit: "pixels",
  countedPixels: "{count} pixels",
  rare: "rare",
  possible: "Possible {name}",
  lookAtEach: "Look at each place.",
  right: "right, %",
  rightNote: "Right (precision): of 100 pixels marked as the class, how many really belonged to it, on images that the model was not trained on.",
  rightThreshold: "Measured with a threshold of {threshold}.",
  noGeoreference: "The scene has no georeferencing, so areas are counts of pixels.",
  partOnly: "The table only counts the part that was finished.",
  noDataPixels: "{count} pixels have no data.",

  // Places
  review: "Look here first",
  reviewSave: "Save the list with its ticks",
  reviewReading: "Listing the places.",
  reviewEmpty: "No place is marked: raise top-k, or select a rare class.",
  reviewPlace: "{rank}. {size}, saliency {saliency}",
  reviewDone: "Place {rank} is checked",
  reviewCount: "{checked} of {total} places checked.",
  reviewCountOfMany: "{checked} of {total} places checked. The first {shown} are listed; the saved file has all of them.",

  // Files
  fileMaskTif: "Mask, GeoTIFF",
  fileMaskPng: "Mask, PNG",
  fileProbability: "Probability, GeoTIFF",
  fileSaliency: "Saliency, GeoTIFF",
  filePolygons: "Polygons, GeoJSON",
  fileReview: "Look here first, GeoJSON",
  fileAreasCsv: "Areas, CSV",
  fileAreasJson: "Areas, JSON",
  fileItem: "STAC Item",

  // Bands whose names people write otherwise than data does
  band_nir: "near infrared",
  band_swir1: "short-wave infrared 1",
  band_swir2: "short-wave infrared 2",
};
