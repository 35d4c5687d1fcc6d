// @ts-check
// Finding and making elements.

export { make, swatch } from "../view/make.js";

/**
 * An element of index.html; its absence is a mistake in the page, not a state of it.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return /** @type {T} */ (element);
}

/**
 * A number field and its slider: one value, two ways to set it.
 *
 * @param {string} id of the number field; its slider is `${id}-range`
 * @param {(value: number) => void} onInput only for values within the field's bounds
 */
export function bindNumber(id, onInput) {
  const field = /** @type {HTMLInputElement} */ (byId(id));
  const range = /** @type {HTMLInputElement} */ (byId(`${id}-range`));
  range.addEventListener("input", () => {
    field.value = range.value;
    onInput(range.valueAsNumber);
  });
  field.addEventListener("input", () => {
    if (!field.checkValidity() || field.value === "") return;
    range.value = field.value;
    onInput(field.valueAsNumber);
  });
  // Leaving the field with something that is no valid value puts the last valid one back.
  field.addEventListener("change", () => {
    if (!field.checkValidity() || field.value === "") field.value = range.value;
  });
}
