//! Bilinear upsampling, across lines and then along them.

use burn::tensor::Tensor;

use super::{Values, add, for_each_chunk, map_of, nhwc_of, tensor_of};

/// As [`super::upsample_bilinear`], of tensors of which burn records nothing.
pub(super) fn upsample_bilinear(map: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let ([batch, channels, height, width], device) = (map.dims(), map.device());
    let upsampling = Upsampling {
        from: [height, width],
        size,
        channels,
    };
    let input = Values::of(nhwc_of(map));
    let shape = [batch, size[0], size[1], channels];
    map_of(tensor_of(upsampling.upsampled(input.all()), shape, &device))
}

#[derive(Clone, Debug)]
pub(super) struct Upsampling {
    pub(super) from: [usize; 2],
    pub(super) size: [usize; 2],
    pub(super) channels: usize,
}

impl Upsampling {
    /// Of rows and of columns.
    pub(super) fn between(&self) -> [Vec<Between>; 2] {
        [0, 1].map(|axis| Between::of(self.from[axis], self.size[axis]))
    }

    /// `[batch, h, w, channels]` of maps with these channels.
    pub(super) fn upsampled(&self, input: &[f32]) -> Vec<f32> {
        let line = self.size[1] * self.channels;
        let images = input.len() / (self.from[0] * self.from[1] * self.channels);
        let mut output = vec![0.0; images * self.size[0] * line];
        let between = self.between();
        for_each_chunk(
            &mut output,
            line,
            #[inline(always)]
            |index, output| self.add_line(output, input, index, &between),
        );
        output
    }

    /// Adds an upsampled line to `output`; `index` counts the lines of all images.
    #[inline(always)]
    pub(super) fn add_line(
        &self,
        output: &mut [f32],
        input: &[f32],
        index: usize,
        [rows, columns]: &[Vec<Between>; 2],
    ) {
        let &Self {
            from: [height, width],
            size,
            channels,
        } = self;
        let line = width * channels;
        let Between { first, second, share } = rows[index % size[0]];
        let of = |row: usize| &input[(index / size[0] * height + row) * line..][..line];
        let mut between = vec![0.0; line];
        add_between(&mut between, of(first), of(second), share);
        for (pixel, &Between { first, second, share }) in output.chunks_exact_mut(channels).zip(columns) {
            let of = |column: usize| &between[column * channels..][..channels];
            add_between(pixel, of(first), of(second), share);
        }
    }
}

/// As [`super::upsampled_sum`].
pub(super) fn sum(maps: Vec<Tensor<4>>, size: [usize; 2], relu: bool) -> Tensor<4> {
    let [batch, channels, ..] = maps[0].dims();
    let device = maps[0].device();
    let parts = maps.into_iter().map(|map| {
        let [images, deep, height, width] = map.dims();
        assert_eq!(
            [images, deep],
            [batch, channels],
            "maps of one batch have equal channels"
        );
        let upsampling = Upsampling {
            from: [height, width],
            size,
            channels,
        };
        let between = upsampling.between();
        (upsampling, between, Values::of(nhwc_of(map)))
    });
    let parts: Vec<_> = parts.collect();
    let parts: Vec<_> = parts
        .iter()
        .map(|(upsampling, between, map)| (upsampling, between, map.all()))
        .collect();
    let line = size[1] * channels;
    let mut output = vec![0.0; batch * size[0] * line];
    for_each_chunk(
        &mut output,
        line,
        #[inline(always)]
        |index, output| {
            for (upsampling, between, map) in &parts {
                if upsampling.from == size {
                    add(output, &map[index * line..]);
                } else {
                    upsampling.add_line(output, map, index, between);
                }
            }
            if relu {
                super::relu(output);
            }
        },
    );
    map_of(tensor_of(output, [batch, size[0], size[1], channels], &device))
}

/// Adds what lies between `first` and `second`.
#[inline(always)]
fn add_between(output: &mut [f32], first: &[f32], second: &[f32], share: f32) {
    for ((value, first), second) in output.iter_mut().zip(first).zip(second) {
        *value += first + (second - first) * share;
    }
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
            let whole = super::super::upsampled_sum(vec![map.clone(), composed.clone()], size, true);
            let of_sum = (whole - burn::tensor::activation::relu(composed.clone().mul_scalar(2.0))).abs();
            assert!(of_sum.max().into_scalar::<f32>() < 8e-6, "the sum");
            let difference = (upsample_bilinear(map, size) - composed)
                .abs()
                .max()
                .into_scalar::<f32>();
            assert!(difference < 4e-6, "{difference} from {height} x {width} to {size:?}");
        }
    }
}
