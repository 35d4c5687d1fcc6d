// @ts-check
// The buttons that save the result as files.

import { make } from "./make.js";

/**
 * @typedef {import("../wasm/raremap-web.js").ResultFile} ResultFile
 * @typedef {import("./speech.js").Speech} Speech
 */

/** What the files are in the user's words, by name. @type {Record<string, import("./speech.js").SharedWord>} */
const WORDS = {
  "mask.tif": "fileMaskTif",
  "mask.png": "fileMaskPng",
  "probability.tif": "fileProbability",
  "saliency.tif": "fileSaliency",
  "polygons.geojson": "filePolygons",
  "review.geojson": "fileReview",
  "areas.csv": "fileAreasCsv",
  "areas.json": "fileAreasJson",
  "item.json": "fileItem",
};

/** The button's id: `download-mask-tif` of `mask.tif`. @param {string} name of a file */
const downloadId = (name) => `download-${name.replace(".", "-")}`;

/**
 * @param {ResultFile[]} files
 * @param {(file: ResultFile, button: HTMLButtonElement) => void} onChoice
 * @param {Speech} speech
 */
export function fileButtons(files, onChoice, speech) {
  return files.map((file) => {
    const { name, title } = file;
    const text = Object.hasOwn(WORDS, name) ? speech.say(WORDS[name]) : name;
    const attributes = { type: "button", id: downloadId(name), class: "secondary", part: "button download", "data-file": name, title };
    const button = make("button", attributes, text);
    button.addEventListener("click", () => onChoice(file, button));
    return button;
  });
}
