//! Whether an image and its mask lie on the same ground.

use std::path::Path;

use raremap_geo::{Affine, Crs, CrsKind, GeoReference, Projection};
use raremap_tiff::RasterInfo;

use crate::error::Misplaced;

/// Masks may be shifted by this many pixels, because writers round transforms.
const SAME_PLACE_PX: f64 = 0.05;
/// Metres of a degree of latitude.
const DEGREE_M: f64 = 111_320.0;

/// Compares the places of an image and its mask of the same size. If one of them is not georeferenced, there is nothing to compare.
///
/// # Errors
/// [`Misplaced`] if they differ by more than `allow_shift_px`, or a twentieth of a pixel.
pub(super) fn compare(
    (image_path, image): (&Path, &RasterInfo),
    (mask_path, mask): (&Path, &RasterInfo),
    allow_shift_px: Option<f64>,
) -> Result<(), Misplaced> {
    let (Some(image_at), Some(mask_at)) = (&image.georeference, &mask.georeference) else {
        return Ok(());
    };
    let size = [f64::from(image.width), f64::from(image.height)];
    match difference(
        image_at,
        mask_at,
        size,
        allow_shift_px.unwrap_or(0.0).max(SAME_PLACE_PX),
    ) {
        None => Ok(()),
        Some(difference) => Err(Misplaced {
            image: image_path.to_owned(),
            mask: mask_path.to_owned(),
            difference,
        }),
    }
}

/// The difference, if it is more than `most_px`; `size` is width and height.
fn difference(image: &GeoReference, mask: &GeoReference, size: [f64; 2], most_px: f64) -> Option<String> {
    let corners = [[0.0, 0.0], [size[0], 0.0], [0.0, size[1]], size];
    if !are_one_system(&image.crs, &mask.crs) {
        let systems = format!("it is in {}, the image in {}", name(&mask.crs), name(&image.crs));
        return match distance_px(image, mask, &corners) {
            // Two names of one system, or two systems that agree here.
            Some(apart_px) if apart_px <= most_px => None,
            Some(apart_px) => Some(format!("{systems}, {} px away", rounded(apart_px))),
            None => Some(systems),
        };
    }
    let (image, mask) = (&image.model_from_pixel, &mask.model_from_pixel);
    let off = |[column, row]: [f64; 2]| -> Option<[f64; 2]> {
        let (x, y) = mask.apply(column, row);
        let [at_column, at_row] = pixel_of(image, [x, y])?;
        Some([at_column - column, at_row - row])
    };
    let offsets: Option<Vec<[f64; 2]>> = corners.into_iter().map(off).collect();
    // A transform without an inverse does not place anything.
    let offsets = offsets?;
    let length = |[right, down]: [f64; 2]| right.hypot(down);
    let farthest = offsets.iter().copied().map(length).fold(0.0, f64::max);
    if farthest <= most_px {
        return None;
    }
    let pixel = |affine: &Affine| [affine.a.hypot(affine.d), affine.b.hypot(affine.e)];
    let (own, other) = (pixel(mask), pixel(image));
    let is_scaled = (0..2).any(|axis| (own[axis] / other[axis] - 1.0).abs() * size[axis] > most_px);
    let corner = offsets.first().copied().unwrap_or_default();
    Some(if is_scaled {
        format!(
            "its pixels are {} x {} map units, the image's {} x {}",
            rounded(own[0]),
            rounded(own[1]),
            rounded(other[0]),
            rounded(other[1])
        )
    } else if farthest > length(corner) + most_px {
        format!(
            "it is rotated or mirrored against the image, by up to {} px",
            rounded(farthest)
        )
    } else {
        format!("it is shifted by {}", shift(corner))
    })
}

/// `10 px to the right and 0.5 px down`.
fn shift([right, down]: [f64; 2]) -> String {
    let part = |by: f64, positive: &str, negative: &str| {
        let direction = if by < 0.0 { negative } else { positive };
        (by.abs() >= 0.005).then(|| format!("{} px {direction}", rounded(by.abs())))
    };
    let parts = [part(right, "to the right", "to the left"), part(down, "down", "up")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

/// At most three decimals, without trailing zeros; small numbers get three significant digits.
fn rounded(value: f64) -> String {
    let text = if value.abs() >= 0.01 {
        format!("{value:.3}")
    } else {
        return format!("{value:.3e}");
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Column and row of a map position.
fn pixel_of(affine: &Affine, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
    let determinant = affine.a * affine.e - affine.b * affine.d;
    let (x, y) = (x - affine.c, y - affine.f);
    let pixel = [
        (affine.e * x - affine.b * y) / determinant,
        (affine.a * y - affine.d * x) / determinant,
    ];
    pixel.iter().all(|value| value.is_finite()).then_some(pixel)
}

/// Whether two systems are certainly the same, according to the files.
fn are_one_system(image: &Crs, mask: &Crs) -> bool {
    match (image.epsg, mask.epsg) {
        (Some(image), Some(mask)) => image == mask,
        // Coordinates without a system are assumed to have that of the other file.
        _ if image.kind == CrsKind::Unknown || mask.kind == CrsKind::Unknown => true,
        (None, None) if image.kind == mask.kind => image.citation == mask.citation,
        _ => false,
    }
}

fn name(crs: &Crs) -> String {
    match (crs.epsg, &crs.name) {
        (Some(epsg), _) => format!("EPSG:{epsg}"),
        (None, Some(name)) => name.clone(),
        (None, None) => "a system without a name".to_owned(),
    }
}

/// The largest distance between corners, in pixels of the image; `None` if a system cannot be converted to longitude and latitude.
fn distance_px(image: &GeoReference, mask: &GeoReference, corners: &[[f64; 2]]) -> Option<f64> {
    let place = |at: &GeoReference, projection: &Projection, [column, row]: [f64; 2]| {
        let (x, y) = at.model_from_pixel.apply(column, row);
        projection.lon_lat_deg(x, y)
    };
    let projections = (Projection::of(image).ok()?, Projection::of(mask).ok()?);
    let metres = |[lon, lat]: [f64; 2], [other_lon, other_lat]: [f64; 2]| {
        let across = (lon - other_lon + 540.0).rem_euclid(360.0) - 180.0;
        (across * lat.to_radians().cos()).hypot(lat - other_lat) * DEGREE_M
    };
    let mut farthest = 0.0f64;
    for &corner in corners {
        let own = place(image, &projections.0, corner)?;
        let other = place(mask, &projections.1, corner)?;
        let next = place(image, &projections.0, [corner[0] + 1.0, corner[1]])?;
        farthest = farthest.max(metres(own, other) / metres(own, next));
    }
    farthest.is_finite().then_some(farthest)
}

#[cfg(test)]
mod tests {
    use raremap_geo::GeoTags;

    use super::*;

    /// Pixels of 10 units, a projected system of the code.
    fn at(x: f64, y: f64, epsg: u16, pixel: f64) -> GeoReference {
        GeoReference::from_tags(GeoTags {
            pixel_scale: vec![pixel, pixel, 0.0],
            tie_points: vec![0.0, 0.0, 0.0, x, y, 0.0],
            key_directory: vec![1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, epsg],
            ..GeoTags::default()
        })
        .expect("a transform")
    }

    fn of(mask: &GeoReference, most_px: f64) -> Option<String> {
        difference(&at(500_000.0, 5_000_000.0, 32633, 10.0), mask, [64.0, 48.0], most_px)
    }

    #[test]
    fn a_shift_is_told_in_pixels_and_can_be_allowed() {
        assert_eq!(of(&at(500_000.0, 5_000_000.0, 32633, 10.0), 0.05), None);
        // A writer that rounds to centimetres.
        assert_eq!(of(&at(500_000.01, 4_999_999.99, 32633, 10.0), 0.05), None);
        let ten = of(&at(500_100.0, 5_000_000.0, 32633, 10.0), 0.05).expect("shifted");
        assert_eq!(ten, "it is shifted by 10 px to the right");
        let half = of(&at(499_995.0, 4_999_995.0, 32633, 10.0), 0.05).expect("shifted");
        assert_eq!(half, "it is shifted by 0.5 px to the left and 0.5 px down");
        assert_eq!(of(&at(499_995.0, 4_999_995.0, 32633, 10.0), 0.8), None);
    }

    #[test]
    fn other_pixels_and_other_zones_are_named() {
        let coarse = of(&at(500_000.0, 5_000_000.0, 32633, 20.0), 0.05).expect("another size");
        assert_eq!(coarse, "its pixels are 20 x 20 map units, the image's 10 x 10");
        let zone = of(&at(500_000.0, 5_000_000.0, 32634, 10.0), 0.05).expect("another zone");
        assert!(
            zone.starts_with("it is in EPSG:32634, the image in EPSG:32633, "),
            "{zone}"
        );
    }

    #[test]
    fn two_names_of_one_place_are_no_difference() {
        // WGS 84 / UTM 33 N and ETRS89 / UTM 33 N agree to a tenth of a millimetre.
        assert_eq!(of(&at(500_000.0, 5_000_000.0, 25833, 10.0), 0.05), None);
    }
}
