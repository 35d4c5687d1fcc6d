//! Upsampling that every backend can differentiate.

use burn::tensor::{Device, Tensor, TensorData};

use crate::cpu;

/// Rows of the matrix that resizes `from` samples to `to` (half-pixel centres, edges clamped; torch's
/// `align_corners = false`): for each target the two sources and the weight of the second.
fn taps(from: usize, to: usize) -> impl Iterator<Item = (usize, usize, f32)> {
    let scale = from as f32 / to as f32;
    (0..to).map(move |target| {
        let position = ((target as f32 + 0.5) * scale - 0.5).max(0.0);
        let first = (position as usize).min(from - 1);
        (first, (first + 1).min(from - 1), position - first as f32)
    })
}

/// `[to, from]`, each row sums to 1.
fn interpolation_matrix(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0f32; to * from];
    for (row, (first, second, weight)) in values.chunks_mut(from).zip(taps(from, to)) {
        row[first] += 1.0 - weight;
        row[second] += weight;
    }
    Tensor::from_data(TensorData::new(values, [to, from]), device)
}

/// Resizes the last two axes bilinearly (`align_corners = false`) by two matrix products, or on the CPU by a kernel of our own.
///
/// burn's `interpolate` has no bilinear backward pass on most backends; a matrix product has one everywhere.
///
/// # Shapes
/// - `map`: `[batch, channels, h, w]`
/// - output: `[batch, channels, size[0], size[1]]`
pub fn upsample_bilinear(map: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [batch, channels, height, width] = map.dims();
    if [height, width] == size {
        return map;
    }
    if cpu::computes(&map) {
        return cpu::upsample_bilinear(map, size);
    }
    let device = map.device();
    // The matrices are constants and must not enter the autodiff graph. They compute in the map's precision.
    let columns = interpolation_matrix(width, size[1], &device)
        .cast(map.dtype())
        .detach()
        .transpose();
    let rows = interpolation_matrix(height, size[0], &device)
        .cast(map.dtype())
        .detach();
    let wide = map.reshape([batch * channels * height, width]).matmul(columns);
    let wide = wide.reshape([batch * channels, height, size[1]]);
    let tall = rows
        .unsqueeze::<3>()
        .expand([batch * channels, size[0], height])
        .matmul(wide);
    tall.reshape([batch, channels, size[0], size[1]])
}

/// Repeats each cell of the last two axes `factor` times along both.
///
/// # Shapes
/// - `map`: `[batch, channels, h, w]`
/// - output: `[batch, channels, factor * h, factor * w]`
pub fn upsample_nearest(map: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, channels, height, width] = map.dims();
    map.reshape([batch * channels, height, 1, width, 1])
        .expand([batch * channels, height, factor, width, factor])
        .reshape([batch, channels, height * factor, width * factor])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::module::interpolate;
    use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

    #[test]
    fn doubling_two_samples_gives_quarters() {
        let device = Device::flex();
        let map = Tensor::<1>::from_floats([0.0, 4.0], &device).reshape([1, 1, 1, 2]);
        let out = upsample_bilinear(map, [1, 4])
            .into_data()
            .try_to_vec::<f32>()
            .expect("f32");
        assert_eq!(out, [0.0, 1.0, 3.0, 4.0]);
    }

    #[test]
    fn nearest_repeats_each_cell() {
        let map = Tensor::<4>::from_data([[[[1.0, 2.0], [3.0, 4.0]]]], &Device::flex());
        let out = upsample_nearest(map, 2).into_data().try_to_vec::<f32>().expect("f32");
        assert_eq!(out, [1., 1., 2., 2., 1., 1., 2., 2., 3., 3., 4., 4., 3., 3., 4., 4.]);
    }

    #[test]
    fn agrees_with_the_backends_own_interpolation() {
        let device = Device::flex();
        let map = Tensor::<1>::from_floats(
            (0..60).map(|i| (i * i % 17) as f32).collect::<Vec<_>>().as_slice(),
            &device,
        )
        .reshape([1, 2, 5, 6]);
        let options = InterpolateOptions::new(InterpolateMode::Bilinear)
            .with_align_corners(false)
            .with_output_size([20, 24]);
        let theirs = interpolate(map.clone(), options).into_data();
        let ours = upsample_bilinear(map, [20, 24]).into_data();
        ours.assert_approx_eq::<f32>(&theirs, burn::tensor::Tolerance::absolute(1e-5));
    }
}
