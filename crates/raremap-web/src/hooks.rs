//! The functions of the worker that wasm calls.

use js_sys::Float32Array;
use tsify::Ts;
use wasm_bindgen::prelude::*;

use crate::types::Picture;

#[wasm_bindgen(typescript_custom_section)]
const HOOKS: &str = r#"
/** What a session asks of its worker. */
export interface SessionHooks {
    /** Gives an empty `FileSystemSyncAccessHandle` that nobody else uses, for what does not fit into memory; undefined where there is none. */
    takeScratchFile(): object | undefined;
    /** Called for each row that areas and files are made of: for a large scene they take minutes. */
    onRow(row: number, rows: number): void;
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
"#;

#[wasm_bindgen]
extern "C" {
    /// See its TypeScript declaration.
    #[wasm_bindgen(typescript_type = "SessionHooks")]
    #[derive(Clone)]
    pub type SessionHooks;

    #[wasm_bindgen(method, catch, js_name = takeScratchFile)]
    pub fn take_scratch_file(this: &SessionHooks) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch, js_name = onRow)]
    pub fn on_row(this: &SessionHooks, row: usize, rows: usize) -> Result<(), JsValue>;

    /// See its TypeScript declaration.
    #[wasm_bindgen(typescript_type = "RunHooks")]
    pub type RunHooks;

    #[wasm_bindgen(method, catch, js_name = onTile)]
    pub async fn on_tile(this: &RunHooks, done: usize, total: usize) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter, js_name = tileWorkers)]
    pub fn tile_workers(this: &RunHooks) -> usize;

    #[wasm_bindgen(method, catch, js_name = forwardTile)]
    pub async fn forward_tile(
        this: &RunHooks,
        input: Float32Array,
        height: usize,
        width: usize,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub fn devices(this: &RunHooks) -> Result<String, JsValue>;

    #[wasm_bindgen(method, catch, js_name = onPicture)]
    pub fn on_picture(this: &RunHooks, picture: Ts<Picture>) -> Result<(), JsValue>;

    /// Called with the number of unpacked bytes and the total.
    #[wasm_bindgen(extends = js_sys::Function, typescript_type = "(done: number, total: number) => void")]
    pub type OnUnpacked;
}
