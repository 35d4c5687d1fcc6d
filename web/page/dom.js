// @ts-check
// Finding and making elements.

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
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | undefined>} [attributes] `true` sets an empty attribute, `false` none
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** @param {number[] | string} color red, green, blue; or as CSS has it */
export function swatch(color) {
  const element = make("span", { class: "swatch", "aria-hidden": "true" });
  // Through the style object: an attribute would need 'unsafe-inline'.
  element.style.backgroundColor = typeof color === "string" ? color : `rgb(${color.join(" ")})`;
  return element;
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

/**
 * Saves a blob as a file among the downloads.
 *
 * @param {Blob} blob
 * @param {string} name
 */
export function saveAs(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  // The browser reads the blob after the click returns, a large one for a while.
  setTimeout(() => URL.revokeObjectURL(url), 10 * 60_000);
}
