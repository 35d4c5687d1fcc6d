// What the three pages share: a scene is chosen, mapped, and handed over as a picture on the axes of Web Mercator.

import { createSession } from "raremap";

const status = document.querySelector("#status");
const input = document.querySelector("#scene");

/** Calls `show` with the overlay of each scene that is chosen; `?scene=ADDRESS` is one, too. */
export async function portal(show) {
  const session = await createSession({ backend: new URLSearchParams(location.search).get("backend") ?? "auto" });
  const map = async (source) => {
    try {
      await session.open(source);
      const run = session.run();
      for await (const { done, total } of run) status.textContent = `${done} of ${total} tiles`;
      const result = await run;
      const overlay = await result.overlay("mask");
      await show(overlay);
      // For the console, as the pages' map is.
      Object.assign(window, { result });
      const { classes } = await result.areas();
      const found = classes.filter(({ rare, pixels }) => rare && pixels > 0);
      status.textContent = found.map(({ name, hectares }) => `${name}: ${hectares?.toFixed(1) ?? "?"} ha`).join(", ") || "No rare class was found.";
    } catch (error) {
      status.textContent = `${error.message} (${error.code})`;
    }
  };
  input.addEventListener("change", () => map(input.files));
  input.disabled = false;
  status.textContent = "Choose a scene.";
  const scene = new URLSearchParams(location.search).get("scene");
  if (scene) await map(scene);
}

/** The overlay's picture on a canvas. */
export function canvasOf({ bitmap }) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return canvas;
}

/** The overlay's picture as an address, for libraries that take only that. */
export async function addressOf(overlay) {
  const blob = await new Promise((resolve) => canvasOf(overlay).toBlob(resolve));
  return URL.createObjectURL(blob);
}
