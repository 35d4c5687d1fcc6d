//! A result, and the requests about it, as JavaScript sees them.

use js_sys::{Float32Array, Uint8Array};
use raremap_infer::{SceneLogits, View};
use raremap_output::{Layer, Values};
use serde::{Deserialize, Serialize};
use tsify::Tsify;
use wasm_bindgen::JsValue;

use super::{Notice, Picture, SceneWindow};
use crate::error::SessionError;

/// How a mask is decided from the result of a run; this needs no new run.
#[derive(Debug, Clone, Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct DecideOptions {
    /// A pixel becomes a selected rare class if its probability is at least this; 1 switches this off.
    pub threshold: f32,
    /// Names of the selected rare classes.
    pub rare: Vec<String>,
    /// Share of the valid pixels that are marked as the most salient, in percent.
    pub top_k: f32,
}

impl From<DecideOptions> for raremap_infer::DecideOptions {
    fn from(options: DecideOptions) -> Self {
        Self {
            threshold: options.threshold,
            rare: options.rare,
            top_k_percent: options.top_k,
        }
    }
}

/// Which layer of a result to draw: the mask, how likely each pixel is a rare class, how salient it is, where the heads disagree, or the rare
/// classes' outlines.
#[derive(Debug, Clone, Deserialize, Tsify)]
#[tsify(type = "\"mask\" | `probability:${string}` | \"saliency\" | \"disagreement\" | \"rare-outline\"")]
pub struct LayerKind(pub String);

/// A picture of a result.
#[derive(Debug, Clone, Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct LayerRequest {
    /// What to draw.
    pub kind: LayerKind,
    /// How the mask is decided.
    pub options: DecideOptions,
    /// Longest side of the picture of a whole scene.
    pub max_px: usize,
    /// A part of the scene to draw instead, pixel by pixel.
    #[serde(default)]
    pub window: Option<SceneWindow>,
    /// Picture pixels per scene pixel of a part's outlines, so that they stay thin where pixels are drawn large; 1 if absent.
    #[serde(default)]
    pub zoom: Option<usize>,
}

impl LayerRequest {
    /// Draws it.
    ///
    /// # Errors
    /// `misuse` for a layer that does not exist, and for options out of range.
    pub fn draw(self, logits: &SceneLogits) -> Result<Picture, SessionError> {
        let layer: Layer = self.kind.0.parse()?;
        let view = self.view(logits);
        let picture = layer.draw(logits, &self.options.into(), &view, self.zoom.unwrap_or(1))?;
        Ok(Picture::from(&picture))
    }

    /// Its values instead of their colours.
    ///
    /// # Errors
    /// As [`LayerRequest::draw`], and `misuse` for outlines.
    pub fn values(self, logits: &SceneLogits) -> Result<LayerValues, SessionError> {
        let layer: Layer = self.kind.0.parse()?;
        let view = self.view(logits);
        let values = match layer.values(logits, &self.options.into(), &view)? {
            Values::Classes(values) => Uint8Array::from(values.as_slice()).into(),
            Values::Numbers(values) => Float32Array::from(values.as_slice()).into(),
        };
        Ok(LayerValues {
            width: view.width,
            height: view.height,
            values,
        })
    }

    fn view(&self, logits: &SceneLogits) -> View {
        match self.window {
            Some(window) => View {
                x: window.x as usize,
                y: window.y as usize,
                width: window.width as usize,
                height: window.height as usize,
                step: 1,
            },
            None => View::overview(logits.size(), self.max_px),
        }
    }
}

/// The values of a layer, row by row.
#[derive(Debug, Serialize, Tsify)]
pub struct LayerValues {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// For the mask, the classes' values, 255 where there is no data; for other layers, numbers from 0 to 1, NaN where there is no data.
    #[serde(with = "tsify::serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>")]
    pub values: JsValue,
}

/// A result in numbers.
#[derive(Debug, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct Areas {
    /// False if the run was cancelled: uncovered pixels then count as pixels without data.
    pub complete: bool,
    /// Pixels with data.
    pub valid_pixels: u64,
    /// Pixels without data.
    pub nodata_pixels: u64,
    /// Ground area of the pixels with data; null without georeferencing.
    pub valid_hectares: Option<f64>,
    /// Every class of the model, in its order.
    pub classes: Vec<ClassArea>,
    /// The most salient share of the scene.
    pub top_k: SalientShare,
    /// What should be known before the map is trusted.
    pub warnings: Vec<Notice>,
}

impl From<raremap_infer::Summary> for Areas {
    fn from(summary: raremap_infer::Summary) -> Self {
        let warnings = summary.one_class().iter().map(Notice::from).collect();
        let cut = summary.top_k;
        Self {
            complete: summary.complete,
            valid_pixels: summary.valid_pixels,
            nodata_pixels: summary.nodata_pixels,
            valid_hectares: summary.valid_hectares,
            classes: summary.classes.into_iter().map(ClassArea::from).collect(),
            top_k: SalientShare {
                percent: cut.percent,
                threshold: (cut.threshold <= 1.0).then_some(cut.threshold),
                pixels: cut.pixels,
            },
            warnings,
        }
    }
}

/// How much of a scene a class covers.
#[derive(Debug, Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct ClassArea {
    /// Value in the mask.
    pub value: u8,
    /// Name in data.
    pub name: String,
    /// Red, green, blue.
    pub color: [u8; 3],
    /// Whether it is one of the model's rare classes.
    pub rare: bool,
    /// Pixels.
    pub pixels: u64,
    /// Percent of the pixels with data; 0 if there are none.
    pub percent: f64,
    /// Ground area; null without georeferencing.
    pub hectares: Option<f64>,
}

impl From<raremap_infer::ClassArea> for ClassArea {
    fn from(area: raremap_infer::ClassArea) -> Self {
        Self {
            value: area.value,
            name: area.name,
            color: area.color,
            rare: area.rare,
            pixels: area.pixels,
            percent: area.percent,
            hectares: area.hectares,
        }
    }
}

/// The most salient share of a scene.
#[derive(Debug, Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct SalientShare {
    /// The requested share.
    pub percent: f32,
    /// Lowest saliency of the marked pixels; null if none is marked.
    pub threshold: Option<f32>,
    /// Marked pixels.
    pub pixels: u64,
}

/// A file that a result can be saved as.
#[derive(Debug, Serialize, Tsify)]
pub struct ResultFile {
    /// Name of the file.
    pub name: &'static str,
    /// Media type.
    #[serde(rename = "type")]
    pub media_type: &'static str,
    /// What it is, in words.
    pub title: &'static str,
}
