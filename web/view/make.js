// @ts-check
// Making elements, without a style attribute or HTML text that a strict policy would refuse.

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
  const element = make("span", { class: "swatch", part: "swatch", "aria-hidden": "true" });
  // Through the style object: an attribute would need 'unsafe-inline'.
  element.style.backgroundColor = typeof color === "string" ? color : `rgb(${color.join(" ")})`;
  return element;
}

/**
 * Saves a file as the browser's downloads are saved.
 *
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  // The browser reads the blob after the click returns, a large one for a while.
  setTimeout(() => URL.revokeObjectURL(url), 10 * 60_000);
}
