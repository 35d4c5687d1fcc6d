//! Files as a scene whose numbers are those that the model wants, the same way for the command and the page.

use raremap_model::Card;
use raremap_raster::{
    GeoTiff, Limits, Product, ProductBand, ProductError, ProductKind, RangeSource, RasterError, RecognizedProduct,
    calibration, product_facts, recognize,
};

use crate::scaling::reflectance_factor;
use crate::statistics::Warning;

/// Most bytes of a metadata file.
const MAX_METADATA_BYTES: u64 = 16 << 20;

/// Opens the files of one product among `paths`, or one file of any name; `source` gives the bytes of one by its place in the list.
///
/// With `to_reflectance`, stored numbers become the model's where the card says that these are reflectances, the files are those of a
/// known product and its metadata have what it takes. The warnings say where that could not be done, or only in part.
///
/// # Errors
/// [`ProductError`] for files that are not one scene, else what reading them gives.
pub async fn open_product<S: RangeSource>(
    paths: &[&str],
    source: impl AsyncFn(usize) -> Result<S, RasterError>,
    card: &Card,
    to_reflectance: bool,
    limits: &Limits,
) -> Result<(Product<GeoTiff<S>>, Vec<Warning>), RasterError> {
    let recognized = match (recognize(paths), paths) {
        // A single file may have any name.
        (Err(ProductError::NoImage(_)), [path]) => only_file(path),
        (recognized, _) => recognized?,
    };
    let mut scene = Product::open(&recognized, &source, limits).await?;
    let metadata = match recognized.metadata {
        Some(index) => Some(read_text(&source(index).await?).await?),
        None => None,
    };
    scene.describe(product_facts(&recognized, metadata.as_deref()));
    let factor = reflectance_factor(card).filter(|_| to_reflectance && recognized.kind != ProductKind::Other);
    let Some(factor) = factor else {
        return Ok((scene, Vec::new()));
    };
    let found = calibration(&recognized, metadata.as_deref())
        .and_then(|calibration| scene.check_calibration(&calibration).map(|()| calibration));
    let warnings = match found {
        Ok(calibration) => {
            scene.calibrate(&calibration, factor)?;
            top_of_atmosphere(card)
                .filter(|_| !calibration.is_surface)
                .into_iter()
                .collect()
        }
        Err(why) => vec![Warning {
            code: "not_calibrated",
            message: format!("{why}: the numbers are used as they are stored."),
        }],
    };
    Ok((scene, warnings))
}

fn only_file(path: &str) -> RecognizedProduct {
    RecognizedProduct {
        kind: ProductKind::Other,
        bands: vec![ProductBand {
            file: 0,
            name: path.to_owned(),
            common: None,
        }],
        metadata: None,
        unused: vec![],
    }
}

async fn read_text(source: &impl RangeSource) -> Result<String, RasterError> {
    let end = source.size_bytes().min(MAX_METADATA_BYTES);
    let bytes = source.fetch_range(0..end).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn top_of_atmosphere(card: &Card) -> Option<Warning> {
    card.value_scaling.to_lowercase().contains("surface").then(|| Warning {
        code: "top_of_atmosphere",
        message: "The values are reflectances at the top of the atmosphere, the model was trained on those at the surface: haze makes dark \
                  things brighter than it knows them."
            .to_owned(),
    })
}
