import { resolve } from "node:path";

export default {
  base: "./",
  // Pre-bundling would lose the worker, which lies beside its modules.
  optimizeDeps: { exclude: ["raremap"] },
  build: {
    rolldownOptions: { input: ["index", "maplibre", "openlayers", "leaflet"].map((page) => resolve(import.meta.dirname, `${page}.html`)) },
  },
};
