//! Checks, before the run, whether the scene looks like what the model was trained on.

use raremap_model::{Band, BandSource, Card};
use raremap_tiff::Samples;
use serde::Serialize;

/// Mean and standard deviation of a band's valid pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PreviewStatistics {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
    /// Lowest value.
    pub min: f64,
    /// Highest value.
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

/// A scene mean this many training deviations from the training mean is far off: 2 in 242 training images of the default model are.
const FAR_DEVIATIONS: f64 = 3.0;
/// A spread this many times larger than in training is far off.
const FAR_SPREAD: f64 = 4.0;
/// A spread this many times smaller is far off: a scene of one cover varies little.
const FAR_UNIFORMITY: f64 = 10.0;
/// Another order of the bands that is this many times nearer to the training data is suspicious: no training image has one.
const NEARER: f64 = 2.0;
/// Green and red are alike in most places. Near infrared that is more like one of them than they are like each other, by this much of a
/// correlation, is suspicious if another order is nearer as well. The lowest value in 242 training images is -0.19.
const UNLIKE: f64 = -0.2;
/// Share of the pixels that count as the darkest.
const DARKEST_SHARE: f64 = 0.01;
/// If even the darkest pixels of green reflect this much, the scene is seen through air. Among scenes that are also [`BLUER`], this is so for
/// none of 242 training scenes at 30 m, 1 in 100 chips of 64 x 64 pixels, and none of 60 scenes of 256 x 256.
const HAZY_REFLECTANCE: f64 = 0.06;
/// Air is at least this many times brighter in green than in red; bare ground is darker in green.
const BLUER: f64 = 1.15;
/// A ground resolution this many times finer or coarser than in training is far off.
const FAR_RESOLUTION: f64 = 1.25;

/// Statistics per band over the valid pixels; `None` if there are none.
pub fn band_statistics(samples: &Samples) -> Vec<Option<PreviewStatistics>> {
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
        Some(PreviewStatistics {
            mean,
            std: variance.sqrt(),
            min,
            max,
        })
    };
    samples.values.chunks_exact(pixels).map(statistics).collect()
}

/// Code of the warning that the bands are in another order.
pub(crate) const BANDS_SWAPPED: &str = "bands_swapped";

/// The population that a model was trained on, per scene band.
pub(crate) fn trained_bands(card: &Card) -> Vec<&Band> {
    let is_scene = |band: &&Band| band.source == BandSource::Scene;
    card.bands.iter().filter(is_scene).collect()
}

/// How far a band's mean is from that of training, in deviations of training.
fn mean_distance(scene: &PreviewStatistics, band: &Band) -> f64 {
    (scene.mean - f64::from(band.mean)).abs() / f64::from(band.std)
}

/// Whether a band's values can hardly belong to the population that the model was trained on.
pub(crate) fn is_far(scene: &PreviewStatistics, band: &Band) -> bool {
    let spread = scene.std / f64::from(band.std);
    mean_distance(scene, band) > FAR_DEVIATIONS || !(1.0 / FAR_UNIFORMITY..=FAR_SPREAD).contains(&spread)
}

/// What the values look like, if that explains why they are far off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoredUnits {
    EightBit,
    Reflectance,
    Other,
}

pub(crate) fn units_of(scene: &[PreviewStatistics], bands: &[&Band]) -> StoredUnits {
    let greatest = scene.iter().map(|band| band.max).fold(f64::MIN, f64::max);
    let trained = bands
        .iter()
        .map(|band| f64::from(band.mean + band.std))
        .fold(f64::MIN, f64::max);
    if greatest <= 255.0 && greatest > 2.0 && trained > 500.0 {
        StoredUnits::EightBit
    } else if greatest <= 2.0 && trained > 20.0 {
        StoredUnits::Reflectance
    } else {
        StoredUnits::Other
    }
}

/// Compares a preview of the scene, its bands in the card's order, with the statistics the model was trained on.
pub fn compare_statistics(samples: &Samples, card: &Card) -> Vec<Warning> {
    let bands = trained_bands(card);
    let Some(scene) = all_statistics(samples) else {
        let message = "No pixel of the scene has data in all bands that the model needs.".to_owned();
        return vec![Warning {
            code: "no_data",
            message,
        }];
    };
    let pairs = || bands.iter().zip(&scene);
    let far: Vec<String> = pairs()
        .filter(|(band, scene)| is_far(scene, band))
        .map(|(band, scene)| {
            let (name, mean, std) = (&band.name, f64::from(band.mean), f64::from(band.std));
            format!(
                "{name} is {:.4} ± {:.4}, but was {mean:.4} ± {std:.4} in training",
                scene.mean, scene.std
            )
        })
        .collect();
    let units = units_of(&scene, &bands);
    let swapped = (far.is_empty() || units == StoredUnits::Other)
        .then(|| swapped_order(samples, &scene, &bands))
        .flatten();
    if let Some(order) = swapped {
        let order: Vec<String> = pairs()
            .zip(order)
            .map(|((band, _), index)| {
                let taken = bands.get(index).map_or("", |band| band.name.as_str());
                format!("{} looks like {taken}", band.name)
            })
            .collect();
        let message = format!(
            "The bands may be in another order ({}): check which is which. The model was trained on {}; if bands are exchanged, its result is \
             wrong.",
            order.join(", "),
            card.value_scaling
        );
        return vec![Warning {
            code: BANDS_SWAPPED,
            message,
        }];
    }
    if far.is_empty() {
        return hazy(samples, card).into_iter().collect();
    }
    let (code, cause) = match units {
        StoredUnits::EightBit => (
            "values_8_bit",
            "The values look like 8-bit display values; matching their units helps.",
        ),
        StoredUnits::Reflectance => (
            "values_reflectance",
            "The values look like reflectances from 0 to 1; matching their units helps.",
        ),
        StoredUnits::Other => (
            "values_unusual",
            "Check the order of the bands and how their values are scaled.",
        ),
    };
    let message = format!(
        "{cause} The model was trained on {}; here, {}. Its result may be wrong.",
        card.value_scaling,
        far.join("; ")
    );
    vec![Warning { code, message }]
}

/// Whether even the darkest pixels of green are bright, and brighter than those of red: air has this effect, and no ground has.
fn hazy(samples: &Samples, card: &Card) -> Option<Warning> {
    let one = crate::fit::reflectance::reflectance_factor(card)?;
    let names = card.scene_bands();
    let darkest = |name: &str| {
        let band = names.iter().position(|band| *band == name)?;
        let plane = samples.values.chunks_exact(samples.valid.len().max(1)).nth(band)?;
        let valid = plane.iter().zip(&samples.valid).filter(|(_, valid)| **valid);
        let mut values: Vec<f32> = valid.map(|(value, _)| *value).collect();
        let at = (values.len().checked_sub(1)? as f64 * DARKEST_SHARE) as usize;
        let (_, value, _) = values.select_nth_unstable_by(at, f32::total_cmp);
        Some(f64::from(*value) / one)
    };
    let (green, red) = (darkest("green")?, darkest("red")?);
    (green > HAZY_REFLECTANCE && green > red * BLUER).then(|| Warning {
        code: "values_hazy",
        message: format!(
            "The values look like top-of-atmosphere reflectance, or a hazy day: even the darkest pixels of green reflect {:.1}%. The \
             model was trained on {}, with haze added; surface reflectance gives a better map, above all of wetland.",
            green * 100.0,
            card.value_scaling
        ),
    })
}

/// The statistics of all bands, if there are pixels with data.
pub(crate) fn all_statistics(samples: &Samples) -> Option<Vec<PreviewStatistics>> {
    let all = band_statistics(samples).into_iter().collect::<Option<Vec<_>>>();
    all.filter(|all| !all.is_empty())
}

/// For each band, the scene band that it should rather be, if another order is suspiciously nearer to the training data.
fn swapped_order(samples: &Samples, scene: &[PreviewStatistics], bands: &[&Band]) -> Option<Vec<usize>> {
    /// With more bands there are too many orders, and one is nearer by chance.
    const MOST_BANDS: usize = 5;
    if bands.len() != scene.len() || bands.len() > MOST_BANDS {
        return None;
    }
    let distance = |order: &[usize]| -> f64 {
        let pairs = bands.iter().zip(order);
        pairs
            .filter_map(|(band, index)| Some(mean_distance(scene.get(*index)?, band)))
            .sum()
    };
    let straight: Vec<usize> = (0..bands.len()).collect();
    let best = orders(bands.len())
        .into_iter()
        .min_by(|one, other| distance(one).total_cmp(&distance(other)))?;
    let position = |name: &str| bands.iter().position(|band| band.name == name);
    let is_unlike = || {
        let (green, red, nir) = (position("green")?, position("red")?, position("nir")?);
        let [alike, one, other] = [(green, red), (green, nir), (red, nir)].map(|(a, b)| correlation(samples, a, b));
        Some(alike? - one?.max(other?) < UNLIKE)
    };
    let is_nearer = distance(&best) * NEARER < distance(&straight);
    (best != straight && (is_nearer || is_unlike() == Some(true))).then_some(best)
}

/// All orders of `count` things, the straight one first.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![vec![]];
    for _ in 0..count {
        let longer = orders.iter().flat_map(|order: &Vec<usize>| {
            let rest = (0..count).filter(|next| !order.contains(next));
            rest.map(|next| [order.as_slice(), &[next]].concat())
                .collect::<Vec<_>>()
        });
        orders = longer.collect();
    }
    orders
}

/// Pearson's correlation of two bands over the valid pixels; `None` if one does not vary.
fn correlation(samples: &Samples, one: usize, other: usize) -> Option<f64> {
    let pixels = samples.valid.len().max(1);
    let mut planes = samples.values.chunks_exact(pixels);
    let (one, other) = (planes.clone().nth(one)?, planes.nth(other)?);
    let pairs = || {
        let pairs = one.iter().zip(other).zip(&samples.valid);
        pairs
            .filter(|(_, valid)| **valid)
            .map(|((a, b), _)| (f64::from(*a), f64::from(*b)))
    };
    let count = pairs().count().max(1) as f64;
    let (sum_a, sum_b) = pairs().fold((0.0, 0.0), |(x, y), (a, b)| (x + a, y + b));
    let (mean_a, mean_b) = (sum_a / count, sum_b / count);
    let (aa, bb, ab) = pairs().fold((0.0, 0.0, 0.0), |(aa, bb, ab), (a, b)| {
        let (a, b) = (a - mean_a, b - mean_b);
        (aa + a * a, bb + b * b, ab + a * b)
    });
    let correlation = ab / (aa * bb).sqrt();
    correlation.is_finite().then_some(correlation)
}

/// Whether pixels of `metres` are much finer or coarser than all that were trained.
pub(crate) fn is_far_resolution(metres: f64, card: &Card) -> bool {
    let [finest, coarsest] = card.ground_resolution_range_m();
    !(finest / FAR_RESOLUTION..=coarsest * FAR_RESOLUTION).contains(&metres)
}

/// Compares the size of the scene's pixels on the ground with that of the training data.
pub fn compare_resolution(pixel_ha: Option<f64>, card: &Card) -> Option<Warning> {
    let metres = raremap_geo::pixel_metres(pixel_ha?);
    if !metres.is_finite() || !is_far_resolution(metres, card) {
        return None;
    }
    let trained = match card.ground_resolution_range_m() {
        [finest, coarsest] if finest < coarsest => format!("{finest:.0} to {coarsest:.0} m"),
        [only, _] => format!("{only:.1} m"),
    };
    let message = format!(
        "A pixel of the scene is {metres:.1} m wide, but the model was trained on {trained}: things look larger or smaller to it than \
         in training. Running it at its own resolution may help.",
    );
    Some(Warning {
        code: "resolution",
        message,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use raremap_model::{SegformerConfig, Training, Variant};

    /// Surface reflectance x 10000, as for the default model.
    pub(crate) fn card() -> Card {
        let band = |name: &str, mean: f32, std: f32| Band {
            name: name.into(),
            source: BandSource::Scene,
            optional: false,
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
                ground_resolution_range_m: None,
            },
            metrics: Default::default(),
            quantization: String::new(),
        }
    }

    /// The same with more bands, which scenes may lack.
    pub(crate) fn optional(names: &[&str]) -> Card {
        let mut card = card();
        card.bands.extend(names.iter().map(|name| Band {
            name: (*name).to_owned(),
            source: BandSource::Scene,
            optional: true,
            mean: 500.0,
            std: 300.0,
        }));
        card.architecture = SegformerConfig::new(Variant::B0, card.bands.len(), 1, 0).into();
        card
    }

    /// Bands of the given means; each value is a fifth of its band's mean away from it.
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
        assert_eq!(compare_resolution(metres(24.5), &card()), None);
        assert_eq!(compare_resolution(metres(37.0), &card()), None);
        assert!(
            compare_resolution(metres(23.0), &card()).is_some() && compare_resolution(metres(38.0), &card()).is_some()
        );
        assert!(compare_resolution(metres(5.8), &card()).is_some_and(|warning| warning.message.contains("5.8 m")));
        assert!(compare_resolution(metres(250.0), &card()).is_some());
    }

    #[test]
    fn a_range_of_trained_resolutions_is_near_as_a_whole() {
        let mut card = card();
        card.training.ground_resolution_range_m = Some([5.0, 36.0]);
        let far = |edge: f64| compare_resolution(Some(edge * edge / 10_000.0), &card);
        assert!([4.1, 5.8, 10.0, 30.0, 44.0].iter().all(|edge| far(*edge).is_none()));
        assert!(far(46.0).is_some_and(|warning| warning.message.contains("5 to 36 m")));
        assert!(far(3.0).is_some());
    }

    #[test]
    fn haze_is_said_and_bare_ground_is_not() {
        let codes = |means: [f32; 3]| {
            compare_statistics(&scene(means), &card())
                .iter()
                .map(|w| w.code)
                .collect::<Vec<_>>()
        };
        // The darkest of these scenes is 0.8 times the mean.
        assert_eq!(codes([1000.0, 700.0, 2400.0]), ["values_hazy"]);
        assert_eq!(codes([1000.0, 1200.0, 2400.0]), [""; 0], "red ground");
        assert_eq!(codes([700.0, 500.0, 2400.0]), [""; 0], "dark enough");
    }

    #[test]
    fn a_scene_of_one_cover_is_no_reason_to_warn() {
        // This is open water: dark, and hardly varying.
        let mut water = scene([420.0, 300.0, 150.0]);
        for (value, mean) in water.values.iter_mut().zip([
            420.0, 420.0, 420.0, 420.0, 300.0, 300.0, 300.0, 300.0, 150.0, 150.0, 150.0, 150.0,
        ]) {
            *value = mean + (*value - mean) * 0.75;
        }
        // Near infrared varies a ninth as much as in training.
        water.values[8..].copy_from_slice(&[50.0, 250.0, 50.0, 250.0]);
        assert_eq!(compare_statistics(&water, &card()), []);
    }

    #[test]
    fn swapped_bands_are_suspected_even_where_no_band_is_far() {
        // Green is where near infrared belongs: 6 of 10 pixels are plants, the rest is bare.
        let plants = |i: usize| i % 5 < 3;
        let green = |i: usize| {
            if plants(i) {
                600.0
            } else {
                900.0 + (i % 3) as f32 * 20.0
            }
        };
        let red = |i: usize| {
            if plants(i) {
                400.0
            } else {
                1150.0 + (i % 3) as f32 * 25.0
            }
        };
        let nir = |i: usize| {
            if plants(i) {
                2900.0 + (i % 7) as f32 * 60.0
            } else {
                1600.0
            }
        };
        let of = |bands: [&dyn Fn(usize) -> f32; 3]| Samples {
            bands: 3,
            height: 10,
            width: 10,
            values: bands.iter().flat_map(|band| (0..100).map(band)).collect(),
            valid: vec![true; 100],
        };
        assert_eq!(compare_statistics(&of([&green, &red, &nir]), &card()), []);
        for swapped in [of([&nir, &red, &green]), of([&green, &nir, &red])] {
            let warnings = compare_statistics(&swapped, &card());
            assert_eq!(
                warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(),
                ["bands_swapped"]
            );
            assert!(
                warnings[0].message.contains("nir looks like"),
                "{}",
                warnings[0].message
            );
        }
    }

    #[test]
    fn correlations_and_orders_are_what_they_are_called() {
        let samples = Samples {
            bands: 3,
            height: 1,
            width: 4,
            values: vec![1.0, 2.0, 3.0, 99.0, 2.0, 4.0, 6.0, 0.0, 5.0, 5.0, 5.0, 5.0],
            valid: vec![true, true, true, false],
        };
        assert!(correlation(&samples, 0, 1).is_some_and(|value| (value - 1.0).abs() < 1e-12));
        assert_eq!(correlation(&samples, 0, 2), None);
        assert_eq!(orders(3).len(), 6);
        assert_eq!(orders(3)[0], [0, 1, 2]);
    }
}
