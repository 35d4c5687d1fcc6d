//! Bilinear upsampling.

use burn::tensor::Tensor;

use super::{Operation, add_scaled, parts_of, record};
use crate::cpu::upsample::{Between, Upsampling};
use crate::cpu::{for_each_chunk, map_of, nhwc_of};

/// As [`crate::cpu::upsample_bilinear`].
pub(in crate::cpu) fn upsample_bilinear(map: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [batch, channels, height, width] = map.dims();
    let (map, node) = parts_of(nhwc_of(map));
    let operation = Upsampling {
        from: [height, width],
        size,
        channels,
    };
    let output = operation.upsampled(map.all());
    let shapes = [vec![batch, height, width, channels]];
    let shape = [batch, size[0], size[1], channels];
    map_of(record(operation, [node], shapes, output, shape))
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
