//! Bilinear upsampling.

use burn::tensor::Tensor;

use super::{Operation, add_scaled, map_of, parts_of, record};
use crate::cpu::for_each_chunk;
use crate::cpu::upsample::Between;

/// As [`crate::cpu::upsample_bilinear`].
pub(crate) fn upsample_bilinear(map: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [batch, channels, height, width] = map.dims();
    let (map, node) = parts_of(map.permute([0, 2, 3, 1]));
    let input = map.all();
    let operation = Upsampling {
        from: [height, width],
        size,
        channels,
    };
    let [rows, columns] = operation.between();
    let line = size[1] * channels;
    let mut output = vec![0.0; batch * size[0] * line];
    for_each_chunk(
        &mut output,
        line,
        #[inline(always)]
        |index, output| {
            let Between { first, second, share } = rows[index % size[0]];
            let image = index / size[0] * height;
            let of = |row: usize| &input[(image + row) * width * channels..][..width * channels];
            let mut between = vec![0.0; width * channels];
            add_scaled(&mut between, 1.0 - share, of(first));
            add_scaled(&mut between, share, of(second));
            for (pixel, &Between { first, second, share }) in output.chunks_exact_mut(channels).zip(&columns) {
                add_scaled(pixel, 1.0 - share, &between[first * channels..]);
                add_scaled(pixel, share, &between[second * channels..]);
            }
        },
    );
    let shapes = [vec![batch, height, width, channels]];
    map_of(record(
        operation,
        [node],
        shapes,
        output,
        [batch, size[0], size[1], channels],
    ))
}

#[derive(Clone, Debug)]
struct Upsampling {
    from: [usize; 2],
    size: [usize; 2],
    channels: usize,
}

impl Upsampling {
    /// Of rows and of columns.
    fn between(&self) -> [Vec<Between>; 2] {
        [0, 1].map(|axis| Between::of(self.from[axis], self.size[axis]))
    }
}

impl Operation<1> for Upsampling {
    fn backward(self, gradient: &[f32], _: [bool; 1]) -> [Vec<f32>; 1] {
        let [rows, columns] = self.between();
        let Self {
            from: [height, width],
            size: [to_height, to_width],
            channels,
        } = self;
        let (line, to_line) = (width * channels, to_width * channels);
        let mut inputs = vec![0.0; gradient.len() / (to_height * to_line) * height * line];
        for_each_chunk(
            &mut inputs,
            line,
            #[inline(always)]
            |index, found| {
                let (image, row) = (index / height, index % height);
                // The upsampled lines that this one has a share in, and then their columns.
                let mut wide = vec![0.0; to_line];
                for (to_row, Between { first, second, share }) in rows.iter().enumerate() {
                    let gradient = &gradient[(image * to_height + to_row) * to_line..][..to_line];
                    for (source, share) in [(first, 1.0 - share), (second, *share)] {
                        if *source == row {
                            add_scaled(&mut wide, share, gradient);
                        }
                    }
                }
                for (pixel, &Between { first, second, share }) in wide.chunks_exact(channels).zip(&columns) {
                    add_scaled(&mut found[first * channels..][..channels], 1.0 - share, pixel);
                    add_scaled(&mut found[second * channels..][..channels], share, pixel);
                }
            },
        );
        [inputs]
    }
}
