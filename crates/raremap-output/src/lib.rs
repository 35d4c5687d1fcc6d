//! Turns a finished run into files, each of them a stream of bytes.
//!
//! The command line and the page call the same function, [`Results::make`], so that files are equal byte for byte if the logits are. Every
//! file is made in one or two passes over the rows of the scene, from the top, and kept in a [`Scratch`] until it is read: memory holds a
//! few rows. Nothing in a file depends on a clock, a random number or the order of a hash table.

mod areas;
mod kind;
mod name;
mod place;
mod polygons;
mod raster;
mod review;
mod stac;

use raremap_model::Card;
use raremap_raster::{CogFile, GeoReference, RasterError, Scratch};
use serde::Serialize;

use crate::decide::DecideOptions;
use crate::error::InferError;
use crate::logits::SceneLogits;
pub use kind::OutputKind;
pub use name::SceneName;

/// How probabilities and saliency are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbabilitySamples {
    /// 8 bits: steps of 1/254, and 255 where there is no data. The error is at most 0.002, for a quarter of the bytes or less.
    #[default]
    U8,
    /// 32-bit floating point, NaN where there is no data.
    F32,
}

/// Which coordinates polygons and the review list have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolygonsCrs {
    /// Longitude and latitude (RFC 7946). If the scene's system cannot be converted, its own, and the file then says so.
    #[default]
    Wgs84,
    /// The scene's own, named by the `crs` member that RFC 7946 removed from GeoJSON.
    Scene,
}

/// Options for the files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputOptions {
    /// How probabilities and saliency are stored.
    pub probability: ProbabilitySamples,
    /// Which coordinates polygons and the review list have.
    pub polygons_crs: PolygonsCrs,
    /// Smallest area of a polygon, in hectares: smaller ones are left out and leave a gap. 0 keeps all.
    pub min_area_ha: f64,
    /// Largest number of entries in the review list.
    pub review_limit: usize,
    /// When the scene was taken, RFC 3339, or an interval of two such times (`start/end`); for the STAC Item.
    pub datetime: Option<String>,
    /// When the files were made, RFC 3339; files do not know that themselves.
    pub created: Option<String>,
}

impl Default for OutputOptions {
    fn default() -> Self {
        Self {
            probability: ProbabilitySamples::default(),
            polygons_crs: PolygonsCrs::default(),
            min_area_ha: 0.0,
            review_limit: 200,
            datetime: None,
            created: None,
        }
    }
}

impl OutputOptions {
    /// Checks whether the options can be followed, so that this is known before a run rather than after it. `has_areas` says whether areas
    /// of the scene's pixels are known.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a smallest area that makes no sense, or that cannot be compared.
    pub fn check(&self, has_areas: bool) -> Result<(), InferError> {
        let least_ha = self.min_area_ha;
        if !(least_ha >= 0.0 && least_ha.is_finite()) {
            let message = format!("the smallest area is {least_ha} ha; it must be 0 or more");
            return Err(InferError::Misuse(message));
        }
        if least_ha > 0.0 && !has_areas {
            let message = "the areas of this scene are not known, so polygons cannot be left out by area";
            return Err(InferError::Misuse(message.into()));
        }
        Ok(())
    }
}

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
    /// How the mask is drawn.
    pub decide: &'a DecideOptions,
    /// Options for the files.
    pub options: &'a OutputOptions,
    /// Further facts for the files' metadata, by the names that raster metadata has: [`crate::run_notes`].
    pub notes: &'a [(String, String)],
}

/// Returns an empty scratch.
pub(crate) type NewScratch<'s> = dyn FnMut() -> Result<Box<dyn Scratch>, InferError> + 's;

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

    /// Makes a file. `new_scratch` provides space outside memory, and is called up to twice.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for options out of range and for a file that this run does not have; errors of reading the logits, and of the
    /// scratch.
    pub fn make(&self, kind: OutputKind, new_scratch: &mut NewScratch<'_>) -> Result<OutputFile, InferError> {
        self.decide.check(self.card)?;
        self.options.check(self.logits.areas.pixel_ha(0, 0).is_some())?;
        if !self.kinds().contains(&kind) {
            return Err(InferError::Misuse(format!(
                "there is no {}: the model has no rare classes",
                kind.file_name()
            )));
        }
        match kind {
            OutputKind::Mask => raster::mask(self, new_scratch),
            OutputKind::Probability => raster::probability(self, new_scratch),
            OutputKind::Saliency => raster::saliency(self, new_scratch),
            OutputKind::Polygons => polygons::make(self, new_scratch),
            OutputKind::Review => review::make(self),
            OutputKind::AreasCsv => areas::csv(self),
            OutputKind::AreasJson => areas::json(self),
            OutputKind::StacItem => stac::make(self),
        }
    }

    /// Where the files come from, by the names of raster metadata.
    fn provenance(&self) -> Vec<(String, String)> {
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

/// A file that is made, read in chunks from its start.
pub struct OutputFile {
    kind: OutputKind,
    content: Content,
    notice: Option<String>,
}

enum Content {
    Cog(Box<CogFile<Box<dyn Scratch>>>),
    Kept { scratch: Box<dyn Scratch>, at: u64 },
    Bytes { bytes: Vec<u8>, at: usize },
}

impl OutputFile {
    /// Size of a chunk in bytes if the reader has no wish; no allocation is larger.
    pub const CHUNK_BYTES: usize = 4 << 20;

    fn of_bytes(kind: OutputKind, bytes: Vec<u8>) -> Self {
        Self {
            kind,
            content: Content::Bytes { bytes, at: 0 },
            notice: None,
        }
    }

    fn of_json(kind: OutputKind, value: &impl Serialize) -> Result<Self, InferError> {
        let text = serde_json::to_string_pretty(value).map_err(|error| InferError::Malformed(error.to_string()))?;
        Ok(Self::of_bytes(kind, (text + "\n").into_bytes()))
    }

    /// Which file it is.
    pub fn kind(&self) -> OutputKind {
        self.kind
    }

    /// What its reader should know, in words: that coordinates are not the requested ones.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Size of the file in bytes.
    pub fn size_bytes(&self) -> u64 {
        match &self.content {
            Content::Cog(file) => file.size_bytes(),
            Content::Kept { scratch, .. } => scratch.size_bytes(),
            Content::Bytes { bytes, .. } => bytes.len() as u64,
        }
    }

    /// Puts the next bytes into `chunk`, at most `most_bytes`; leaves it empty at the end.
    ///
    /// # Errors
    /// Those of the scratch.
    pub fn read_chunk(&mut self, chunk: &mut Vec<u8>, most_bytes: usize) -> Result<(), InferError> {
        match &mut self.content {
            Content::Cog(file) => file.read_chunk(chunk, most_bytes)?,
            Content::Kept { scratch, at } => {
                let left = scratch.size_bytes().saturating_sub(*at);
                let length = usize::try_from(left).map_or(most_bytes, |left| left.min(most_bytes));
                chunk.clear();
                chunk.resize(length, 0);
                scratch.read_at(*at, chunk)?;
                *at += length as u64;
            }
            Content::Bytes { bytes, at } => {
                let rest = bytes.get(*at..).unwrap_or_default();
                let length = rest.len().min(most_bytes);
                chunk.clear();
                chunk.extend(rest.iter().take(length));
                *at += length;
            }
        }
        Ok(())
    }

    /// The whole file in memory, for small scenes, and for callers that take no chunks.
    ///
    /// # Errors
    /// As [`OutputFile::read_chunk`].
    pub fn into_bytes(mut self) -> Result<Vec<u8>, InferError> {
        let (mut bytes, mut chunk) = (Vec::new(), Vec::new());
        loop {
            self.read_chunk(&mut chunk, Self::CHUNK_BYTES)?;
            if chunk.is_empty() {
                return Ok(bytes);
            }
            bytes.append(&mut chunk);
        }
    }
}

/// Text on its way into a scratch, in pieces that are worth a write.
pub(crate) struct TextSink {
    scratch: Box<dyn Scratch>,
    text: String,
}

const SINK_BYTES: usize = 1 << 18;

impl TextSink {
    fn new(scratch: Box<dyn Scratch>) -> Self {
        Self {
            scratch,
            text: String::new(),
        }
    }

    /// Takes what `text` holds; `text` is then empty.
    fn take(&mut self, text: &mut String) -> Result<(), RasterError> {
        self.text.push_str(text);
        text.clear();
        if self.text.len() >= SINK_BYTES {
            self.scratch.append(self.text.as_bytes())?;
            self.text.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Content, RasterError> {
        self.scratch.append(self.text.as_bytes())?;
        Ok(Content::Kept {
            scratch: self.scratch,
            at: 0,
        })
    }
}
