//! What a file says about itself.

mod scene;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use pollster::block_on;
use raremap_model::{Card, ModelFile};
use raremap_model::{MAX_HEADER_BYTES, read_card};
use raremap_tiff::foreign_format;
use serde_json::{Value, json};

use crate::error::FilesError;
pub use scene::InspectedScene;

/// What a file says about itself.
#[derive(Debug)]
#[non_exhaustive]
pub enum Inspected {
    /// A GeoTIFF.
    Scene(Box<InspectedScene>),
    /// A weights file.
    Model(Box<InspectedModel>),
}

/// What a weights file says about itself.
#[derive(Debug)]
pub struct InspectedModel {
    /// Its size.
    pub bytes: usize,
    /// Its digest.
    pub sha256: String,
    /// What the network is and where it comes from.
    pub card: Card,
}

impl Inspected {
    /// The report, as `raremap inspect --json` prints it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Scene(scene) => scene.to_json(),
            Self::Model(model) => json!({
                "kind": "model",
                "bytes": model.bytes,
                "sha256": model.sha256,
                "card": model.card.to_stac(),
            }),
        }
    }
}

/// Reads what a GeoTIFF or a weights file says about itself. `statistics` reads all pixels of a GeoTIFF for exact statistics, and `checksums`
/// adds GDAL's 16-bit checksum of each band; otherwise the statistics of a large file come from every n-th pixel.
///
/// # Errors
/// [`FilesError::NotRecognized`] for another kind of file, otherwise those of reading it.
pub fn inspect(path: &Path, checksums: bool, statistics: bool) -> Result<Inspected, FilesError> {
    let open =
        || block_on(InspectedScene::open(path, checksums, statistics)).map(|scene| Inspected::Scene(scene.into()));
    let mut file = File::open(path)?;
    // A weights file's header comes first, so anything else is refused without reading it all.
    let mut bytes = Vec::new();
    Read::by_ref(&mut file)
        .take(MAX_HEADER_BYTES as u64 + 8)
        .read_to_end(&mut bytes)?;
    let is_tiff = matches!(
        bytes.get(..4),
        Some([b'I', b'I', 42 | 43, 0] | [b'M', b'M', 0, 42 | 43])
    );
    if is_tiff || bytes.is_empty() {
        return open();
    }
    if let Err(error) = read_card(&bytes) {
        // The raster reader recognizes what people mistake for a GeoTIFF.
        return match foreign_format(&bytes) {
            Some(_) => open(),
            None => Err(FilesError::NotRecognized(error)),
        };
    }
    file.read_to_end(&mut bytes)?;
    let ModelFile { card, sha256, .. } = ModelFile::from_bytes(&bytes)?;
    Ok(Inspected::Model(Box::new(InspectedModel {
        bytes: bytes.len(),
        sha256,
        card,
    })))
}
