// @ts-check
// The element's look. Its colours are custom properties, which the page around it can set.

const STYLE = `
:host {
  display: block;
  container-type: inline-size;
  color-scheme: light dark;
  --_ground: var(--raremap-ground, light-dark(#e9ebe8, #0e1012));
  --_panel: var(--raremap-panel, light-dark(#f9faf8, #171b1d));
  --_raised: var(--raremap-raised, light-dark(#ffffff, #20262a));
  --_line: var(--raremap-line, light-dark(#d3d7d1, #31393d));
  --_line-strong: var(--raremap-line-strong, light-dark(#858d86, #7d888d));
  --_text: var(--raremap-text, light-dark(#1b211e, #e7ebe9));
  --_muted: var(--raremap-muted, light-dark(#56605a, #a3aeaa));
  --_accent: var(--raremap-accent, light-dark(#0f6b5e, #57c7b1));
  --_on-accent: var(--raremap-on-accent, light-dark(#ffffff, #06231e));
  --_danger: var(--raremap-danger, light-dark(#9c2a1c, #ff9d8c));
  --_radius: var(--raremap-radius, 8px);
  font: var(--raremap-font, 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif);
  font-variant-numeric: tabular-nums;
  color: var(--_text);
}
:host([hidden]), [hidden] { display: none !important; }
*, *::before, *::after { box-sizing: border-box; }
p, ul, fieldset, legend, table { margin: 0; padding: 0; border: 0; }
fieldset { min-width: 0; }
ul { list-style: none; }
.root {
  display: grid;
  grid-template-columns: minmax(0, 1fr);
  border: 1px solid var(--_line);
  border-radius: var(--_radius);
  overflow: hidden;
  background: var(--_panel);
}
.viewer { position: relative; height: var(--raremap-viewer-height, 320px); background: var(--_ground); }
canvas { display: block; width: 100%; height: 100%; touch-action: none; cursor: grab; }
canvas:active { cursor: grabbing; }
.empty {
  position: absolute;
  inset: 12px;
  display: grid;
  gap: 8px;
  place-content: center;
  justify-items: center;
  padding: 12px;
  border: 2px dashed var(--_line-strong);
  border-radius: var(--_radius);
  text-align: center;
}
.root.dropping .empty, .root.dropping .viewer { border-color: var(--_accent); outline: 3px solid var(--_accent); outline-offset: -3px; }
.tools { position: absolute; top: 8px; right: 8px; display: grid; gap: 4px; }
.tools button { width: 36px; padding: 0; font-size: 18px; line-height: 1; }
.panel { display: grid; gap: 14px; align-content: start; padding: 14px; min-width: 0; }
.group { display: grid; gap: 10px; justify-items: stretch; }
.group > button { justify-self: start; }
::slotted(*) { margin: 0; }
.muted { color: var(--_muted); }
.small { font-size: 0.87em; }
.error { padding: 8px 10px; border: 1px solid var(--_danger); border-radius: 6px; color: var(--_danger); overflow-wrap: anywhere; }
.status { overflow-wrap: anywhere; }
.legend {
  position: absolute;
  bottom: 8px;
  left: 8px;
  max-width: calc(100% - 16px);
  padding: 6px 10px;
  border-radius: var(--_radius);
  background: color-mix(in srgb, var(--_panel) 94%, transparent);
  font-size: 0.87em;
}
.legend .classes { display: flex; flex-wrap: wrap; gap: 2px 14px; }
.legend canvas { display: block; width: 240px; max-width: 100%; height: 12px; margin: 4px 0 2px; border-radius: 3px; forced-color-adjust: none; }
.legend .ends { display: flex; justify-content: space-between; max-width: 240px; }
summary { min-height: 28px; font-weight: 500; cursor: pointer; }
.colors label { display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; align-items: center; }
.check { display: flex; gap: 8px; align-items: center; min-height: 32px; font-weight: 400; }
#offers:not(:has(> :not([hidden]))) { display: none; }
#matching-hint { grid-column: 1 / -1; font-size: 0.87em; }
#offers .check { grid-column: 1 / -1; }
#review-list { max-height: 260px; margin: 6px 0; padding: 0; overflow-y: auto; list-style: none; }
#review-list li { display: flex; gap: 8px; align-items: center; }
.quiet { min-height: 32px; padding: 2px 6px; border-color: transparent; background: none; color: var(--_accent); text-align: start; text-decoration: underline; }
.name .rare { margin-inline-start: 6px; padding: 0 6px; border: 1px solid var(--_line-strong); border-radius: 9px; color: var(--_muted); font-size: 0.8em; }
.doubt { display: block; color: var(--_muted); font-size: 0.87em; }
ul:empty, .small:empty { display: none; }
.warnings li { padding: 6px 0; border-top: 1px solid var(--_line); }
button, input, select { font: inherit; font-variant-numeric: inherit; color: inherit; }
button {
  min-height: 36px;
  padding: 6px 12px;
  border: 1px solid var(--_line-strong);
  border-radius: var(--_radius);
  background: var(--_raised);
  cursor: pointer;
}
button.primary { width: 100%; min-height: 42px; border-color: transparent; background: var(--_accent); color: var(--_on-accent); font-weight: 650; }
button:disabled { cursor: default; border-color: var(--_line); background: var(--_line); color: var(--_muted); }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }
label, legend { font-weight: 500; }
.field { display: grid; grid-template-columns: 1fr 84px; gap: 2px 12px; align-items: center; }
.field input[type="range"] { grid-column: 1 / -1; width: 100%; min-height: 24px; margin: 0; }
input[type="number"] { min-height: 34px; min-width: 0; padding: 4px 8px; border: 1px solid var(--_line-strong); border-radius: 6px; background: var(--_raised); }
input[type="number"]:invalid { border-color: var(--_danger); }
input, progress { accent-color: var(--_accent); }
progress { width: 100%; height: 8px; }
.checks { display: flex; flex-wrap: wrap; gap: 0 18px; }
.checks label { display: flex; gap: 8px; align-items: center; min-height: 32px; font-weight: 400; }
.checks input { width: 17px; height: 17px; margin: 0; flex: none; }
.swatch {
  display: inline-block;
  width: 14px;
  height: 14px;
  margin-right: 8px;
  flex: none;
  border: 1px solid light-dark(rgb(0 0 0 / 35%), rgb(255 255 255 / 40%));
  border-radius: 3px;
  vertical-align: -2px;
  forced-color-adjust: none;
}
.checks .swatch { margin-right: 0; }
.bands { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 6px 12px; align-items: center; padding-top: 6px; }
select { min-height: 34px; padding: 4px 8px; border: 1px solid var(--_line-strong); border-radius: 6px; background: var(--_raised); }
.table { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: 5px 4px; border-bottom: 1px solid var(--_line); text-align: start; font-weight: 400; }
thead th { color: var(--_muted); font-size: 0.87em; }
.number { text-align: end; white-space: nowrap; }
.downloads { display: flex; flex-wrap: wrap; gap: 6px; }
@container (min-width: 720px) {
  .root { grid-template-columns: minmax(0, 1fr) 320px; }
  .viewer { height: var(--raremap-viewer-height, 100%); min-height: 420px; }
  .panel { max-height: var(--raremap-panel-height, 720px); overflow-y: auto; border-inline-start: 1px solid var(--_line); }
}
@media (prefers-reduced-motion: reduce) {
  progress:indeterminate { visibility: hidden; }
}
`;

/** @type {CSSStyleSheet | undefined} */
let sheet;

/** One for all elements. */
export function styleSheet() {
  if (sheet) return sheet;
  sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  return sheet;
}
