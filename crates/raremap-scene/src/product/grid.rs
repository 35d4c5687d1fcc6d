//! Checks whether files lie on one grid.

use crate::error::GridDifference;
use crate::resample::AxisGrid;
use crate::scene::SceneInfo;
use raremap_geo::Affine;
use raremap_geo::Crs;

/// Corners may be this far apart, in pixels of the finer grid. That allows for rounded numbers in files, and is far less than sensors
/// register to.
const TOLERANCE_PX: f64 = 0.05;

/// How a grid lies on that of the reference, which is the finer one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fit {
    /// The same pixels.
    Equal,
    /// The same extent in other pixels: the reference's rows and columns on those of the file.
    Stretched { rows: AxisGrid, columns: AxisGrid },
}

/// Area of a pixel in units of the map, or of the whole if there is no map; the smallest is the finest.
pub(super) fn fineness(info: &SceneInfo) -> f64 {
    match &info.georeference {
        Some(place) => determinant(place.model_from_pixel).abs(),
        None => 1.0 / (f64::from(info.width) * f64::from(info.height)),
    }
}

/// Compares a file with the reference.
pub(super) fn compare(file: &SceneInfo, reference: &SceneInfo) -> Result<Fit, GridDifference> {
    let sizes = |info: &SceneInfo| [info.width, info.height];
    let is_same_size = sizes(file) == sizes(reference);
    let (place, other) = match (&file.georeference, &reference.georeference) {
        (Some(place), Some(other)) => (place, other),
        (None, None) if is_same_size => return Ok(Fit::Equal),
        (None, None) => {
            return Err(GridDifference::Size {
                file: sizes(file),
                reference: sizes(reference),
            });
        }
        (file, _) => {
            return Err(GridDifference::Georeference {
                file_has_none: file.is_none(),
            });
        }
    };
    if !is_same_crs(&place.crs, &other.crs) {
        return Err(GridDifference::Crs {
            file: name(&place.crs),
            reference: name(&other.crs),
        });
    }
    let pixel_from_model = inverse(other.model_from_pixel).ok_or(GridDifference::Rotation)?;
    let [width, height] = sizes(file).map(f64::from);
    let [other_width, other_height] = sizes(reference).map(f64::from);
    let off = |x: f64, y: f64, expected: [f64; 2]| {
        let (x, y) = place.model_from_pixel.apply(x, y);
        let (column, row) = pixel_from_model.apply(x, y);
        [column - expected[0], row - expected[1]]
    };
    let corners = [
        off(0.0, 0.0, [0.0, 0.0]),
        off(width, height, [other_width, other_height]),
        off(width, 0.0, [other_width, 0.0]),
        off(0.0, height, [0.0, other_height]),
    ];
    let is_near = |corner: &[f64; 2]| corner.iter().all(|off| off.abs() <= TOLERANCE_PX);
    if corners.iter().all(is_near) {
        return Ok(if is_same_size {
            Fit::Equal
        } else {
            Fit::Stretched {
                rows: AxisGrid::stretched(file.height, reference.height),
                columns: AxisGrid::stretched(file.width, reference.width),
            }
        });
    }
    if corners[..2].iter().all(is_near) {
        return Err(GridDifference::Rotation);
    }
    Err(GridDifference::Extent {
        upper_left_px: corners[0],
        lower_right_px: corners[1],
        file: sizes(file),
        reference: sizes(reference),
    })
}

fn determinant(Affine { a, b, d, e, .. }: Affine) -> f64 {
    a * e - b * d
}

fn inverse(affine: Affine) -> Option<Affine> {
    let Affine { a, b, c, d, e, f } = affine;
    let determinant = determinant(affine);
    let inverse = Affine {
        a: e / determinant,
        b: -b / determinant,
        c: (b * f - c * e) / determinant,
        d: -d / determinant,
        e: a / determinant,
        f: (c * d - a * f) / determinant,
    };
    let values = [inverse.a, inverse.b, inverse.c, inverse.d, inverse.e, inverse.f];
    values.iter().all(|value| value.is_finite()).then_some(inverse)
}

/// Compares by code if both have one, otherwise by what describes them, because the same system is cited in many words.
fn is_same_crs(one: &Crs, other: &Crs) -> bool {
    if let (Some(one), Some(other)) = (one.epsg, other.epsg) {
        return one == other;
    }
    let measures = |crs: &Crs| (crs.kind, crs.linear_unit_m, crs.angular_unit_rad, crs.semi_major_axis_m);
    let name = |crs: &Crs| crs.name.as_deref().unwrap_or_default().trim().to_lowercase();
    let is_named_alike = one.epsg.is_some() != other.epsg.is_some() || name(one) == name(other);
    measures(one) == measures(other) && is_named_alike
}

fn name(crs: &Crs) -> String {
    match (crs.epsg, &crs.name) {
        (Some(epsg), _) => format!("EPSG:{epsg}"),
        (None, Some(name)) => name.clone(),
        (None, None) => "not named".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raremap_geo::CrsKind;
    use raremap_geo::GeoReference;
    use raremap_tiff::ColorInterpretation;
    use raremap_tiff::SampleType;

    fn info(width: u32, height: u32, place: Option<(u16, [f64; 4])>) -> SceneInfo {
        let georeference = place.and_then(|(epsg, [x, y, pixel_x, pixel_y])| {
            let affine = Affine {
                a: pixel_x,
                b: 0.0,
                c: x,
                d: 0.0,
                e: -pixel_y,
                f: y,
            };
            GeoReference::from_epsg(CrsKind::Projected, epsg, affine)
        });
        SceneInfo {
            width,
            height,
            sample_type: SampleType::U16,
            bits_per_sample: 16,
            nodata: None,
            band_names: vec![None],
            color_interpretations: vec![ColorInterpretation::Gray],
            alpha_band: None,
            georeference,
            ground_control: None,
            masked: false,
            wavelengths_nm: vec![],
            described: vec![],
        }
    }

    const UTM: u16 = 32632;

    #[test]
    fn the_same_grid_and_other_pixels_of_the_same_extent_fit() {
        let reference = info(10_980, 10_980, Some((UTM, [600_000.0, 5_000_040.0, 10.0, 10.0])));
        assert_eq!(compare(&reference, &reference), Ok(Fit::Equal));
        let nudged = info(10_980, 10_980, Some((UTM, [600_000.3, 5_000_040.0, 10.0, 10.0])));
        assert_eq!(compare(&nudged, &reference), Ok(Fit::Equal));
        let coarse = info(1830, 1830, Some((UTM, [600_000.0, 5_000_040.0, 60.0, 60.0])));
        let Ok(Fit::Stretched { rows, columns }) = compare(&coarse, &reference) else {
            panic!("the extent is the same");
        };
        assert_eq!((rows, columns), (rows, rows));
        assert_eq!((rows.count, rows.offset_px, rows.ratio), (10_980, 0.0, 1.0 / 6.0));
        assert!(fineness(&reference) < fineness(&coarse));
        let nowhere = info(30, 20, None);
        assert_eq!(compare(&nowhere, &nowhere), Ok(Fit::Equal));
        assert!(fineness(&info(60, 40, None)) < fineness(&nowhere));
    }

    #[test]
    fn what_differs_is_named() {
        let reference = info(100, 80, Some((UTM, [600_000.0, 5_000_000.0, 10.0, 10.0])));
        let cases = [
            (info(100, 80, None), "it has no place on the ground"),
            (
                info(100, 80, Some((32633, [600_000.0, 5_000_000.0, 10.0, 10.0]))),
                "its coordinate reference system is EPSG:32633, not EPSG:32632",
            ),
            (
                info(100, 80, Some((UTM, [600_005.0, 4_999_970.0, 10.0, 10.0]))),
                "its upper left corner is off by +0.50 columns and +3.00 rows, its lower right corner by +0.50 columns and +3.00 rows",
            ),
            (
                info(50, 41, Some((UTM, [600_000.0, 5_000_000.0, 20.0, 20.0]))),
                "its lower right corner by +0.00 columns and +2.00 rows (50 x 41 pixels; the other has 100 x 80)",
            ),
        ];
        for (file, part) in cases {
            let difference = compare(&file, &reference).expect_err(part).to_string();
            assert!(difference.contains(part), "{difference}");
        }
        let nowhere = compare(&info(30, 20, None), &info(30, 21, None))
            .expect_err("other sizes")
            .to_string();
        assert!(nowhere.contains("30 x 20 pixels instead of 30 x 21"), "{nowhere}");
    }
}
