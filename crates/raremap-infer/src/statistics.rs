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

#[cfg(test)]
mod tests {
    use super::*;
    use raremap_model::{Band, SegformerConfig, Training, Variant};

    /// Surface reflectance x 10000, as the default model's.
    fn card() -> Card {
        let band = |name: &str, mean: f32, std: f32| Band {
            name: name.into(),
            source: BandSource::Scene,
            mean,
            std,
        };
        Card {
            name: "toy".into(),
            description: String::new(),
            created: String::new(),
            bands: vec![
                band("green", 700.0, 300.0),
                band("red", 650.0, 400.0),
                band("nir", 2600.0, 900.0),
            ],
            value_scaling: "surface reflectance x 10000".into(),
            tile_px: 256,
            ground_resolution_m: 30.0,
            classes: vec![],
            rare_classes: vec![],
            architecture: SegformerConfig::new(Variant::B0, 3, 1, 0).into(),
            training: Training {
                dataset: String::new(),
                provenance: String::new(),
                class_pixels: vec![],
            },
            metrics: Default::default(),
            quantization: String::new(),
        }
    }

    /// Bands of the given means, each value a fifth of its band's mean away from it.
    fn scene(means: [f32; 3]) -> Samples {
        let values = means
            .iter()
            .flat_map(|mean| [mean * 0.8, mean * 1.2, mean * 0.8, mean * 1.2])
            .collect();
        Samples {
            bands: 3,
            height: 2,
            width: 2,
            values,
            valid: vec![true; 4],
        }
    }

    #[test]
    fn a_scene_like_the_training_data_gives_no_warning() {
        assert_eq!(compare_statistics(&scene([700.0, 800.0, 2400.0]), &card()), []);
    }

    #[test]
    fn the_probable_cause_is_named() {
        let cases = [
            ([60.0, 50.0, 140.0], "values_8_bit"),
            ([0.07, 0.06, 0.26], "values_reflectance"),
            ([3200.0, 650.0, 700.0], "bands_swapped"),
            ([20000.0, 21000.0, 22000.0], "values_unusual"),
        ];
        for (means, code) in cases {
            let warnings = compare_statistics(&scene(means), &card());
            assert_eq!(
                warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(),
                [code],
                "{means:?}"
            );
            assert!(warnings[0].message.contains("surface reflectance x 10000"));
        }
    }

    #[test]
    fn invalid_pixels_do_not_count() {
        let mut samples = scene([700.0, 800.0, 2400.0]);
        samples.values[0] = f32::NAN;
        samples.valid[0] = false;
        let green = band_statistics(&samples)[0].expect("three valid pixels");
        assert!((green.mean - (840.0 + 560.0 + 840.0) / 3.0).abs() < 1e-3);
        assert!((green.min - 560.0).abs() < 1e-3 && (green.max - 840.0).abs() < 1e-3);
        samples.valid.fill(false);
        assert_eq!(compare_statistics(&samples, &card())[0].code, "no_data");
    }

    #[test]
    fn another_ground_resolution_is_said() {
        let metres = |edge: f64| Some(edge * edge / 10_000.0);
        assert_eq!(compare_resolution(None, &card()), None);
        assert_eq!(compare_resolution(metres(20.0), &card()), None);
        assert!(compare_resolution(metres(5.8), &card()).is_some_and(|warning| warning.message.contains("5.8 m")));
        assert!(compare_resolution(metres(250.0), &card()).is_some());
    }
}
