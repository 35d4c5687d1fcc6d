//! Samples made up in memory.

use crate::dataset::Sample;

/// One band; a pixel's label depends on its position in reading order, and its value is its label.
pub fn sample(height: usize, width: usize, label: impl Fn(usize) -> u8) -> Sample {
    let labels: Vec<u8> = (0..height * width).map(label).collect();
    Sample {
        path: "memory".into(),
        height,
        width,
        ground_resolution_m: 10.0,
        values: labels.iter().map(|&label| f32::from(label)).collect(),
        valid: vec![true; height * width],
        labels,
    }
}
