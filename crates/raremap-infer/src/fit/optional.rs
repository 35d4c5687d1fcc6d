//! Which optional bands of a model a scene has.

use raremap_model::{BandSource, Card};
use raremap_scene::{Notice, Scene};

use crate::error::InferError;
use crate::fit::bands::{clues_of, guess_bands, guess_scene_bands};

/// The card as it serves `scene`: without the optional bands that the scene, as far as it describes itself, does not have.
///
/// An optional band counts only if finding it leaves the required bands where they are without it, so it never makes a scene's bands harder
/// to tell.
///
/// # Errors
/// As [`guess_scene_bands`] for the required bands.
pub async fn card_for_scene(scene: &impl Scene, card: &Card) -> Result<Card, InferError> {
    let (required, optional) = (card.required_bands(), card.optional_bands());
    if optional.is_empty() {
        return Ok(card.clone());
    }
    let alone = guess_scene_bands(scene, &required).await?;
    let clues = clues_of(scene).await?;
    // The scene's values, which a pass over the file may take to read, have had their say.
    let is_missing = |name: &&str| {
        let with = guess_bands(clues, &[required.as_slice(), &[*name]].concat());
        !with.is_ok_and(|with| with.extends(&alone))
    };
    let missing: Vec<&str> = optional.into_iter().filter(is_missing).collect();
    Ok(card.without(&missing))
}

/// The card without the optional bands that are `None` in `bands`, and the bands that are left. `bands` has the scene's band, from 0, for each
/// of the card's [scene bands](Card::scene_bands); a list that ends early leaves out the rest.
///
/// # Errors
/// [`InferError::Misuse`] if a required band is `None` or left out, or if there are more than the card has.
pub fn card_for_bands(card: &Card, bands: &[Option<usize>]) -> Result<(Card, Vec<usize>), InferError> {
    let (names, required) = (card.scene_bands(), card.required_bands());
    if bands.len() > names.len() {
        return Err(InferError::Misuse(format!(
            "{} bands are assigned, but the model has {}",
            bands.len(),
            names.len()
        )));
    }
    let missing: Vec<&str> = names
        .into_iter()
        .zip(bands.iter().chain(std::iter::repeat(&None)))
        .filter(|(_, band)| band.is_none())
        .map(|(name, _)| name)
        .collect();
    if let Some(name) = missing.iter().find(|name| required.contains(name)) {
        return Err(InferError::Misuse(format!("the band {name} is not assigned")));
    }
    Ok((card.without(&missing), bands.iter().flatten().copied().collect()))
}

/// What a scene lacks of the optional bands, if it lacks any of them; `card` is that of the scene.
pub(crate) fn about_missing(card: &Card) -> Option<Notice> {
    let lacks = |band: &&raremap_model::Band| band.optional && band.source == BandSource::Missing;
    let missing: Vec<&str> = card.bands.iter().filter(lacks).map(|band| band.name.as_str()).collect();
    (!missing.is_empty()).then(|| Notice {
        code: "optional_bands_missing",
        message: format!(
            "The map is made without {}: the model uses these bands where a scene has them, and is then better.",
            missing.join(" and ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use pollster::block_on;
    use raremap_io::BytesSource;
    use raremap_scene::TiffScene;
    use raremap_tiff::{Limits, OutputImage, OutputSamples, encode_geotiff};

    use super::*;
    use crate::fit::statistics::tests::optional;

    /// The scene bands of the card with optional blue and swir1, for a scene of bands with these names.
    fn found(names: &[Option<&str>]) -> Vec<String> {
        let plane = [100.0; 4];
        let image = OutputImage {
            width: 2,
            height: 2,
            samples: OutputSamples::F32 {
                bands: vec![&plane; names.len()],
            },
            nodata: None,
            color_table: None,
            band_names: names.iter().map(|name| name.unwrap_or_default().to_owned()).collect(),
            metadata: vec![],
        };
        let bytes = encode_geotiff(&image, None).expect("a small image");
        let scene = block_on(TiffScene::open(BytesSource::new(bytes), Limits::default())).expect("a scene");
        let card = block_on(card_for_scene(&scene, &optional(&["blue", "swir1"]))).expect("enough bands");
        card.scene_bands().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn bands_that_a_scene_names_or_a_known_order_has_are_used_and_others_are_not_made_up() {
        let named = |names: &[&'static str]| found(&names.iter().copied().map(Some).collect::<Vec<_>>());
        let all = ["green", "red", "nir", "blue", "swir1"];
        assert_eq!(named(&["swir1", "nir", "red", "green", "blue"]), all);
        assert_eq!(named(&["green", "red", "nir"]), all[..3]);
        assert_eq!(
            named(&["green", "red", "nir", "swir1"]),
            ["green", "red", "nir", "swir1"]
        );
        // Five unnamed bands are RapidEye's more often than anything with short-wave infrared.
        assert_eq!(found(&[None; 4]), all[..4]);
        assert_eq!(found(&[None; 5]), all[..4]);
        assert_eq!(found(&[None; 6]), all);
        assert_eq!(found(&[None; 3]), all[..3]);
        // Three known orders have seven bands, and blue and short-wave infrared in each.
        assert_eq!(found(&[None; 7]), all);
    }

    #[test]
    fn what_a_person_leaves_out_is_missing_unless_it_is_required() {
        let card = optional(&["blue", "swir1"]);
        let (fitted, bands) = card_for_bands(&card, &[Some(1), Some(2), Some(3), None, Some(5)]).expect("valid");
        assert_eq!(fitted.scene_bands(), ["green", "red", "nir", "swir1"]);
        assert_eq!(bands, [1, 2, 3, 5]);
        let (three, _) = card_for_bands(&card, &[Some(1), Some(2), Some(3)]).expect("the others are optional");
        assert_eq!(three.scene_bands(), ["green", "red", "nir"]);
        let notice = about_missing(&fitted).expect("blue is missing");
        assert!(
            notice.message.starts_with("The map is made without blue:"),
            "{}",
            notice.message
        );
        assert_eq!(about_missing(&card), None);
        for (wrong, part) in [
            (vec![Some(0), None, Some(2), None, None], "red is not assigned"),
            (vec![Some(0); 2], "nir is not assigned"),
            (vec![Some(0); 6], "6 bands are assigned"),
        ] {
            let error = card_for_bands(&card, &wrong).expect_err("refused").to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
