//! Finds out, before a run, what is worth knowing about a scene, in the same way for the command and the page.

use raremap_model::Card;
use raremap_scene::{Notice, Scene, SceneInfo};

use crate::error::InferError;
use crate::fit::bands::BandGuess;
use crate::fit::certainty::Certainty;
use crate::fit::matching::{MatchMode, match_statistics, not_matched};
use crate::fit::statistics::{Warning, compare_resolution, compare_statistics};
use crate::run::pipeline::{RunOptions, preview_for_statistics};
use raremap_geo::{PixelAreas, pixel_areas};

/// Code of the warning that nobody said which band is which.
const GUESSED: &str = "bands_guessed";

/// Finds how to match values, if they are to be matched, and puts that into `options`. Returns what a person should know before trusting
/// the result. `guess` is how bands were assigned before anybody changed that.
///
/// # Errors
/// As [`preview_for_statistics`].
pub async fn prepare_run(
    scene: &impl Scene,
    card: &Card,
    options: &mut RunOptions,
    matching: Option<MatchMode>,
    guess: &BandGuess,
) -> Result<Vec<Warning>, InferError> {
    let info = scene.scene_info();
    let mut preview = preview_for_statistics(scene, &options.bands).await?;
    options.matching = matching.and_then(|mode| match_statistics(&preview, card, mode));
    let mut warnings = Vec::new();
    match (&options.matching, matching) {
        (Some(matching), _) => matching.apply(&mut preview),
        (None, Some(mode)) => warnings.extend(not_matched(&preview, card, mode)),
        (None, None) => {}
    }
    warnings.extend(compare_statistics(&preview, card));
    let areas = pixel_areas(info.georeference.as_ref(), [info.height, info.width]);
    let middle = areas.pixel_ha(info.height as usize / 2, info.width as usize / 2);
    warnings.extend(compare_resolution(middle, card).filter(|_| options.resample.is_none()));
    warnings.extend(about_bands(card, &options.bands, guess));
    warnings.extend(about_place(info, &areas));
    Ok(warnings)
}

fn about_bands(card: &Card, bands: &[usize], guess: &BandGuess) -> Vec<Warning> {
    let needed = card.scene_bands();
    let pairs = || needed.iter().zip(bands);
    let is_as_guessed = guess.bands.iter().copied().eq(bands.iter().copied().map(Some));
    let spelled = |bands: &[usize]| {
        let parts: Vec<String> = needed
            .iter()
            .zip(bands)
            .map(|(name, band)| format!("{name}={}", band + 1))
            .collect();
        parts.join(",")
    };
    let guessed = (guess.certainty != Certainty::Named && is_as_guessed).then(|| {
        let others = guess.choices.iter().filter(|choice| choice.bands != bands);
        let others: Vec<String> = others
            .map(|choice| format!(" For {}: --bands {}.", choice.product, spelled(&choice.bands)))
            .collect();
        Warning {
            code: GUESSED,
            message: format!(
                "{} The assignment is --bands {}.{}",
                guess.reason,
                spelled(bands),
                others.concat()
            ),
        }
    });
    let twice = pairs().enumerate().find_map(|(index, (name, band))| {
        let (earlier, _) = pairs().take(index).find(|(_, earlier)| *earlier == band)?;
        Some(Warning {
            code: "band_used_twice",
            message: format!(
                "Band {} serves as both {earlier} and {name}, but the model was trained on different bands.",
                band + 1
            ),
        })
    });
    guessed.into_iter().chain(twice).collect()
}

/// Why a scene's areas are not known, if that is so.
pub fn about_place(info: &SceneInfo, areas: &PixelAreas) -> Option<Warning> {
    if let (None, Some(points)) = (&info.georeference, &info.ground_control) {
        return Some(Warning {
            code: "control_points_only",
            message: format!(
                "The scene has {} ground control points instead of a transform: its pixels have no place and no area until it is warped. The mask and the \
                 other images keep the points, so that gdalwarp or a GIS can do that.",
                points.tie_points.len() / 6
            ),
        });
    }
    let (code, message) = match (&info.georeference, areas.pixel_ha(0, 0)) {
        (Some(_), Some(_)) => return None,
        (Some(_), None) => (
            "unknown_areas",
            "The scene's file does not state its coordinate reference system or its unit, so areas are in pixels.",
        ),
        (None, _) => (
            "no_georeference",
            "The scene is not georeferenced, so areas are in pixels and the results have no place on a map.",
        ),
    };
    Some(Warning {
        code,
        message: message.to_owned(),
    })
}

/// How a scene was run, in the form of `raremap_output::Results::notes`: which band is which (`files` has the file of each), on what
/// device, with what warnings, and what was done to it. `guess` is what the scene itself says about its bands.
///
/// Nothing in it depends on who asked for the run. A page cannot tell accepted bands from named ones, so the files say `bands_unnamed`,
/// which is about the scene, and not `bands_guessed`.
pub fn run_notes(
    card: &Card,
    options: &RunOptions,
    files: &[&str],
    guess: &BandGuess,
    backend: &str,
    warnings: &[Warning],
    notices: &[Notice],
) -> Vec<(String, String)> {
    let is_one_file = files.iter().all(|file| Some(file) == files.first());
    let band = |(name, band): (&str, &usize)| match files.get(*band).filter(|_| !is_one_file) {
        Some(file) => format!("{name}={} ({file})", band + 1),
        None => format!("{name}={}", band + 1),
    };
    let bands: Vec<String> = card.scene_bands().into_iter().zip(&options.bands).map(band).collect();
    // Their order is that in which they were found, which no reader needs.
    let mut codes: Vec<&str> = warnings.iter().map(|warning| warning.code).collect();
    codes.retain(|code| *code != GUESSED);
    codes.extend((guess.certainty != Certainty::Named).then_some("bands_unnamed"));
    codes.sort_unstable();
    codes.dedup();
    let facts = [
        ("RAREMAP_BANDS", bands.join(",")),
        ("RAREMAP_TILE", options.tiling.tile_px.to_string()),
        ("RAREMAP_OVERLAP", options.tiling.overlap_px.to_string()),
        ("RAREMAP_BACKEND", backend.to_owned()),
        ("RAREMAP_WARNINGS", codes.join(",")),
    ];
    let facts = facts.map(|(name, value)| (name.to_owned(), value));
    let note = |notice: &Notice| {
        (
            format!("RAREMAP_NOTE_{}", notice.code.to_uppercase()),
            notice.message.clone(),
        )
    };
    facts.into_iter().chain(notices.iter().map(note)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::statistics::tests::card;
    use raremap_geo::{Affine, CrsKind, GeoReference};
    use raremap_tiff::{ColorInterpretation, SampleType};

    fn guess(certainty: Certainty) -> BandGuess {
        BandGuess {
            bands: vec![Some(0), Some(1), Some(2)],
            certainty,
            reason: "Because.".into(),
            choices: vec![],
        }
    }

    fn codes(warnings: &[Warning]) -> Vec<&'static str> {
        warnings.iter().map(|warning| warning.code).collect()
    }

    #[test]
    fn a_guess_is_said_as_long_as_nobody_says_otherwise_and_so_is_a_band_twice() {
        let of = |bands: &[usize], certainty| codes(&about_bands(&card(), bands, &guess(certainty)));
        assert_eq!(of(&[0, 1, 2], Certainty::Named), [""; 0]);
        assert_eq!(of(&[0, 1, 2], Certainty::Likely), ["bands_guessed"]);
        assert_eq!(of(&[1, 0, 2], Certainty::Likely), [""; 0]);
        let twice = about_bands(&card(), &[1, 0, 1], &guess(Certainty::Named));
        assert_eq!(codes(&twice), ["band_used_twice"]);
        assert!(
            twice[0].message.starts_with("Band 2 serves as both green and nir"),
            "{twice:?}"
        );
    }

    #[test]
    fn a_place_without_a_system_is_not_passed_over() {
        let affine = Affine {
            a: 10.0,
            b: 0.0,
            c: 0.0,
            d: 0.0,
            e: -10.0,
            f: 0.0,
        };
        let mut place = GeoReference::from_epsg(CrsKind::Projected, 32633, affine);
        let info = |georeference: &Option<GeoReference>| SceneInfo {
            width: 4,
            height: 4,
            sample_type: SampleType::U8,
            bits_per_sample: 8,
            nodata: None,
            band_names: vec![None],
            color_interpretations: vec![ColorInterpretation::Gray],
            alpha_band: None,
            georeference: georeference.clone(),
            ground_control: None,
            masked: false,
            wavelengths_nm: vec![],
            described: vec![],
        };
        let code = |place: &Option<GeoReference>| {
            about_place(&info(place), &pixel_areas(place.as_ref(), [4, 4])).map(|warning| warning.code)
        };
        assert_eq!((code(&place), code(&None)), (None, Some("no_georeference")));
        if let Some(place) = &mut place {
            place.crs.kind = CrsKind::Unknown;
        }
        assert_eq!(code(&place), Some("unknown_areas"));
    }

    #[test]
    fn notes_tell_bands_with_their_files_tiles_backend_and_warnings() {
        let options = RunOptions::new(vec![1, 0, 2]);
        let warning = |code| Warning {
            code,
            message: String::new(),
        };
        let warnings = ["resolution", "bands_guessed", "resolution"].map(warning);
        let notices = [Notice {
            code: "values_matched",
            message: "So.".into(),
        }];
        let notes = run_notes(
            &card(),
            &options,
            &["a.tif"; 3],
            &guess(Certainty::Unknown),
            "cpu",
            &warnings,
            &notices,
        );
        let (tile, overlap) = (
            options.tiling.tile_px.to_string(),
            options.tiling.overlap_px.to_string(),
        );
        let expected = [
            ("RAREMAP_BANDS", "green=2,red=1,nir=3"),
            ("RAREMAP_TILE", &tile),
            ("RAREMAP_OVERLAP", &overlap),
            ("RAREMAP_BACKEND", "cpu"),
            ("RAREMAP_WARNINGS", "bands_unnamed,resolution"),
            ("RAREMAP_NOTE_VALUES_MATCHED", "So."),
        ];
        assert_eq!(notes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let files = ["BAND2.tif", "BAND3.tif", "BAND4.tif"];
        let (_, bands) = &run_notes(&card(), &options, &files, &guess(Certainty::Named), "cpu", &[], &[])[0];
        assert_eq!(bands, "green=2 (BAND3.tif),red=1 (BAND2.tif),nir=3 (BAND4.tif)");
    }
}
