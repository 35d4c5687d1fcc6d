//! The model, as JavaScript sees it.

use js_sys::Float32Array;
use raremap_model::Card;
use raremap_web_tiles::GoldenCheck;
use serde::Serialize;
use tsify::Tsify;
use wasm_bindgen::JsValue;

use crate::error::SessionError;

/// The model, and the result of its test tile.
#[derive(Debug, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    /// What it is.
    pub card: ModelCard,
    /// Digest of the weights file.
    pub sha256: String,
    /// The test tile.
    pub golden: GoldenCheck,
    /// Colours of the continuous layers from 0 to 1 at equal steps: red, green, blue.
    pub scale: Vec<[u8; 3]>,
}

/// A model for the module for graphics cards.
#[derive(Debug, Serialize, Tsify)]
pub struct PackedModel {
    /// What the numbers are.
    pub header: String,
    /// All of its numbers.
    #[serde(with = "tsify::serde_wasm_bindgen::preserve")]
    #[tsify(type = "Float32Array<ArrayBuffer>")]
    pub numbers: JsValue,
}

impl From<raremap_model::PackedModel<Vec<f32>>> for PackedModel {
    fn from(model: raremap_model::PackedModel<Vec<f32>>) -> Self {
        let (header, arrays) = model.into_parts();
        let numbers = Float32Array::new_with_length(arrays.iter().map(|array| array.len() as u32).sum());
        let mut at = 0;
        for array in arrays {
            let end = at + array.len() as u32;
            numbers.subarray(at, end).copy_from(&array);
            at = end;
        }
        let numbers = numbers.into();
        Self { header, numbers }
    }
}

/// What the page says about a model.
#[derive(Debug, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct ModelCard {
    /// Identifier.
    pub name: String,
    /// One paragraph for people: what it is for, and what it is not for.
    pub description: String,
    /// RFC 3339 instant of the export.
    pub created: String,
    /// Names of the bands that the model reads from a scene, in order.
    pub bands: Vec<String>,
    /// Names of those bands of a scene that it may lack.
    pub optional_bands: Vec<String>,
    /// What a scene's numbers are, in words.
    pub value_scaling: String,
    /// Metres per pixel of the training data.
    pub ground_resolution_m: f64,
    /// Finest and coarsest ground resolution of the training data, in metres per pixel.
    pub ground_resolution_range_m: [f64; 2],
    /// Classes in the order of the main head's channels.
    pub classes: Vec<ModelClass>,
    /// Names of the rare classes.
    pub rare_classes: Vec<String>,
    /// Name of the training data.
    pub dataset: String,
    /// Source and terms of the training data, in words.
    pub provenance: String,
    /// How the weights were quantized, in words.
    pub quantization: String,
    /// The whole card as the weights file holds it, with its figures.
    #[serde(with = "tsify::serde_wasm_bindgen::preserve")]
    #[tsify(type = "Record<string, unknown>")]
    pub whole: JsValue,
}

impl ModelCard {
    /// # Errors
    /// None in practice, because a card that was read can be written.
    pub fn of(card: &Card) -> Result<Self, SessionError> {
        let internal = |reason: String| SessionError::new("internal", reason);
        // The values pass through text, so that numbers look as they do in the file.
        let text = serde_json::to_string(card).map_err(|error| internal(error.to_string()))?;
        let whole = js_sys::JSON::parse(&text).map_err(|error| internal(format!("{error:?}")))?;
        let class = |class: &raremap_model::Class| ModelClass {
            value: class.value,
            name: class.name.clone(),
            color: class.color,
        };
        Ok(Self {
            name: card.name.clone(),
            description: card.description.clone(),
            created: card.created.clone(),
            bands: card.scene_bands().into_iter().map(str::to_owned).collect(),
            optional_bands: card.optional_bands().into_iter().map(str::to_owned).collect(),
            value_scaling: card.value_scaling.clone(),
            ground_resolution_m: card.ground_resolution_m,
            ground_resolution_range_m: card.ground_resolution_range_m(),
            classes: card.classes.iter().map(class).collect(),
            rare_classes: card.rare_classes.clone(),
            dataset: card.training.dataset.clone(),
            provenance: card.training.provenance.clone(),
            quantization: card.quantization.clone(),
            whole,
        })
    }
}

/// A class of the model.
#[derive(Debug, Serialize, Tsify)]
pub struct ModelClass {
    /// Value in masks.
    pub value: u8,
    /// Name in data: `grass_shrub`.
    pub name: String,
    /// Red, green, blue.
    pub color: [u8; 3],
}
