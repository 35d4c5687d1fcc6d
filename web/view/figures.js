// @ts-check
// How well a model finds its classes, as its card says.

const MAX_TEXT = 2000;
const MAX_ITEMS = 256;

/**
 * @typedef {object} ClassFigures how well a class was found on images that no weights were trained on; null where the card does not say
 * @property {string} name
 * @property {number | null} iou
 * @property {number | null} precision
 * @property {number | null} recall
 * @property {[number, number] | null} precisionInterval within which 95% of resampled validation sets fall, for the mask as it is drawn
 *
 * @typedef {object} Figures
 * @property {ClassFigures[]} classes
 * @property {number | null} threshold at which the mask was measured
 */

/** A text of a card, which anyone may have written. @param {unknown} value */
export function text(value) {
  return typeof value === "string" ? value.slice(0, MAX_TEXT) : "";
}

/** A list of a card. @param {unknown} value @returns {any[]} */
export function list(value) {
  return Array.isArray(value) ? value.slice(0, MAX_ITEMS) : [];
}

/** @param {unknown} value */
function share(value) {
  return typeof value === "number" && value >= 0 && value <= 1 ? value : null;
}

/**
 * How well each class was found in the validation split, by the weights as they are in the file if that was measured.
 *
 * @param {any} metrics of a card
 * @returns {Figures} without classes if there are none
 */
export function figuresOf(metrics) {
  const split = metrics?.val?.shipped ?? metrics?.val?.float;
  const intervals = list(split?.intervals?.with_threshold?.classes);
  return {
    threshold: share(metrics?.threshold),
    classes: list(split?.classes).map((it) => {
      const { low, high } = intervals.find((interval) => interval?.name === it?.name)?.precision ?? {};
      return {
        name: text(it?.name),
        iou: share(it?.iou),
        precision: share(it?.precision),
        recall: share(it?.recall),
        precisionInterval: share(low) === null || share(high) === null ? null : [low, high],
      };
    }),
  };
}

/** Whether most of what a model marks as a rare class is wrong: then it is called possible. @param {ClassFigures | undefined} figures */
export function isDoubtful(figures) {
  return figures?.precision !== undefined && figures.precision !== null && figures.precision < 0.5;
}

/**
 * The share of a class's pixels that were right, in percent: the interval if there is one.
 *
 * @param {ClassFigures | undefined} figures
 * @param {import("./speech.js").Speech} speech
 */
export function precisionText(figures, speech) {
  const percent = (/** @type {number} */ share) => speech.number(Math.round(100 * share));
  if (figures?.precisionInterval) return figures.precisionInterval.map(percent).join("–");
  return typeof figures?.precision === "number" ? percent(figures.precision) : "–";
}
