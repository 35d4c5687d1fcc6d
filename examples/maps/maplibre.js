import { Map, setWorkerUrl } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import "maplibre-gl/dist/maplibre-gl.css";

import { canvasOf, portal } from "./portal.js";

// MapLibre does not find its worker in a bundle by itself.
setWorkerUrl(workerUrl);
const map = new Map({
  container: "map",
  style: { version: 8, sources: {}, layers: [{ id: "ground", type: "background", paint: { "background-color": "#dfe4df" } }] },
  center: [0, 30],
  zoom: 1,
});

async function show(overlay) {
  if (!map.loaded()) await map.once("load");
  if (map.getLayer("raremap")) map.removeLayer("raremap");
  if (map.getSource("raremap")) map.removeSource("raremap");
  map.addSource("raremap", { type: "canvas", canvas: canvasOf(overlay), coordinates: overlay.corners, animate: false });
  map.addLayer({ id: "raremap", type: "raster", source: "raremap", paint: { "raster-resampling": "nearest", "raster-fade-duration": 0 } });
  map.fitBounds(overlay.bounds, { animate: false, padding: 20 });
}

// For the console.
Object.assign(window, { map });
portal(show);
