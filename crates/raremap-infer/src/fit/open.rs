//! Opens files as a scene whose numbers are those that the model needs, in the same way for the command and the page.

use raremap_io::RangeSource;
use raremap_model::Card;
use raremap_scene::{
    DeclaredScaling, Product, ProductKind, SceneError, TiffScene, calibration, product_facts, recognize,
};
use raremap_tiff::Limits;

use crate::fit::reflectance::reflectance_factor;
use crate::fit::statistics::Warning;

/// Largest size of a metadata file in bytes.
const MAX_METADATA_BYTES: u64 = 16 << 20;

/// What may be done to a scene as it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOptions {
    /// Whether stored numbers are converted to those of the model, if it is known how.
    pub to_reflectance: bool,
    /// Whether pixels that are 0 in all bands and connected to the edge of the scene count as missing, if the scene does not declare which pixels have data.
    pub empty_border: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            to_reflectance: true,
            empty_border: true,
        }
    }
}

/// Opens the files of one product among `paths`, or one file of any name; `source` gives the bytes of a file by its position in the list.
///
/// With [`OpenOptions::to_reflectance`], stored numbers are converted to those of the model if the card says that these are
/// reflectances, if the files belong to a known product, and if its metadata say how. Warnings say if that failed, or only worked in part.
///
/// # Errors
/// [`raremap_scene::ProductError`] for files that do not make one scene, otherwise errors of reading them.
pub async fn open_product<S: RangeSource>(
    paths: &[&str],
    source: impl AsyncFn(usize) -> Result<S, SceneError>,
    card: &Card,
    options: OpenOptions,
    limits: &Limits,
) -> Result<(Product<TiffScene<S>>, Vec<Warning>), SceneError> {
    let recognized = recognize(paths)?;
    let mut scene = Product::open(&recognized, &source, limits).await?;
    if options.empty_border {
        scene.find_collar().await?;
    }
    let metadata = match recognized.metadata {
        Some(index) => Some(read_text(&source(index).await?).await?),
        None => None,
    };
    scene.describe(product_facts(&recognized, metadata.as_deref()));
    let wanted = reflectance_factor(card);
    let other_numbers = scene
        .declared_scaling()
        .iter()
        .find_map(|declared| other_numbers(declared, card));
    let Some(factor) = wanted.filter(|_| options.to_reflectance && recognized.kind != ProductKind::Other) else {
        return Ok((scene, Vec::from_iter(other_numbers)));
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
        Err(why) => {
            let not_calibrated = Warning {
                code: "not_calibrated",
                message: format!("{why}, so the numbers are used as stored."),
            };
            std::iter::once(not_calibrated).chain(other_numbers).collect()
        }
    };
    Ok((scene, warnings))
}

async fn read_text(source: &impl RangeSource) -> Result<String, SceneError> {
    let end = source.size_bytes().min(MAX_METADATA_BYTES);
    let bytes = source.fetch_range(0..end).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether the numbers of a file stand for reflectances, as the file says, that are not those that the model needs.
fn other_numbers(declared: &DeclaredScaling, card: &Card) -> Option<Warning> {
    let DeclaredScaling { file, scale, offset } = declared;
    let factor = reflectance_factor(card)?;
    let is_same = (scale * factor - 1.0).abs() < 1e-6 && (offset * factor).abs() < 1e-6;
    let sign = if *offset < 0.0 { '-' } else { '+' };
    (!is_same).then(|| Warning {
        code: "declared_scaling",
        message: format!(
            "{file} says that a stored number n stands for {scale} n {sign} {}, but the model needs {}. The numbers are used as stored; \
             gdal_translate -unscale -ot Float32 applies the scale.",
            offset.abs(),
            card.value_scaling
        ),
    })
}

fn top_of_atmosphere(card: &Card) -> Option<Warning> {
    card.value_scaling.to_lowercase().contains("surface").then(|| Warning {
        code: "top_of_atmosphere",
        message: "The values are reflectances at the top of the atmosphere, but the model was trained on those at the surface: haze makes dark \
                  things brighter than they were in training."
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_stand_for_others_than_the_models_are_told() {
        let card = Card {
            value_scaling: "surface reflectance x 10000".into(),
            ..crate::fit::statistics::tests::card()
        };
        let declared = |scale, offset| DeclaredScaling {
            file: "scene.tif".into(),
            scale,
            offset,
        };
        assert_eq!(other_numbers(&declared(1e-4, 0.0), &card), None);
        let told = other_numbers(&declared(1e-4, -0.1), &card).expect("a warning");
        assert!(
            told.code == "declared_scaling" && told.message.contains("stands for 0.0001 n - 0.1,"),
            "{told:?}"
        );
        assert!(other_numbers(&declared(2.75e-5, -0.2), &card).is_some());
        let card = Card {
            value_scaling: "digital numbers".into(),
            ..card
        };
        assert_eq!(other_numbers(&declared(1e-4, -0.1), &card), None);
    }
}
