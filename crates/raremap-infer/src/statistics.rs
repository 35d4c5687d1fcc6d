//! Does the scene look like what the model was trained on? Asked before the run.

use raremap_model::{BandSource, Card};
use raremap_raster::Samples;
use serde::Serialize;

/// Mean and standard deviation of a band's valid pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BandStatistics {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
}

/// Something that a person should know before trusting the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// A stable identifier for programs.
    pub code: &'static str,
    /// One or two sentences for people: what is odd, and what to do.
    pub message: String,
}

/// A scene mean this many training deviations from the training mean is far.
const FAR_DEVIATIONS: f64 = 2.0;
/// A spread this many times larger or smaller than in training is far.
const FAR_SPREAD: f64 = 4.0;
/// A ground resolution this many times finer or coarser than in training is far.
const FAR_RESOLUTION: f64 = 2.0;

/// Statistics per band over the valid pixels; `None` where there are none.
pub fn band_statistics(samples: &Samples) -> Vec<Option<BandStatistics>> {
    let pixels = samples.valid.len().max(1);
    let statistics = |band: &[f32]| {
        let valid = || {
            band.iter()
                .zip(&samples.valid)
                .filter(|(_, valid)| **valid)
                .map(|(value, _)| f64::from(*value))
        };
        let count = valid().count();
        if count == 0 {
            return None;
        }
        let mean = valid().sum::<f64>() / count as f64;
        let variance = valid().map(|value| (value - mean).powi(2)).sum::<f64>() / count as f64;
        let (min, max) = valid().fold((f64::MAX, f64::MIN), |(min, max), value| {
            (min.min(value), max.max(value))
        });
        Some(BandStatistics {
            mean,
            std: variance.sqrt(),
            min,
            max,
        })
    };
    samples.values.chunks_exact(pixels).map(statistics).collect()
}

/// Compares a preview of the scene, its bands in the card's order, with the statistics the model was trained on.
pub fn compare_statistics(samples: &Samples, card: &Card) -> Vec<Warning> {
    let bands: Vec<_> = card
        .bands
        .iter()
        .filter(|band| band.source == BandSource::Scene)
        .collect();
    let Some(scene) = band_statistics(samples)
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .filter(|all| !all.is_empty())
    else {
        let message = "No pixel of the scene has data in all bands that the model needs.".to_owned();
        return vec![Warning {
            code: "no_data",
            message,
        }];
    };
    let mean_distance =
        |scene: &BandStatistics, mean: f32, std: f32| (scene.mean - f64::from(mean)).abs() / f64::from(std);
    let far: Vec<String> = bands
        .iter()
        .zip(&scene)
        .filter(|(band, scene)| {
            let spread = scene.std / f64::from(band.std);
            mean_distance(scene, band.mean, band.std) > FAR_DEVIATIONS
                || !(1.0 / FAR_SPREAD..=FAR_SPREAD).contains(&spread)
        })
        .map(|(band, scene)| {
            let (name, mean, std) = (&band.name, f64::from(band.mean), f64::from(band.std));
            format!(
                "{name} is {:.4} ± {:.4}, in training {mean:.4} ± {std:.4}",
                scene.mean, scene.std
            )
        })
        .collect();
    if far.is_empty() {
        return Vec::new();
    }
    let greatest = scene.iter().map(|band| band.max).fold(f64::MIN, f64::max);
    let trained = bands
        .iter()
        .map(|band| f64::from(band.mean + band.std))
        .fold(f64::MIN, f64::max);
    // Another order of the same bands that fits much better.
    let distance = |order: &[usize]| -> f64 {
        let pairs = bands
            .iter()
            .zip(order)
            .filter_map(|(band, index)| Some((band, scene.get(*index)?)));
        pairs
            .map(|(band, scene)| mean_distance(scene, band.mean, band.std))
            .sum()
    };
    let straight: Vec<usize> = (0..bands.len()).collect();
    let reversed: Vec<usize> = straight.iter().rev().copied().collect();
    let (code, cause) = if greatest <= 255.0 && greatest > 2.0 && trained > 500.0 {
        ("values_8_bit", "The values look like 8-bit display values.".to_owned())
    } else if greatest <= 2.0 && trained > 20.0 {
        (
            "values_reflectance",
            "The values look like reflectances from 0 to 1.".to_owned(),
        )
    } else if distance(&reversed) * 2.0 < distance(&straight) {
        (
            "bands_swapped",
            "The bands may be in another order: check which band is which.".to_owned(),
        )
    } else {
        (
            "values_unusual",
            "Check the order of the bands and how their values are scaled.".to_owned(),
        )
    };
    let message = format!(
        "{cause} The model was trained on {}; here {}: its result may be wrong.",
        card.value_scaling,
        far.join("; ")
    );
    vec![Warning { code, message }]
}

/// Compares the size of the scene's pixels on the ground with that of the training data.
pub fn compare_resolution(pixel_ha: Option<f64>, card: &Card) -> Option<Warning> {
    let metres = (pixel_ha? * crate::areas::M2_PER_HA).sqrt();
    let ratio = metres / card.ground_resolution_m;
    if !ratio.is_finite() || (1.0 / FAR_RESOLUTION..=FAR_RESOLUTION).contains(&ratio) {
        return None;
    }
    let message = format!(
        "A pixel of the scene is {metres:.1} m wide, the model was trained on {:.1} m: small things look different to it.",
        card.ground_resolution_m
    );
    Some(Warning {
        code: "resolution",
        message,
    })
}
