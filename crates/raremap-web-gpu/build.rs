//! Without this, the linker takes the module for a command that is called once, and runs all static constructors before every export: the
//! thousands with which cubecl's compiler registers itself then ran again for each value that JavaScript handed over. An exported
//! `__wasm_call_ctors` says that its user runs them, as `web/worker/serve-tiles.js` does.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=--export=__wasm_call_ctors");
    }
}
