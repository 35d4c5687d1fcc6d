//! Tells bands apart by their values.

use raremap_scene::Scene;
use raremap_tiff::Samples;

use super::{BandClues, BandGuess, guess_bands};
use crate::error::InferError;
use crate::fit::certainty::Certainty;
use crate::fit::opacity::Opacity;

/// Longer side of the preview that the values are read from.
const PREVIEW_PX: u32 = 512;
/// With fewer pixels than this, nothing is decided.
const LEAST_PIXELS: usize = 64;
/// The best choice has to set near infrared apart by this much more than any other, as a difference of correlations. The test
/// `values_decide_on_real_scenes` reports how often this decides, and how often it is wrong.
const MARGIN: f64 = 0.4;
/// The best choice has to set near infrared apart by at least this much.
const LEAST: f64 = 0.1;

/// What `scene` says about its bands.
///
/// # Errors
/// Those of reading its opacity.
pub(crate) async fn clues_of<S: Scene>(scene: &S) -> Result<BandClues<'_>, InferError> {
    Ok(BandClues {
        alpha_is_data: Opacity::is_contradicted(scene).await?,
        ..scene.scene_info().into()
    })
}

/// Guesses the bands of a scene by its descriptions of them, as [`guess_bands`] does, and by a preview if that leaves a choice.
///
/// # Errors
/// Those of [`guess_bands`] and of reading the preview.
pub async fn guess_scene_bands(scene: &impl Scene, needed: &[&str]) -> Result<BandGuess, InferError> {
    let mut guess = guess_bands(clues_of(scene).await?, needed)?;
    let place = |name: &str| needed.iter().position(|needed| *needed == name);
    let (Some(green), Some(red), Some(nir)) = (place("green"), place("red"), place("nir")) else {
        return Ok(guess);
    };
    if guess.choices.len() < 2 {
        return Ok(guess);
    }
    let mut bands: Vec<usize> = guess.choices.iter().flat_map(|choice| choice.bands.clone()).collect();
    bands.sort_unstable();
    bands.dedup();
    let preview = scene.read_preview(PREVIEW_PX, &bands).await?;
    let at = |band: usize| bands.iter().position(|found| *found == band);
    let apart = |assigned: &[usize]| -> Option<f64> {
        let [green, red, nir] = [green, red, nir].map(|role| assigned.get(role).and_then(|band| at(*band)));
        nir_apart(&preview, [green?, red?, nir?])
    };
    let scores: Option<Vec<f64>> = guess.choices.iter().map(|choice| apart(&choice.bands)).collect();
    let Some(scores) = scores else {
        return Ok(guess);
    };
    let best = (0..scores.len())
        .max_by(|one, other| scores[*one].total_cmp(&scores[*other]))
        .unwrap_or(0);
    let is_clear = |other: usize| other == best || scores[best] - scores[other] >= MARGIN;
    if scores[best] < LEAST || !(0..scores.len()).all(is_clear) {
        return Ok(guess);
    }
    let chosen = guess.choices.remove(best);
    let nir_band = chosen.bands.get(nir).map_or(0, |band| band + 1);
    guess.reason = format!(
        "{} The values suggest {}: band {nir_band} differs from the others the way near infrared does.",
        guess.reason, chosen.product
    );
    guess.bands = chosen.bands.iter().copied().map(Some).collect();
    guess.certainty = Certainty::Likely;
    guess.choices.insert(0, chosen);
    Ok(guess)
}

/// How much less near infrared is like the visible bands than these are like each other, as a difference of correlations.
fn nir_apart(samples: &Samples, [green, red, nir]: [usize; 3]) -> Option<f64> {
    let pixels = samples.valid.len();
    let plane = |band: usize| samples.values.get(band * pixels..(band + 1) * pixels);
    let planes = [plane(green)?, plane(red)?, plane(nir)?];
    let is_used = |pixel: &usize| samples.valid[*pixel] && planes.iter().any(|plane| plane[*pixel] != 0.0);
    let used: Vec<usize> = (0..pixels).filter(is_used).collect();
    if used.len() < LEAST_PIXELS {
        return None;
    }
    let [green, red, nir] = planes;
    let visible = correlation(green, red, &used)?;
    let infrared = correlation(red, nir, &used)?.max(correlation(green, nir, &used)?);
    Some(visible - infrared)
}

fn correlation(one: &[f32], other: &[f32], pixels: &[usize]) -> Option<f64> {
    let count = pixels.len() as f64;
    let mean = |plane: &[f32]| pixels.iter().map(|pixel| f64::from(plane[*pixel])).sum::<f64>() / count;
    let (one_mean, other_mean) = (mean(one), mean(other));
    let [mut both, mut ones, mut others] = [0.0; 3];
    for pixel in pixels {
        let (a, b) = (f64::from(one[*pixel]) - one_mean, f64::from(other[*pixel]) - other_mean);
        both += a * b;
        ones += a * a;
        others += b * b;
    }
    let spread = (ones * others).sqrt();
    (spread > 0.0).then(|| both / spread)
}
