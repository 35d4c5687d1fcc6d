//! Dense 3 x 3 convolution, bias and ReLU, without the matrix of patches that burn's CPU backend makes: it is nine times as large as the map.

use burn::tensor::{Tensor, TensorData};

use super::{add_products, floats, for_each_chunk};

/// Pixels of a line, and channels, that are computed at a time: their sums stay in vector registers.
const PIXELS: usize = 8;
const CHANNELS: usize = 4;

/// 3 x 3 convolution with zero padding of one pixel, bias and ReLU.
///
/// # Shapes
/// - `map`: `[batch, from, h, w]`
/// - `weight`: `[to, from, 3, 3]`
/// - `bias`: `[to]`
/// - `stride`: 1 or 2
/// - output: `[batch, to, h / stride, w / stride]`, rounded up
///
/// # Panics
/// If the shapes do not agree, if the stride is another, or if the numbers are not 32-bit floats.
pub(crate) fn convolve_relu(map: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize) -> Tensor<4> {
    let ([batch, from, height, width], device) = (map.dims(), map.device());
    let [to, inputs, ..] = weight.dims();
    assert_eq!(
        (inputs, bias.dims()),
        (from, [to]),
        "the weights are not those of the map"
    );
    let (map, weight, bias) = (floats(map), in_groups(&floats(weight), to, from), floats(bias));
    let size = [height.div_ceil(stride), width.div_ceil(stride)];
    let area = size[0] * size[1];
    let mut output = vec![0.0; batch * to * area];
    for (image, output) in map
        .chunks_exact(from * height * width)
        .zip(output.chunks_exact_mut(to * area))
    {
        let padded = Padded::of(image, [from, height, width], size[1], stride);
        for_each_chunk(
            output,
            CHANNELS * area,
            #[inline(always)]
            |group, output| {
                let weight = &weight[group * from * 9 * CHANNELS..(group + 1) * from * 9 * CHANNELS];
                let bias = &bias[group * CHANNELS..to.min((group + 1) * CHANNELS)];
                for row in 0..size[0] {
                    for first in (0..size[1]).step_by(PIXELS) {
                        let sums = padded.block(row, first, weight);
                        let wide = PIXELS.min(size[1] - first);
                        for channel in 0..bias.len() {
                            let values = &mut output[channel * area + row * size[1] + first..][..wide];
                            for pixel in 0..wide {
                                let sum = sums[channel][pixel] + bias[channel];
                                // Not `max`, which would make a number of what is none.
                                values[pixel] = if sum < 0.0 { 0.0 } else { sum };
                            }
                        }
                    }
                }
            },
        );
    }
    Tensor::from_data(TensorData::new(output, [batch, to, size[0], size[1]]), &device)
}

/// `[to, from, 3, 3]` as `[to / CHANNELS, from, 3, 3, CHANNELS]`, filled up with zeros.
fn in_groups(weight: &[f32], to: usize, from: usize) -> Vec<f32> {
    let taps = from * 9;
    let mut grouped = vec![0.0; to.div_ceil(CHANNELS) * taps * CHANNELS];
    for (channel, weight) in weight.chunks_exact(taps).enumerate() {
        let group = &mut grouped[channel / CHANNELS * taps * CHANNELS..];
        for (place, &weight) in group.iter_mut().skip(channel % CHANNELS).step_by(CHANNELS).zip(weight) {
            *place = weight;
        }
    }
    grouped
}

/// An image with a border of zeros, its rows one after the other, each with all channels. At stride 2, the even columns of a line come before its
/// odd ones, so that neighbours in the output read neighbours here.
struct Padded {
    values: Vec<f32>,
    channels: usize,
    /// Values of a line of one channel.
    line: usize,
    /// Where the left, middle and right taps of the first output pixel are in a line.
    taps: [usize; 3],
    stride: usize,
}

impl Padded {
    fn of(image: &[f32], [channels, height, width]: [usize; 3], output_width: usize, stride: usize) -> Self {
        assert!(
            stride == 1 || stride == 2,
            "there is no kernel for a stride of {stride}"
        );
        let whole = output_width.next_multiple_of(PIXELS);
        // What the taps of whole blocks read beyond the image is zeros, too.
        let phase = whole + 2;
        let line = stride * phase;
        let mut values = vec![0.0; (height + 2) * channels * line];
        for (channel, plane) in image.chunks_exact(height * width).enumerate() {
            for (row, source) in plane.chunks_exact(width).enumerate() {
                let start = ((row + 1) * channels + channel) * line;
                let target = &mut values[start..start + line];
                if stride == 1 {
                    target[1..=width].copy_from_slice(source);
                } else {
                    let (even, odd) = target.split_at_mut(phase);
                    // In the padded line, the image's first column is column 1.
                    for (target, source) in odd.iter_mut().zip(source.iter().step_by(2)) {
                        *target = *source;
                    }
                    for (target, source) in even[1..].iter_mut().zip(source.iter().skip(1).step_by(2)) {
                        *target = *source;
                    }
                }
            }
        }
        Self {
            values,
            channels,
            line,
            taps: if stride == 1 { [0, 1, 2] } else { [0, phase, 1] },
            stride,
        }
    }

    /// Sums of a group of channels for the pixels of `row` from `first` on; `weight` is `[channels, 3, 3, CHANNELS]`.
    #[inline(always)]
    fn block(&self, row: usize, first: usize, weight: &[f32]) -> [[f32; PIXELS]; CHANNELS] {
        let mut sums = [[0.0; PIXELS]; CHANNELS];
        let rows = &self.values[row * self.stride * self.channels * self.line..];
        for channel in 0..self.channels {
            for down in 0..3 {
                let line = &rows[(down * self.channels + channel) * self.line..][..self.line];
                let weight = &weight[(channel * 3 + down) * 3 * CHANNELS..];
                for tap in 0..3 {
                    let values = line[self.taps[tap] + first..].first_chunk::<PIXELS>();
                    let weight = weight[tap * CHANNELS..].first_chunk::<CHANNELS>();
                    if let (Some(values), Some(weight)) = (values, weight) {
                        add_products(&mut sums, weight, values);
                    }
                }
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::relu;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn a_convolution_with_bias_and_relu_is_burns() {
        let device = Device::flex();
        for (seed, ([batch, from, height, width], to)) in [
            ([1, 1, 1, 1], 1),
            ([2, 3, 7, 5], 4),
            ([1, 8, 16, 16], 24),
            ([1, 24, 9, 17], 24),
            ([3, 5, 2, 33], 7),
            ([1, 2, 31, 8], 9),
        ]
        .into_iter()
        .enumerate()
        {
            device.seed(seed as u64);
            let random = |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
            let (map, weight) = (random([batch, from, height, width]), random([to, from, 3, 3]));
            let bias = random([1, 1, 1, to]).reshape([to]);
            for stride in [1, 2] {
                let options = ConvOptions::new([stride, stride], [1, 1], [1, 1], 1);
                let composed = relu(conv2d(map.clone(), weight.clone(), Some(bias.clone()), options));
                let ours = convolve_relu(map.clone(), weight.clone(), bias.clone(), stride);
                assert_eq!(ours.dims(), composed.dims());
                let range = composed.clone().abs().max().into_scalar::<f32>();
                let difference = (ours - composed).abs().max().into_scalar::<f32>();
                assert!(
                    difference <= 2e-6 * range.max(1.0),
                    "{difference} of {range} for {batch} x {from} x {height} x {width} to {to}, stride {stride}"
                );
            }
        }
    }
}
