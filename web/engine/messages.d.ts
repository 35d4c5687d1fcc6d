// The messages between the engine and its worker. The types of the model, the scene and the result are generated from the Rust types.

import type {
  Areas,
  ComposeOptions,
  DecideOptions,
  LayerRequest,
  LayerValues,
  ModelInfo,
  Notice,
  OpenedScene,
  PreviewOptions,
  ResultFile,
  RunOptions,
  SceneLook,
  SceneStatistics,
  SceneWindow,
} from "../wasm/raremap-web.js";

/** One file of the reader's computer, with its path: `/` between folders, as that computer has it. */
export interface Entry {
  path: string;
  file: File;
}

/**
 * Where a scene comes from: files of the reader's computer, or one file on a server that is read by ranges. Without `emptyBorder: false`, zeros in
 * all bands along the edge of a scene that marks no pixels have no data.
 */
export type SceneSource = ({ entries: Entry[] } | { url: string; name: string }) & { emptyBorder?: boolean };

/** A kind of device: the processor, or a graphics card. */
export type Backend = "cpu" | "webgpu";

/** Where the model should run: `auto` takes a graphics card if it is good enough, and `webgpu` takes a software adapter too. */
export type WantedBackend = "auto" | "cpu" | "webgpu";

/**
 * Why the model runs where it does. `network`: only the processor can compute this kind of network. `gpu_module`: the module for graphics cards could not be
 * loaded. The last three say what went wrong on the graphics card.
 */
export type BackendReason =
  | "chosen"
  | "forced"
  | "missing"
  | "fallback"
  | "limits"
  | "network"
  | "gpu_module"
  | "webgpu_failed"
  | "golden_tile_differs"
  | "device_lost";

/** The model, and the device it runs on. */
export interface LoadedModel extends ModelInfo {
  /** The device that it runs on. */
  backend: Backend;
  reason: BackendReason;
  /** Name of the graphics card, for people; empty on the processor. */
  adapter: string;
}

/** `total` is 0 if the server does not say how large the model is. */
export type LoadProgress = { phase: "model"; loaded: number; total: number } | { phase: "check" };

/** Bytes of an archive's file that are unpacked, tiles or rows that are done. */
export interface Progress {
  done: number;
  total: number;
}

export interface Picture {
  bitmap: ImageBitmap;
  /** Left, top, width and height of what it shows, in pixels of the scene. */
  extent: [number, number, number, number];
}

/** A layer of the result on the axes of Web Mercator (EPSG:3857), as web maps lay it over the ground without any further warping. */
export interface Overlay {
  bitmap: ImageBitmap;
  /** West, south, east and north of the picture, in metres of EPSG:3857. */
  extent: [number, number, number, number];
}

export interface Preview extends Picture {
  /** How its colours came about, in words. */
  note: string;
  /** How the values could be made like those of training, in words; null if they need not be. */
  matching: string | null;
  /** What does not fit the model's training data. */
  warnings: Notice[];
}

export type RunProgress = ({ kind: "tiles" } & Progress) | { kind: "picture"; picture: Picture };

export interface RunSummary extends Progress {
  /** Whether tiles are missing because the run was cancelled. */
  cancelled: boolean;
  secs: number;
  /** How many workers computed tiles on the processor when the run began; 0 if the engine's own computed them, or the graphics card. */
  workers: number;
  /** Whether the graphics card that the model was loaded on has been lost for good: the processor computed the rest, and computes later runs. */
  isGpuLost: boolean;
}

/** The methods of the worker: the parameters, result and progress of each. */
export interface Methods {
  load: {
    /** `model` is an address or the weights file itself. */
    params: { backend: WantedBackend; model: string | Blob; wasmUrl: string; gpuWasmUrl: string };
    result: LoadedModel;
    progress: LoadProgress;
  };
  open: { params: SceneSource; result: OpenedScene; progress: Progress };
  preview: { params: PreviewOptions; result: Preview; progress: never };
  look: { params: PreviewOptions; result: SceneLook; progress: never };
  statistics: { params: { bands: number[]; maxPx: number }; result: SceneStatistics; progress: never };
  compose: { params: ComposeOptions; result: Picture; progress: never };
  detail: { params: SceneWindow; result: Picture; progress: never };
  read: { params: { window: SceneWindow; bands: number[] }; result: { values: Float32Array }; progress: never };
  lonLat: { params: { pixels: Float64Array }; result: { values: Float64Array }; progress: never };
  requests: { params: Record<string, never>; result: string[]; progress: never };
  showPartial: { params: { layer: LayerRequest | null }; result: void; progress: never };
  run: { params: { options: RunOptions; workers?: number }; result: RunSummary; progress: RunProgress };
  cancel: { params: Record<string, never>; result: void; progress: never };
  layer: { params: LayerRequest; result: Picture; progress: never };
  values: { params: LayerRequest; result: LayerValues; progress: never };
  overlay: { params: LayerRequest; result: Overlay; progress: never };
  areas: { params: { options: DecideOptions }; result: Areas; progress: Progress };
  files: { params: { options: DecideOptions }; result: ResultFile[]; progress: never };
  file: {
    params: { name: string; type: string; options: DecideOptions };
    result: { blob: Blob; notice: string | null };
    progress: Progress;
  };
}

export type Method = keyof Methods;

export interface Request<M extends Method = Method> {
  id: number;
  method: M;
  params: Methods[M]["params"];
}

/** An error on its way between threads. */
export interface ErrorFields {
  code: string;
  message: string;
}

export type Reply =
  | { id: number; progress: unknown }
  /** `wasmBytes` is the size of wasm's memory, which never shrinks. */
  | { id: number; result: unknown; wasmBytes?: number }
  | { id: number; error: ErrorFields }
  /** The last message of an instance that trapped; it cannot be used again. */
  | { crashed: string };
