//! The pixel path of a network that runs: both layers and both upsamplings line by line, so that what lies between them never leaves the cache.

use burn::tensor::Tensor;

use super::convolution::IN_LINES;
use super::linear::panels;
use super::panels::set_products;
use super::upsample::Upsampling;
use super::{Values, for_each_chunk, nhwc_of, relu, tensor_of};

/// The layers of a pixel path, all of them 1 x 1.
pub(crate) struct PixelLayers {
    /// `[hidden, bands, 1, 1]`
    pub(crate) input: Tensor<4>,
    /// `[hidden]`
    pub(crate) bias: Tensor<1>,
    /// `[channels of the head, hidden, 1, 1]`, for each head.
    pub(crate) outputs: Vec<Tensor<4>>,
}

/// Each head's logits, upsampled as by [`super::upsample_bilinear`], plus `outputs relu(context + input x + bias)` of each pixel x, of tensors of [`super::takes`].
///
/// # Shapes
/// - `logits`: `[batch, channels of the head, h / n, w / n]`, for each head
/// - `context`: `[batch, hidden, h / n, w / n]`
/// - `input`: `[batch, bands, h, w]`
/// - output: `[batch, channels of the head, h, w]`, for each head, its planes together in memory
///
/// # Panics
/// If there is no head, or if the shapes do not agree.
pub(crate) fn refine(
    logits: Vec<Tensor<4>>,
    context: Tensor<4>,
    input: Tensor<4>,
    layers: &PixelLayers,
) -> Vec<Tensor<4>> {
    let device = input.device();
    let [batch, bands, height, width] = input.dims();
    let heads: Vec<usize> = logits.iter().map(|head| head.dims()[1]).collect();
    let (hidden, total) = (context.dims()[1], heads.iter().sum());
    assert_eq!(
        layers.input.dims(),
        [hidden, bands, 1, 1],
        "the layer is for the input and the context"
    );
    assert_eq!(heads.len(), layers.outputs.len(), "each head has a layer");
    for (head, output) in heads.iter().zip(&layers.outputs) {
        assert_eq!(output.dims(), [*head, hidden, 1, 1], "the layer is for the head");
    }
    for map in logits.iter().chain([&context]) {
        assert_eq!(map.dims()[0], batch, "the maps are of one batch");
    }
    let upsampling = |map: &Tensor<4>, channels: usize| {
        let [_, _, from_height, from_width] = map.dims();
        Upsampling {
            from: [from_height, from_width],
            size: [height, width],
            channels,
        }
    };
    let matrix = |weight: &Tensor<4>| Values::of(weight.clone().permute(IN_LINES));
    let bias = Values::of(layers.bias.clone());
    let first = panels(&matrix(&layers.input), hidden, Some(&bias));
    let second = panels(&matrix(&Tensor::cat(layers.outputs.clone(), 0)), total, None);
    let of_context = upsampling(&context, hidden);
    let of_logits = upsampling(&logits[0], total);
    let between = [of_context.between(), of_logits.between()];
    let context = Values::of(nhwc_of(context));
    // The heads' logits side by side: few numbers, because their cells are coarse.
    let logits = Values::of(nhwc_of(Tensor::cat(logits, 1)));
    let input = Values::of(input);
    let (context, logits, input) = (context.all(), logits.all(), input.all());

    let mut pixels = vec![0.0; batch * height * width * total];
    for_each_chunk(
        &mut pixels,
        width * total,
        #[inline(always)]
        |index, output| {
            let (image, row) = (index / height, index % height);
            let mut own = vec![0.0; width * bands];
            for band in 0..bands {
                let line = &input[((image * bands + band) * height + row) * width..][..width];
                for (pixel, value) in own.chunks_exact_mut(bands).zip(line) {
                    pixel[band] = *value;
                }
            }
            let mut inner = vec![0.0; width * hidden];
            set_products(&mut inner, &own, bands, &first);
            of_context.add_line(&mut inner, context, index, &between[0]);
            relu(&mut inner);
            set_products(output, &inner, hidden, &second);
            of_logits.add_line(output, logits, index, &between[1]);
        },
    );

    let area = height * width;
    let mut before = 0;
    let planes = heads.into_iter().map(|channels| {
        let mut planes = vec![0.0; batch * channels * area];
        for_each_chunk(
            &mut planes,
            area,
            #[inline(always)]
            |index, plane| {
                let (image, channel) = (index / channels, index % channels);
                let pixels = &pixels[image * area * total..][..area * total];
                for (value, pixel) in plane.iter_mut().zip(pixels.chunks_exact(total)) {
                    *value = pixel[before + channel];
                }
            },
        );
        before += channels;
        tensor_of(planes, [batch, channels, height, width], &device)
    });
    planes.collect()
}
