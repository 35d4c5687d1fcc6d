//! Reports a panic before it traps, because the page would only learn "unreachable" otherwise.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Set by the worker's script.
    #[wasm_bindgen(js_namespace = globalThis, js_name = raremapPanicked)]
    fn report_panic(message: &str);
}

/// Runs when the module is instantiated.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|info| report_panic(&info.to_string())));
}
