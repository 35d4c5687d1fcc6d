import L from "leaflet";
import "leaflet/dist/leaflet.css";

import { addressOf, portal } from "./portal.js";

// Leaflet's own projection is that of the overlay.
const map = L.map("map", { center: [30, 0], zoom: 1, maxZoom: 24 });
let layer;

async function show(overlay) {
  const [west, south, east, north] = overlay.bounds;
  const bounds = [[south, west], [north, east]];
  layer?.remove();
  layer = L.imageOverlay(await addressOf(overlay), bounds, { className: "pixels" }).addTo(map);
  map.fitBounds(bounds, { animate: false, padding: [20, 20] });
}

// For the console.
Object.assign(window, { map });
portal(show);
