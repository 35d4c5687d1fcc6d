//! The typed objects that cross between JavaScript and wasm; TypeScript's types are generated from these.

mod model;
mod result;
mod run;
mod scene;

use serde::{Deserialize, Serialize};
use tsify::{Ts, Tsify};
use wasm_bindgen::JsValue;

use crate::error::SessionError;

pub use model::{ModelCard, ModelInfo, PackedModel};
pub use result::{Areas, DecideOptions, LayerRequest, LayerValues, ResultFile};
pub use run::{AfterTile, RunOptions, TileCount};
pub use scene::{
    BandAssignment, ComposeOptions, Composition, Grid, OpenedScene, Picture, PreviewOptions, SceneBand, SceneFacts,
    SceneLook, ScenePreview, SceneStatistics, SceneWindow,
};

/// Passes a value to JavaScript.
///
/// # Errors
/// None in practice, because the types here hold nothing that cannot be written.
pub fn to_js<T: Tsify + Serialize>(value: &T) -> Result<Ts<T>, SessionError> {
    Ts::from_rust(value).map_err(|error| SessionError::new("internal", error.to_string()))
}

/// Reads a value from JavaScript.
///
/// # Errors
/// `misuse` for a value of another shape.
pub fn from_js<T: Tsify + for<'de> Deserialize<'de>>(value: impl Into<JsValue>) -> Result<T, SessionError> {
    T::from_js(value).map_err(|error| SessionError::misuse(format!("the options cannot be read: {error}")))
}

/// One or two sentences for people, and a code for programs that does not change between versions.
#[derive(Debug, Clone, Serialize, Tsify)]
pub struct Notice {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl From<&raremap_infer::Warning> for Notice {
    fn from(warning: &raremap_infer::Warning) -> Self {
        Self {
            code: warning.code,
            message: warning.message.clone(),
        }
    }
}

impl From<&raremap_scene::Notice> for Notice {
    fn from(notice: &raremap_scene::Notice) -> Self {
        Self {
            code: notice.code,
            message: notice.message.clone(),
        }
    }
}
