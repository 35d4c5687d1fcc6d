// Made by crates/raremap-web/types.mjs from the Rust types of the crate; not edited by hand.
/// <reference lib="esnext.disposable" />

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

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly __wasm_call_ctors: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * The model on the graphics card.
 */
export class TileRunner {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Puts a model on the graphics card and checks its golden tile there. The parts are those of a session's `packed()`.
     *
     * # Errors
     * `webgpu_failed` if there is no device, `network_failed` if it fails, `golden_tile_differs` if it computes wrong numbers, `model_malformed` if the parts
     * do not belong together.
     */
    static create(header: string, numbers: Float32Array | number[]): Promise<TileRunner>;
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
