// @ts-check
// The package's entry: maps scenes from JavaScript, without a page. Importing it starts nothing and needs no browser; sessions do.

export { createSession, Session } from "./session.js";
export { Run } from "./run.js";
export { Result } from "./result.js";
export { EngineError } from "../engine/errors.js";

/**
 * Types that applications name.
 *
 * @typedef {import("./session.js").Inspection} Inspection
 * @typedef {import("./session.js").OpenOptions} OpenOptions
 * @typedef {import("./session.js").RunOptions} RunOptions
 * @typedef {import("./session.js").SessionOptions} SessionOptions
 * @typedef {import("./source.js").Source} Source
 * @typedef {import("./run.js").RunEvent} RunEvent
 * @typedef {import("./result.js").FeatureCollection} FeatureCollection
 * @typedef {import("./result.js").MapOverlay} MapOverlay
 * @typedef {import("./result.js").Mask} Mask
 * @typedef {import("./result.js").Raster} Raster
 * @typedef {import("../engine/messages.js").Entry} Entry
 * @typedef {import("../engine/messages.js").LoadedModel} LoadedModel
 * @typedef {import("../engine/messages.js").LoadProgress} LoadProgress
 * @typedef {import("../engine/messages.js").Picture} Picture
 * @typedef {import("../engine/messages.js").Preview} Preview
 * @typedef {import("../engine/messages.js").Progress} Progress
 * @typedef {import("../engine/messages.js").WantedBackend} WantedBackend
 * @typedef {import("../wasm/raremap-web.js").Areas} Areas
 * @typedef {import("../wasm/raremap-web.js").BandAssignment} BandAssignment
 * @typedef {import("../wasm/raremap-web.js").Composition} Composition
 * @typedef {import("../wasm/raremap-web.js").DecideOptions} DecideOptions
 * @typedef {import("../wasm/raremap-web.js").Grid} Grid
 * @typedef {import("../wasm/raremap-web.js").LayerKind} LayerKind
 * @typedef {import("../wasm/raremap-web.js").ModelCard} ModelCard
 * @typedef {import("../wasm/raremap-web.js").Notice} Notice
 * @typedef {import("../wasm/raremap-web.js").OpenedScene} OpenedScene
 * @typedef {import("../wasm/raremap-web.js").ResultFile} ResultFile
 * @typedef {import("../wasm/raremap-web.js").SceneStatistics} SceneStatistics
 * @typedef {import("../wasm/raremap-web.js").SceneWindow} SceneWindow
 */
