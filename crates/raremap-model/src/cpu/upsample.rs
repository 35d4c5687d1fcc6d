//! Bilinear upsampling, along lines and then across them.

use burn::tensor::{Tensor, TensorData};

use super::{floats, for_each_chunk};

/// Bilinear upsampling with `align_corners = false`, first along lines and then across them.
///
/// # Shapes
/// - `map`: `[batch, channels, h, w]`
/// - output: `[batch, channels, height, width]`
pub(crate) fn upsample_bilinear(map: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let ([batch, channels, from_height, from_width], device) = (map.dims(), map.device());
    let input = floats(map);
    let (rows, columns) = (Between::of(from_height, height), Between::of(from_width, width));
    let mut output = vec![0.0; batch * channels * height * width];
    for_each_chunk(
        &mut output,
        height * width,
        #[inline(always)]
        |plane, output| {
            let plane = &input[plane * from_height * from_width..(plane + 1) * from_height * from_width];
            let mut wide = Vec::with_capacity(from_height * width);
            for line in plane.chunks_exact(from_width) {
                let at =
                    |&Between { first, second, share }: &Between| line[first] + (line[second] - line[first]) * share;
                wide.extend(columns.iter().map(at));
            }
            for (line, &Between { first, second, share }) in output.chunks_exact_mut(width).zip(&rows) {
                let of = |row: usize| &wide[row * width..(row + 1) * width];
                for ((value, above), below) in line.iter_mut().zip(of(first)).zip(of(second)) {
                    *value = above + (below - above) * share;
                }
            }
        },
    );
    Tensor::from_data(TensorData::new(output, [batch, channels, height, width]), &device)
}

/// The two cells that an upsampled one lies between, and how far it is from the first.
pub(super) struct Between {
    pub(super) first: usize,
    pub(super) second: usize,
    pub(super) share: f32,
}

impl Between {
    /// For each of `to` cells over `from`.
    pub(super) fn of(from: usize, to: usize) -> Vec<Self> {
        let scale = from as f32 / to as f32;
        let place = |cell: usize| {
            let at = ((cell as f32 + 0.5) * scale - 0.5).max(0.0);
            let first = (at as usize).min(from - 1);
            Self {
                first,
                second: (first + 1).min(from - 1),
                share: at - first as f32,
            }
        };
        (0..to).map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn bilinear_upsampling_is_burns() {
        use burn::tensor::module::interpolate;
        use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
        let device = Device::flex();
        // Now and then, other maps have a pixel whose position, rounded, moves it by more than the bound.
        device.seed(1);
        let sizes = [
            ([1, 1], [3, 2]),
            ([2, 3], [4, 6]),
            ([5, 4], [5, 16]),
            ([8, 8], [64, 64]),
            ([7, 9], [11, 23]),
        ];
        for ([height, width], size) in sizes {
            let map = Tensor::<4>::random([2, 3, height, width], Distribution::Normal(0.0, 2.0), &device);
            let options = InterpolateOptions::new(InterpolateMode::Bilinear)
                .with_align_corners(false)
                .with_output_size(size);
            let composed = interpolate(map.clone(), options);
            let difference = (upsample_bilinear(map, size) - composed)
                .abs()
                .max()
                .into_scalar::<f32>();
            assert!(difference < 4e-6, "{difference} from {height} x {width} to {size:?}");
        }
    }
}
