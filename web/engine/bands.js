/**
 * @typedef {Pick<import("../wasm/raremap-web.js").OpenedScene, "modelBands" | "optionalBands">} ModelBands
 * @typedef {(number | null)[]} Bands the scene's band, from 0, for each of the model's; null where none is assigned
 */

/**
 * Names of the bands that the model cannot do without and that are not assigned.
 *
 * @param {ModelBands} opened
 * @param {Bands} bands
 */
export const unassigned = ({ modelBands, optionalBands }, bands) =>
  modelBands.filter((name, i) => (bands[i] ?? null) === null && !optionalBands.includes(name));

/**
 * The bands of a picture or a run: none, as long as one that the model needs is not assigned.
 *
 * @param {ModelBands} opened
 * @param {Bands} bands
 */
export const assigned = (opened, bands) => (unassigned(opened, bands).length > 0 ? [] : bands);
