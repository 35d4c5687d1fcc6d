//! Compares what the numbers of a scene stand for with what the model needs.

use raremap_geo::CrsKind;
use raremap_model::Card;
use raremap_scene::SceneInfo;

use crate::fit::statistics::{Warning, is_far_resolution};
use raremap_geo::M2_PER_HA;
use raremap_geo::pixel_areas;

/// Finest and coarsest grid that a scene can be run on, in scene pixels per pixel.
pub(crate) const RATIOS: std::ops::RangeInclusive<f64> = 1.0 / 64.0..=4096.0;

/// Height and width in metres of the pixel in the middle of a scene, along its columns and its rows; `None` if the size on the ground is
/// not known.
pub fn pixel_size_m(info: &SceneInfo) -> Option<[f64; 2]> {
    let place = info.georeference.as_ref()?;
    let middle = [info.height / 2, info.width / 2].map(|middle| middle as usize);
    let area_m2 = pixel_areas(Some(place), [info.height, info.width]).pixel_ha(middle[0], middle[1])? * M2_PER_HA;
    let model = place.model_from_pixel;
    let (mut across, down) = (model.a.hypot(model.d), model.b.hypot(model.e));
    if place.crs.kind == CrsKind::Geographic {
        // Degrees of longitude are shorter than those of latitude.
        let (_, latitude) = model.apply(middle[1] as f64, middle[0] as f64);
        across *= (latitude * place.crs.angular_unit_rad?).cos();
    }
    let shape = down / across;
    let size = [(area_m2 * shape).sqrt(), (area_m2 / shape).sqrt()];
    size.iter().all(|size| size.is_finite() && *size > 0.0).then_some(size)
}

/// Scene pixels per pixel of the model's resolution, along columns and rows, as [`crate::RunOptions::resample`] takes them.
///
/// `None` if the size on the ground is not known, or, unless `always`, if no side is more than 25 % beyond the trained resolutions or one
/// differs by more than can be run.
pub fn resampling(info: &SceneInfo, card: &Card, always: bool) -> Option<[f64; 2]> {
    let ratios = ratios(info, card)?;
    let is_far = |ratio: &f64| is_far_resolution(card.ground_resolution_m / ratio, card);
    (always || ratios.iter().any(is_far) && can_run(&ratios)).then_some(ratios)
}

/// Why a scene is run as it is, although it was to be resampled if its resolution differs; `None` if it need not be resampled, or is.
pub fn not_resampled(info: &SceneInfo, card: &Card) -> Option<Warning> {
    let reason = match ratios(info, card) {
        Some(ratios) if can_run(&ratios) => return None,
        Some([rows, columns]) => {
            format!(
                "{columns:.3} x {rows:.3} of its pixels would become one of the model's, which is too many or too few"
            )
        }
        None => "the size of its pixels on the ground is not known".to_owned(),
    };
    Some(Warning {
        code: "not_resampled",
        message: format!("The scene was not resampled and is run as it is: {reason}."),
    })
}

fn ratios(info: &SceneInfo, card: &Card) -> Option<[f64; 2]> {
    let ratio_of = |size: f64| {
        let ratio = card.ground_resolution_m / size;
        // A map's scale is not exactly 1, which alone is no reason to interpolate.
        if (ratio - 1.0).abs() < SAME_RATIO { 1.0 } else { ratio }
    };
    let ratios = pixel_size_m(info)?.map(ratio_of);
    ratios.iter().all(|ratio| ratio.is_finite()).then_some(ratios)
}

fn can_run(ratios: &[f64; 2]) -> bool {
    ratios.iter().all(|ratio| RATIOS.contains(ratio))
}

/// Lengths that differ by less than this share count as equal.
const SAME_RATIO: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::reflectance::reflectance_factor;
    use crate::fit::statistics::tests::card;
    use raremap_geo::{Affine, GeoReference};
    use raremap_tiff::{ColorInterpretation, SampleType};

    #[test]
    fn the_factor_is_read_from_the_card() {
        let cases = [
            ("surface reflectance x 10000", Some(10_000.0)),
            ("Surface reflectance x 10,000", Some(10_000.0)),
            ("TOA reflectance * 1000", Some(1000.0)),
            ("reflectance", Some(1.0)),
            ("surface reflectance, 0 to 1", Some(1.0)),
            ("8 bits", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let card = Card {
                value_scaling: text.into(),
                ..card()
            };
            assert_eq!(reflectance_factor(&card), expected, "{text}");
        }
    }

    fn info(kind: CrsKind, epsg: u16, pixel: [f64; 2], top: f64) -> SceneInfo {
        let affine = Affine {
            a: pixel[1],
            b: 0.0,
            // This is on the central meridian of UTM, or at a longitude.
            c: if kind == CrsKind::Projected { 5e5 } else { 10.0 },
            d: 0.0,
            e: -pixel[0],
            f: top,
        };
        SceneInfo {
            width: 100,
            height: 100,
            sample_type: SampleType::U16,
            bits_per_sample: 16,
            nodata: None,
            band_names: vec![None],
            color_interpretations: vec![ColorInterpretation::Gray],
            alpha_band: None,
            georeference: GeoReference::from_epsg(kind, epsg, affine),
            ground_control: None,
            masked: false,
            wavelengths_nm: vec![],
            described: vec![],
        }
    }

    /// Of the map on a central meridian.
    const UTM_SCALE: f64 = 0.9996;

    #[test]
    fn pixels_are_measured_on_the_ground_along_both_axes() {
        let utm = info(CrsKind::Projected, 32643, [6.0, 5.0], 4e6);
        let size = pixel_size_m(&utm).expect("metres");
        let [rows, columns] = size.map(|size| size * UTM_SCALE);
        assert!((rows - 6.0).abs() < 1e-5 && (columns - 5.0).abs() < 1e-5, "{size:?}");
        // A thousandth of a degree at 60 degrees north: 111.4 m down, 55.8 m across.
        let degrees = pixel_size_m(&info(CrsKind::Geographic, 4326, [1e-3, 1e-3], 60.05)).expect("metres");
        assert!(
            (degrees[0] - 111.4).abs() < 0.3 && (degrees[1] - 55.8).abs() < 0.2,
            "{degrees:?}"
        );
        let nowhere = SceneInfo {
            georeference: None,
            ..utm
        };
        assert_eq!(
            (pixel_size_m(&nowhere), resampling(&nowhere, &card(), true)),
            (None, None)
        );
    }

    #[test]
    fn scenes_are_resampled_from_a_quarter_on() {
        let ratios =
            |metres: f64, always| resampling(&info(CrsKind::Projected, 32643, [metres; 2], 4e6), &card(), always);
        assert!(
            ratios(5.8, false)
                .is_some_and(|[rows, columns]| (rows - 30.0 * UTM_SCALE / 5.8).abs() < 1e-5 && rows == columns)
        );
        assert_eq!(ratios(24.5, false), None);
        assert_eq!(ratios(37.0, false), None);
        assert!(ratios(23.0, false).is_some() && ratios(38.0, false).is_some());
        let why = |metres: f64| {
            not_resampled(&info(CrsKind::Projected, 32643, [metres; 2], 4e6), &card()).map(|warning| warning.code)
        };
        assert_eq!((ratios(4000.0, false), why(4000.0)), (None, Some("not_resampled")));
        assert_eq!((ratios(0.005, false), why(0.005)), (None, Some("not_resampled")));
        assert!(ratios(4000.0, true).is_some() && why(24.5).is_none() && why(5.8).is_none());
        assert!(ratios(37.0, true).is_some_and(|[rows, _]| (rows - 30.0 * UTM_SCALE / 37.0).abs() < 1e-5));
        assert_eq!(ratios(30.0, true), Some([1.0; 2]));
    }
}
