import Map from "ol/Map.js";
import View from "ol/View.js";
import ImageLayer from "ol/layer/Image.js";
import { transformExtent } from "ol/proj.js";
import ImageStatic from "ol/source/ImageStatic.js";
import "ol/ol.css";

import { addressOf, portal } from "./portal.js";

const layer = new ImageLayer();
const map = new Map({ target: "map", layers: [layer], view: new View({ center: [0, 0], zoom: 1 }) });

async function show(overlay) {
  const { extent } = overlay;
  // A view in another projection works as well: OpenLayers reprojects the picture from this one.
  layer.setSource(new ImageStatic({ url: await addressOf(overlay), imageExtent: extent, projection: "EPSG:3857", interpolate: false }));
  map.getView().fit(transformExtent(extent, "EPSG:3857", map.getView().getProjection()), { padding: [20, 20, 20, 20] });
}

// For the console.
Object.assign(window, { map });
portal(show);
