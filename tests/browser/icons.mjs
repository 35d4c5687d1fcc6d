// Draws web/icon.svg as the PNG files that an installed page needs: node tests/browser/icons.mjs

import { readFileSync } from "node:fs";

import { launch } from "./page.mjs";

const svg = readFileSync("web/icon.svg", "utf8");
const ICONS = [
  { name: "192", size: 192 },
  { name: "512", size: 512 },
  // Systems cut these to a shape of their own; what matters stays within the middle 80%.
  { name: "maskable-512", size: 512, background: "#0f6b5e", inset: 51 },
];

const browser = await launch();
for (const { name, size, background = "transparent", inset = 0 } of ICONS) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.setContent(`<style>body{margin:${inset}px;background:${background}}svg{display:block;width:${size - 2 * inset}px}</style>${svg}`);
  await page.screenshot({ path: `web/icons/${name}.png`, omitBackground: true });
  await page.close();
}
await browser.close();
