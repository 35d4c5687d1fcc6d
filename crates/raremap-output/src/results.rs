//! A finished run, with everything that its files say about it.

use raremap_geo::{GeoReference, GeoTags};
use raremap_infer::{DecideOptions, SceneLogits};
use raremap_model::Card;

use crate::kind::OutputKind;
use crate::name::SceneName;
use crate::options::OutputOptions;

/// A finished run, with everything that its files say about it.
#[derive(Debug, Clone)]
pub struct Results<'a> {
    /// The logits.
    pub logits: &'a SceneLogits,
    /// The model's card.
    pub card: &'a Card,
    /// Digest of the model's file.
    pub model_sha256: &'a str,
    /// The name of the scene.
    pub scene: &'a SceneName,
    /// Where the scene is.
    pub georeference: Option<&'a GeoReference>,
    /// Its ground control points, if it has these instead. Rasters keep them.
    pub ground_control: Option<&'a GeoTags>,
    /// How the mask is drawn.
    pub decide: &'a DecideOptions,
    /// Options for the files.
    pub options: &'a OutputOptions,
    /// Further facts for the files' metadata, by the names that raster metadata has: [`raremap_infer::run_notes`].
    pub notes: &'a [(String, String)],
}

impl Results<'_> {
    /// The files that this run has.
    pub fn kinds(&self) -> Vec<OutputKind> {
        let has_rare = self.logits.rare_classes().next().is_some();
        let needs_rare = |kind: &OutputKind| {
            matches!(
                kind,
                OutputKind::Probability | OutputKind::Saliency | OutputKind::Review
            )
        };
        OutputKind::ALL
            .into_iter()
            .filter(|kind| has_rare || !needs_rare(kind))
            .collect()
    }

    /// Where the files come from, by the names of raster metadata.
    pub(crate) fn provenance(&self) -> Vec<(String, String)> {
        let entries = [
            ("RAREMAP_VERSION", env!("CARGO_PKG_VERSION").to_owned()),
            ("RAREMAP_MODEL", self.card.name.clone()),
            ("RAREMAP_MODEL_SHA256", self.model_sha256.to_owned()),
            ("RAREMAP_SCENE", self.scene.name()),
            ("RAREMAP_THRESHOLD", self.decide.threshold.to_string()),
            ("RAREMAP_RARE_CLASSES", self.decide.rare.join(",")),
            ("RAREMAP_COMPLETE", self.logits.is_complete().to_string()),
        ];
        let own = entries.map(|(name, value)| (name.to_owned(), value));
        own.into_iter().chain(self.notes.iter().cloned()).collect()
    }
}
