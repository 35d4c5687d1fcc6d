//! How an image and its mask become a sample.

use super::config::DatasetConfig;
use super::sample::{IGNORE, Image, Mask, Names, Sample};
use super::upsample::upsample_sample;
use super::vanished::Hidden;
use crate::error::{Result, bail, ensure};

/// Joins an image and its mask: checks the sizes, turns codes into class indices, applies nodata and upsampling. Pixels of classes that are
/// not labelled are counted in `hidden`.
pub(super) fn join(
    config: &DatasetConfig,
    names: &Names,
    mut image: Image,
    mask: &Mask,
    hidden: &mut Hidden,
) -> Result<Sample> {
    ensure!(
        Sample,
        (mask.height, mask.width) == (image.height, image.width),
        "{} has {} x {} pixels, but its image has {} x {}",
        names.mask.display(),
        mask.width,
        mask.height,
        image.width,
        image.height
    );
    invalidate(config.nodata, &mut image);
    hidden.add(config, &image, mask);
    let mut class_of = [IGNORE; 256];
    let mut known = [false; 256];
    known[usize::from(config.ignore)] = true;
    for (index, class) in config.classes.iter().enumerate() {
        class_of[usize::from(class.value)] = index as u8;
        known[usize::from(class.value)] = true;
    }
    let mut labels = Vec::with_capacity(mask.codes.len());
    for ((&value, &labelled), &valid) in mask.codes.iter().zip(&mask.labelled).zip(&image.valid) {
        let code = value as u8;
        if labelled && (f32::from(code) != value || !known[usize::from(code)]) {
            bail!(
                Sample,
                "{} contains {value}, which is neither a class nor the ignore value",
                names.mask.display()
            );
        }
        labels.push(if labelled && valid {
            class_of[usize::from(code)]
        } else {
            IGNORE
        });
    }
    let sample = Sample {
        path: names.image.clone(),
        height: image.height,
        width: image.width,
        ground_resolution_m: config.ground_resolution_m,
        values: image.values,
        valid: image.valid,
        labels,
    };
    Ok(match config.upsample {
        1 => sample,
        factor => upsample_sample(&sample, factor),
    })
}

/// Marks pixels as invalid that hold the dataset's nodata value or a number that is not finite.
fn invalidate(nodata: Option<f64>, image: &mut Image) {
    let area = image.valid.len();
    let nodata = nodata.map(|value| value as f32);
    for (pixel, valid) in image.valid.iter_mut().enumerate() {
        let mut bands = image.values.iter().skip(pixel).step_by(area.max(1));
        let missing = match nodata {
            Some(0.0) => bands.clone().all(|value| *value == 0.0),
            Some(nodata) => bands.clone().any(|value| *value == nodata),
            None => false,
        };
        *valid &= !missing && bands.all(|value| value.is_finite());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodata_of_zero_must_be_in_all_bands_and_any_other_in_one() {
        let image = || Image {
            height: 1,
            width: 4,
            values: vec![0.0, 0.0, -9999.0, 5.0, 0.0, 3.0, 7.0, f32::NAN],
            valid: vec![true; 4],
        };
        let valid = |nodata| {
            let mut image = image();
            invalidate(nodata, &mut image);
            image.valid
        };
        assert_eq!(valid(None), [true, true, true, false]);
        assert_eq!(valid(Some(0.0)), [false, true, true, false]);
        assert_eq!(valid(Some(-9999.0)), [true, true, false, false]);
    }
}
