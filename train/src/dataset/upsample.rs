//! Upsamples samples: cubic for the image, nearest for the mask.

use super::sample::Sample;

/// Upsamples by cubic convolution with a = -0.5 (Keys, 1981, doi:10.1109/TASSP.1981.1163711), with pixel centres at 0.5 and the border
/// repeated; labels and validity are repeated. A pixel with an invalid one among its 16 neighbours is repeated, too, because the number
/// there means nothing.
pub(super) fn upsample_sample(sample: &Sample, factor: usize) -> Sample {
    let (height, width) = (sample.height, sample.width);
    let [tall, wide] = [height * factor, width * factor];
    let rows: Vec<Taps> = (0..tall).map(|row| Taps::of(row, factor, height)).collect();
    let columns: Vec<Taps> = (0..wide).map(|column| Taps::of(column, factor, width)).collect();
    let nearest = |row: usize, column: usize| row / factor * width + column / factor;
    let all_valid = sample.valid.iter().all(|valid| *valid);
    let mut values = Vec::with_capacity(sample.values.len() * factor * factor);
    for plane in sample.values.chunks_exact((height * width).max(1)) {
        for (row, down) in rows.iter().enumerate() {
            for (column, across) in columns.iter().enumerate() {
                let smooth = all_valid
                    || down
                        .index
                        .iter()
                        .all(|y| across.index.iter().all(|x| sample.valid[y * width + x]));
                values.push(if smooth {
                    let line = |y: &usize| -> f32 {
                        let taps = across.index.iter().zip(across.weight);
                        taps.map(|(x, weight)| plane[y * width + x] * weight).sum()
                    };
                    down.index
                        .iter()
                        .zip(down.weight)
                        .map(|(y, weight)| line(y) * weight)
                        .sum()
                } else {
                    plane[nearest(row, column)]
                });
            }
        }
    }
    let pixels = || (0..tall).flat_map(|row| (0..wide).map(move |column| nearest(row, column)));
    Sample {
        path: sample.path.clone(),
        height: tall,
        width: wide,
        ground_resolution_m: sample.ground_resolution_m / factor as f64,
        values,
        valid: pixels().map(|pixel| sample.valid[pixel]).collect(),
        labels: pixels().map(|pixel| sample.labels[pixel]).collect(),
    }
}

/// The four neighbours along one axis, and their weights.
struct Taps {
    index: [usize; 4],
    weight: [f32; 4],
}

impl Taps {
    fn of(target: usize, factor: usize, length: usize) -> Self {
        let at = (target as f32 + 0.5) / factor as f32 - 0.5;
        let first = at.floor();
        let fraction = at - first;
        Self {
            index: [-1.0, 0.0, 1.0, 2.0].map(|step| (first + step).clamp(0.0, length as f32 - 1.0) as usize),
            weight: [1.0 + fraction, fraction, 1.0 - fraction, 2.0 - fraction].map(keys),
        }
    }
}

/// The kernel at a distance from 0 to 2.
fn keys(x: f32) -> f32 {
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[f32], valid: &[bool]) -> Sample {
        Sample {
            path: "memory".into(),
            height: 1,
            width: values.len(),
            ground_resolution_m: 1.0,
            values: values.to_vec(),
            valid: valid.to_vec(),
            labels: (0..values.len() as u8).collect(),
        }
    }

    #[test]
    fn the_image_is_cubic_and_the_mask_nearest() {
        // Weights of a quarter: -0.0703125, 0.8671875, 0.2265625, -0.0234375
        let doubled = upsample_sample(&row(&[0.0, 0.0, 64.0, 0.0, 0.0], &[true; 5]), 2);
        assert_eq!((doubled.height, doubled.width), (2, 10));
        let expected = [0.0, -1.5, -4.5, 14.5, 55.5, 55.5, 14.5, -4.5, -1.5, 0.0];
        for line in doubled.values.chunks(10) {
            for (value, expected) in line.iter().zip(expected) {
                assert!((value - expected).abs() < 1e-5, "{line:?}");
            }
        }
        assert_eq!(doubled.labels[..10], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    }

    #[test]
    fn a_straight_line_stays_one() {
        let ramp: Vec<f32> = (0..8).map(|x| x as f32).collect();
        let doubled = upsample_sample(&row(&ramp, &[true; 8]), 2);
        for (index, value) in doubled.values[4..12].iter().enumerate() {
            assert!((value - (1.75 + index as f32 / 2.0)).abs() < 1e-5, "{index}: {value}");
        }
    }

    #[test]
    fn invalid_neighbours_do_not_bleed() {
        let doubled = upsample_sample(&row(&[1.0, 1.0, 1.0, -9999.0], &[true, true, true, false]), 2);
        assert_eq!(doubled.values[..8], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -9999.0, -9999.0]);
        assert_eq!(doubled.valid[5..8], [true, false, false]);
    }
}
