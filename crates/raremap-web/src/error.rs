//! Errors as JavaScript sees them: an `Error` with a sentence for people and a `code` for programs.

use raremap_geo::GeoError;
use raremap_infer::InferError;
use raremap_io::{IoError, SourceError};
use raremap_model::{TileError, WeightsError};
use raremap_output::OutputError;
use raremap_scene::SceneError;
use raremap_web_tiles::js_error;
use wasm_bindgen::JsValue;

/// Any failure of the session.
#[derive(Debug)]
pub struct SessionError {
    code: &'static str,
    message: String,
}

impl SessionError {
    /// `code` is stable between versions; `message` is for people.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A call that the session's state does not allow.
    pub fn misuse(message: impl Into<String>) -> Self {
        Self::new("misuse", message)
    }
}

macro_rules! with_own_code {
    ($($error:ty),*) => {$(
        impl From<$error> for SessionError {
            fn from(error: $error) -> Self {
                Self::new(error.code(), error.to_string())
            }
        }
    )*};
}

with_own_code!(
    GeoError,
    InferError,
    IoError,
    OutputError,
    SceneError,
    SourceError,
    TileError,
    WeightsError
);

impl From<png::EncodingError> for SessionError {
    fn from(error: png::EncodingError) -> Self {
        Self::new("write_failed", error.to_string())
    }
}

/// What the worker's own functions throw, which they do not in practice.
impl From<JsValue> for SessionError {
    fn from(thrown: JsValue) -> Self {
        Self::new("internal", format!("{thrown:?}"))
    }
}

impl From<SessionError> for JsValue {
    fn from(error: SessionError) -> Self {
        js_error(error.code, &error.message)
    }
}
