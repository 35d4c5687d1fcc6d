//! Failures as JavaScript sees them: an `Error` with a sentence for people and a `code` for programs.

use std::fmt;

use js_sys::Reflect;
use raremap_tile::TileError;
use wasm_bindgen::JsValue;

/// Why there are no logits.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunnerError {
    /// The network gives wrong numbers, or none.
    Network(TileError),
    /// There is no such device, in the words of who looked for it.
    Device(String),
    /// What does not happen in practice.
    Internal(String),
}

impl RunnerError {
    /// It does not change between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Network(error) => error.code(),
            Self::Device(_) => "webgpu_failed",
            Self::Internal(_) => "internal",
        }
    }
}

impl fmt::Display for RunnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(error) => error.fmt(f),
            Self::Device(message) | Self::Internal(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for RunnerError {}

impl From<TileError> for RunnerError {
    fn from(error: TileError) -> Self {
        Self::Network(error)
    }
}

impl From<RunnerError> for JsValue {
    fn from(error: RunnerError) -> Self {
        js_error(error.code(), &error.to_string())
    }
}

/// An `Error` with a `code`.
pub fn js_error(code: &str, message: &str) -> JsValue {
    let value: JsValue = js_sys::Error::new(message).into();
    // Setting a property of a fresh, extensible object cannot fail.
    let _ = Reflect::set(&value, &"code".into(), &code.into());
    value
}
