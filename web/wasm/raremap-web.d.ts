// Made by crates/raremap-web/types.mjs from the Rust types of the crate; not edited by hand.
/// <reference lib="esnext.disposable" />

/**
 * What a run should do after a tile.
 */
export interface AfterTile {
    /**
     * Whether to end here.
     */
    cancel: boolean;
    /**
     * The layer of the finished part to draw.
     */
    layer: LayerRequest | null;
}

/**
 * A result in numbers.
 */
export interface Areas {
    /**
     * False if the run was cancelled: uncovered pixels then count as pixels without data.
     */
    complete: boolean;
    /**
     * Pixels with data.
     */
    validPixels: number;
    /**
     * Pixels without data.
     */
    nodataPixels: number;
    /**
     * Ground area of the pixels with data; null without georeferencing.
     */
    validHectares: number | null;
    /**
     * Every class of the model, in its order.
     */
    classes: ClassArea[];
    /**
     * The most salient share of the scene.
     */
    topK: SalientShare;
    /**
     * What should be known before the map is trusted.
     */
    warnings: Notice[];
}

/**
 * A guess of which band is which.
 */
export interface BandAssignment {
    /**
     * The scene's band, from 0, for each of the model's; null if no band fits, or if the scene does not have an optional one.
     */
    bands: (number | null)[];
    /**
     * How far to trust it.
     */
    certainty: Certainty;
    /**
     * Why, in one sentence.
     */
    reason: string;
    /**
     * Everything that the bands could be, the guess first; empty if there is no alternative.
     */
    choices: BandChoice[];
}

/**
 * One way to read the bands of a scene.
 */
export interface BandChoice {
    /**
     * The product or sensor whose bands are numbered or ordered like this, for people.
     */
    product: string;
    /**
     * The scene's band, from 0, for each of the model's; null if the scene does not have an optional one.
     */
    bands: (number | null)[];
}

/**
 * How the values of a band are distributed; null where the sample has no data.
 */
export interface BandStatistics {
    /**
     * The scene's band, from 0.
     */
    band: number;
    /**
     * Lowest value.
     */
    min: number | null;
    /**
     * Highest value.
     */
    max: number | null;
    /**
     * Mean.
     */
    mean: number | null;
    /**
     * Standard deviation.
     */
    std: number | null;
    /**
     * Values below which a share of the pixels lies.
     */
    percentiles: Percentiles | null;
}

/**
 * How far a guess can be trusted.
 */
export type Certainty = "named" | "likely" | "unknown";

/**
 * How much of a scene a class covers.
 */
export interface ClassArea {
    /**
     * Value in the mask.
     */
    value: number;
    /**
     * Name in data.
     */
    name: string;
    /**
     * Red, green, blue.
     */
    color: [number, number, number];
    /**
     * Whether it is one of the model's rare classes.
     */
    rare: boolean;
    /**
     * Pixels.
     */
    pixels: number;
    /**
     * Percent of the pixels with data; 0 if there are none.
     */
    percent: number;
    /**
     * Ground area; null without georeferencing.
     */
    hectares: number | null;
}

/**
 * Another picture of the scene.
 */
export interface ComposeOptions {
    /**
     * Null goes back to the colours of the preview.
     */
    composition: Composition | null;
    /**
     * Longest side of the picture.
     */
    maxPx: number;
}

/**
 * How a picture of the scene is made: bands that are shown as red, green and blue, and which of their percentiles are black and full.
 */
export interface Composition {
    /**
     * From 0.
     */
    bands: [number, number, number];
    /**
     * Such as `[2, 98]`.
     */
    stretch: [number, number];
}

/**
 * How a mask is decided from the result of a run; this needs no new run.
 */
export interface DecideOptions {
    /**
     * A pixel becomes a selected rare class if its probability is at least this; 1 switches this off.
     */
    threshold: number;
    /**
     * Names of the selected rare classes.
     */
    rare: string[];
    /**
     * Share of the valid pixels that are marked as the most salient, in percent.
     */
    topK: number;
}

/**
 * How far the model's numbers were from the expected ones.
 */
export interface GoldenCheck {
    /**
     * Largest difference of a logit.
     */
    maxAbs: number;
    /**
     * Largest difference that is allowed.
     */
    tolerance: number;
}

/**
 * Where the pixels of a scene are on the map.
 */
export interface Grid {
    /**
     * Six numbers a to f from a pixel's column and row, corner based, to map coordinates: `x = a * column + b * row + c`,
     * `y = d * column + e * row + f`.
     */
    transform: [number, number, number, number, number, number];
    /**
     * EPSG code of the coordinate reference system; null if the file defines the system itself.
     */
    epsg: number | null;
}

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
}

/**
 * Which layer of a result to draw: the mask, how likely each pixel is a rare class, how salient it is, where the heads disagree, or the rare
 * classes' outlines.
 */
export type LayerKind = "mask" | `probability:${string}` | "saliency" | "disagreement" | "rare-outline";

/**
 * A picture of a result.
 */
export interface LayerRequest {
    /**
     * What to draw.
     */
    kind: LayerKind;
    /**
     * How the mask is decided.
     */
    options: DecideOptions;
    /**
     * Longest side of the picture of a whole scene.
     */
    maxPx: number;
    /**
     * A part of the scene to draw instead, pixel by pixel.
     */
    window?: SceneWindow | undefined;
    /**
     * Picture pixels per scene pixel of a part's outlines, so that they stay thin where pixels are drawn large; 1 if absent.
     */
    zoom?: number | undefined;
}

/**
 * The values of a layer, row by row.
 */
export interface LayerValues {
    /**
     * Columns.
     */
    width: number;
    /**
     * Rows.
     */
    height: number;
    /**
     * For the mask, the classes' values, 255 where there is no data; for other layers, numbers from 0 to 1, NaN where there is no data.
     */
    values: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
}

/**
 * A file that was made, read piece by piece.
 */
export class MadeFile {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * The next bytes, at most 4 MiB; nothing at the end.
     *
     * # Errors
     * Errors of the browser's storage.
     */
    nextChunk(): Uint8Array<ArrayBuffer> | undefined;
    /**
     * What its reader should know, in words.
     */
    readonly notice: string | undefined;
}

/**
 * What the page says about a model.
 */
export interface ModelCard {
    /**
     * Identifier.
     */
    name: string;
    /**
     * One paragraph for people: what it is for, and what it is not for.
     */
    description: string;
    /**
     * RFC 3339 instant of the export.
     */
    created: string;
    /**
     * Names of the bands that the model reads from a scene, in order.
     */
    bands: string[];
    /**
     * Names of those bands of a scene that it may lack.
     */
    optionalBands: string[];
    /**
     * What a scene's numbers are, in words.
     */
    valueScaling: string;
    /**
     * Metres per pixel of the training data.
     */
    groundResolutionM: number;
    /**
     * Finest and coarsest ground resolution of the training data, in metres per pixel.
     */
    groundResolutionRangeM: [number, number];
    /**
     * Classes in the order of the main head's channels.
     */
    classes: ModelClass[];
    /**
     * Names of the rare classes.
     */
    rareClasses: string[];
    /**
     * Name of the training data.
     */
    dataset: string;
    /**
     * Source and terms of the training data, in words.
     */
    provenance: string;
    /**
     * How the weights were quantized, in words.
     */
    quantization: string;
    /**
     * The whole card as the weights file holds it, with its figures.
     */
    whole: Record<string, unknown>;
}

/**
 * A class of the model.
 */
export interface ModelClass {
    /**
     * Value in masks.
     */
    value: number;
    /**
     * Name in data: `grass_shrub`.
     */
    name: string;
    /**
     * Red, green, blue.
     */
    color: [number, number, number];
}

/**
 * The model, and the result of its test tile.
 */
export interface ModelInfo {
    /**
     * What it is.
     */
    card: ModelCard;
    /**
     * Digest of the weights file.
     */
    sha256: string;
    /**
     * The test tile.
     */
    golden: GoldenCheck;
    /**
     * Colours of the continuous layers from 0 to 1 at equal steps: red, green, blue.
     */
    scale: [number, number, number][];
}

/**
 * One or two sentences for people, and a code for programs that does not change between versions.
 */
export interface Notice {
    /**
     * For programs.
     */
    code: string;
    /**
     * For people.
     */
    message: string;
}

/**
 * What is known about a scene before the run.
 */
export interface OpenedScene {
    /**
     * Facts of its files.
     */
    scene: SceneFacts;
    /**
     * Names of the model's bands, in order.
     */
    modelBands: string[];
    /**
     * Names of those that a scene may lack.
     */
    optionalBands: string[];
    /**
     * Which of the scene's bands the model's are.
     */
    assignment: BandAssignment;
    /**
     * What does not fit the model.
     */
    warnings: Notice[];
    /**
     * What was done with the files.
     */
    notices: Notice[];
    /**
     * Whether it can be run at the model's resolution instead of its own.
     */
    canResample: boolean;
    /**
     * Metres per pixel of the model's training data.
     */
    modelResolutionM: number;
    /**
     * Whether areas can be measured on the ground.
     */
    hasAreas: boolean;
    /**
     * Whether zeros along its edge are treated as an empty border without data.
     */
    hasEmptyBorder: boolean;
}

/**
 * A model for the module for graphics cards.
 */
export interface PackedModel {
    /**
     * What the numbers are.
     */
    header: string;
    /**
     * All of its numbers.
     */
    numbers: Float32Array<ArrayBuffer>;
}

/**
 * Values below which a share of the pixels lies, by percent.
 */
export interface Percentiles {
    /**
     * 1%.
     */
    p1: number;
    /**
     * 2%.
     */
    p2: number;
    /**
     * 5%.
     */
    p5: number;
    /**
     * 25%.
     */
    p25: number;
    /**
     * The median.
     */
    p50: number;
    /**
     * 75%.
     */
    p75: number;
    /**
     * 95%.
     */
    p95: number;
    /**
     * 98%.
     */
    p98: number;
    /**
     * 99%.
     */
    p99: number;
}

/**
 * A picture as a canvas takes it, and which part of the scene it shows.
 */
export interface Picture {
    /**
     * Columns.
     */
    width: number;
    /**
     * Rows.
     */
    height: number;
    /**
     * Red, green, blue and opacity, row by row.
     */
    rgba: Uint8ClampedArray<ArrayBuffer>;
    /**
     * Left, top, width and height in pixels of the scene; it may reach over the scene's edge by a part of the picture's last pixel.
     */
    extent: [number, number, number, number];
}

/**
 * How a scene is shown before the run.
 */
export interface PreviewOptions {
    /**
     * The scene's band, from 0, for each of the model's; null for an optional one that the scene does not have. None at all, as long as some are
     * not assigned, shows the scene in its own colours and compares it with nothing.
     */
    bands: (number | null)[];
    /**
     * Longest side of the picture.
     */
    maxPx: number;
}

/**
 * A file that a result can be saved as.
 */
export interface ResultFile {
    /**
     * Name of the file.
     */
    name: string;
    /**
     * Media type.
     */
    type: string;
    /**
     * What it is, in words.
     */
    title: string;
}

/** What a run asks of its worker. */
export interface RunHooks {
    /** Called after each tile. The run waits for the answer, so that the worker can read its messages. */
    onTile(done: number, total: number): Promise<AfterTile>;
    /** Called with the picture that `onTile` asked for. */
    onPicture(picture: Picture): void;
    /** How many tiles the workers can compute at the same time now; 0 if the session computes them itself. */
    readonly tileWorkers: number;
    /**
     * Computes a tile in one of these workers: the logits of the main head, then those of the auxiliary head. If it fails, the session computes the
     * tile itself.
     */
    forwardTile(input: Float32Array, height: number, width: number): Promise<Float32Array>;
    /** The devices on which workers computed tiles of this run so far: `cpu`, `webgpu` or `webgpu, cpu`; empty for none. */
    devices(): string;
}

/**
 * How to run.
 */
export interface RunOptions {
    /**
     * The scene's band, from 0, for each of the model's; null for an optional one that the scene does not have.
     */
    bands: (number | null)[];
    /**
     * Edge of a tile in pixels, a multiple of 32; the card's if absent.
     */
    tile?: number | null;
    /**
     * Whether to run at the model's resolution.
     */
    resample?: boolean;
    /**
     * Whether to make the values like those of training.
     */
    matching?: boolean;
}

/**
 * The most salient share of a scene.
 */
export interface SalientShare {
    /**
     * The requested share.
     */
    percent: number;
    /**
     * Lowest saliency of the marked pixels; null if none is marked.
     */
    threshold: number | null;
    /**
     * Marked pixels.
     */
    pixels: number;
}

/**
 * A band of a scene.
 */
export interface SceneBand {
    /**
     * Its position, from 0.
     */
    index: number;
    /**
     * Its name, if the file gives one.
     */
    name: string | null;
    /**
     * What it is, if the file says so: `blue`, `green`, `red`, `nir`, `swir1` or `swir2`.
     */
    common: string | null;
}

/**
 * Facts of a scene's files.
 */
export interface SceneFacts {
    /**
     * Name of its file, folder or archive.
     */
    name: string;
    /**
     * Columns.
     */
    width: number;
    /**
     * Rows.
     */
    height: number;
    /**
     * Its bands, in order.
     */
    bands: SceneBand[];
    /**
     * How a sample is stored, in words.
     */
    sampleType: string;
    /**
     * The coordinate reference system, in words.
     */
    crs: string | null;
    /**
     * Size of a pixel, in words.
     */
    resolution: string | null;
    /**
     * Where its pixels are; null without georeferencing.
     */
    grid: Grid | null;
}

/**
 * What the values of a scene say before the run.
 */
export interface SceneLook {
    /**
     * How the values could be made like those of training, in words; null if they need not be.
     */
    matching: string | null;
    /**
     * What does not fit the model's training data.
     */
    warnings: Notice[];
    /**
     * How the values are distributed.
     */
    statistics: SceneStatistics;
}

/**
 * The scene before the run.
 */
export interface ScenePreview {
    /**
     * All of it.
     */
    picture: Picture;
    /**
     * How its colours came about, in words.
     */
    note: string;
    /**
     * How the values could be made like those of training, in words; null if they need not be.
     */
    matching: string | null;
    /**
     * What does not fit the model's training data.
     */
    warnings: Notice[];
}

/**
 * How the values of bands are distributed, from a sample of the scene: every n-th pixel, or those of an overview, which may be averages.
 */
export interface SceneStatistics {
    /**
     * Pixels in the sample.
     */
    pixels: number;
    /**
     * Share of them, from 0 to 1, at which one of the bands has no data. They count in none.
     */
    nodataShare: number;
    /**
     * Each band.
     */
    bands: BandStatistics[];
}

/**
 * A rectangle of a scene, in pixels.
 */
export interface SceneWindow {
    /**
     * First column.
     */
    x: number;
    /**
     * First row.
     */
    y: number;
    /**
     * Columns.
     */
    width: number;
    /**
     * Rows.
     */
    height: number;
}

/**
 * A model that has passed its golden tile on the processor, and everything that is done with it. Tiles are computed by workers with a
 * [`TileRunner`](crate::tiles::TileRunner) each, where there are any.
 *
 * Methods take `&self`, because the page may ask for other things while a run waits for its next tile.
 */
export class Session {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Area by class and the top-k cut.
     *
     * # Errors
     * As [`Session::layer`].
     */
    areas(options: DecideOptions): Areas;
    /**
     * The whole scene as a picture, in bands and with a stretch of the user's choice.
     *
     * # Errors
     * As [`Session::preview`]; `misuse` before the first preview and for percentiles out of range, `superseded` if another picture was asked for
     * meanwhile.
     */
    compose(options: ComposeOptions): Promise<Picture>;
    /**
     * Reads a weights file and checks its golden tile.
     *
     * # Errors
     * `golden_tile_differs` if the processor computes wrong numbers, `model_...` for a bad file.
     */
    static create(model: Uint8Array | number[], hooks: SessionHooks): Promise<Session>;
    /**
     * A part of the scene at full resolution, in the colours of the last preview or composition.
     *
     * # Errors
     * As [`Session::preview`]; `misuse` before the first preview and for a part outside the scene, `superseded` if the colours changed meanwhile.
     */
    detail(window: SceneWindow): Promise<Picture>;
    /**
     * The files that the result can be saved as.
     *
     * # Errors
     * As [`Session::layer`].
     */
    files(options: DecideOptions): ResultFile[];
    /**
     * The model, and the result of its golden tile.
     *
     * # Errors
     * None in practice, because everything here can be written.
     */
    info(): ModelInfo;
    /**
     * A picture of the result.
     *
     * # Errors
     * `misuse` without a result, for a layer that is not there, or for options out of range.
     */
    layer(request: LayerRequest): Picture;
    /**
     * Longitudes and latitudes, in turn, of places given by column and row in turn. Longitudes run on beyond 180 degrees within the scene.
     *
     * # Errors
     * `misuse` without a scene, `no_georeference`, `unsupported_crs`, and `outside_crs_domain` for a scene that holds a pole.
     */
    lonLat(pixels: Float64Array | number[]): Float64Array;
    /**
     * What the scene's values say, without a picture.
     *
     * # Errors
     * As [`Session::preview`].
     */
    look(options: PreviewOptions): Promise<SceneLook>;
    /**
     * Makes a file of the result: see [`export::make`].
     *
     * # Errors
     * As [`Session::layer`], and `misuse` for an incomplete result.
     */
    makeFile(name: string, options: DecideOptions): MadeFile;
    /**
     * Opens the file at an address as [`Session::open_files`] does, and reads it range by range.
     *
     * # Errors
     * Those of [`Session::open_files`], and `http_...` for a server that does not provide parts of files.
     */
    openAddress(url: string, name: string, onUnpacked: (done: number, total: number) => void, emptyBorder?: boolean | null): Promise<OpenedScene>;
    /**
     * Opens files in place of the scene before: one, the bands of one product, or an archive of them. Unless `emptyBorder` is false, zeros
     * in all bands along the edge of a scene that marks no pixels have no data.
     *
     * # Errors
     * The codes of reading for what cannot be read, `too_few_bands`, and `superseded` if another scene was opened meanwhile.
     */
    openFiles(paths: string[], files: Blob[], onUnpacked: (done: number, total: number) => void, emptyBorder?: boolean | null): Promise<OpenedScene>;
    /**
     * The model as the module for graphics cards takes it; nothing if it cannot compute this one.
     *
     * # Errors
     * `model_malformed` for a golden tile that has not four axes.
     */
    packed(): PackedModel | undefined;
    /**
     * The whole scene as a picture.
     *
     * # Errors
     * The codes of reading for damaged data; `misuse` without a scene, or if a band that the model cannot do without is not assigned.
     */
    preview(options: PreviewOptions): Promise<ScenePreview>;
    /**
     * Samples of a window, band by band, as stored.
     *
     * # Errors
     * As [`Session::preview`], and `window_outside_image`.
     */
    read(window: SceneWindow, bands: Uint32Array | number[]): Promise<Float32Array>;
    /**
     * Runs the model over the scene, tile by tile.
     *
     * # Errors
     * The codes of reading, of the network, and `misuse`.
     */
    run(options: RunOptions, hooks: RunHooks): Promise<TileCount>;
    /**
     * Statistics of bands (0-based), of the scene reduced so that no side is longer than `maxPx`.
     *
     * # Errors
     * The codes of reading.
     */
    statistics(bands: Uint32Array | number[], maxPx: number): Promise<SceneStatistics>;
    /**
     * The values of a layer of the result.
     *
     * # Errors
     * As [`Session::layer`].
     */
    values(request: LayerRequest): LayerValues;
}

/** What a session asks of its worker. */
export interface SessionHooks {
    /** Gives an empty `FileSystemSyncAccessHandle` that nobody else uses, for what does not fit into memory; undefined where there is none. */
    takeScratchFile(): object | undefined;
    /** Called for each row that areas and files are made of: for a large scene they take minutes. */
    onRow(row: number, rows: number): void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Tiles that a run has done, out of all.
 */
export interface TileCount {
    /**
     * Finished.
     */
    done: number;
    /**
     * All tiles of the scene.
     */
    total: number;
}

/**
 * The model on the processor, for one of the workers that compute tiles.
 */
export class TileRunner {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Reads a weights file and checks its golden tile.
     *
     * # Errors
     * `golden_tile_differs` if the processor computes wrong numbers, `model_...` for a bad file.
     */
    static create(model: Uint8Array | number[]): Promise<TileRunner>;
    /**
     * The logits of a tile: the main head's, then the auxiliary head's.
     *
     * # Errors
     * `misuse` for an input of another size, `network_failed` if the device fails.
     */
    forward(input: Float32Array | number[], height: number, width: number): Promise<Float32Array>;
    /**
     * How the golden tile came out.
     *
     * # Errors
     * None in practice, because it can be written.
     */
    golden(): GoldenCheck;
}

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path?: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * Runs when the module is instantiated.
 */
export function start(): void;
