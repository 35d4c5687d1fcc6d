//! A SegFormer as plain numbers, in the order in which kernels for GPUs read them.

use serde::{Deserialize, Serialize};

use crate::error::TileError;
use crate::golden::GoldenNumbers;

/// Everything that a device needs to compute tiles and to check itself. `B` is where an array's numbers are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedModel<B> {
    /// Input channels.
    pub channels: usize,
    /// The network.
    pub network: PackedSegformer<B>,
    /// The golden tile.
    pub golden: GoldenNumbers<B>,
}

/// A folded SegFormer. `B` is where an array's numbers are: on the host, on a device, or anywhere else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedSegformer<B> {
    /// The encoder, from fine to coarse.
    pub stages: Vec<PackedStage<B>>,
    /// From fine to coarse; the finest has the decoder's bias.
    pub decoder: Vec<PackedLayer<B>>,
    /// The convolutions beside the encoder.
    pub detail: Option<PackedDetail<B>>,
    /// The weights of the main head and the auxiliary one together, without bias.
    pub heads: PackedLayer<B>,
    /// `[classes + rare]`
    pub head_bias: B,
    /// Number of rare classes.
    pub rare: usize,
    /// The layers that every pixel passes by itself.
    pub pixel: Option<PackedPixel<B>>,
    /// How many times the input is enlarged along each axis.
    pub input_upsampling: usize,
}

/// The detail path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedDetail<B> {
    /// Each with ReLU.
    pub convolutions: Vec<PackedLayer<B>>,
    /// To the decoder's channels.
    pub project: PackedLayer<B>,
}

/// The pixel path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedPixel<B> {
    /// From the features.
    pub context: PackedLayer<B>,
    /// From the input.
    pub input: PackedLayer<B>,
    /// To the logits of both heads.
    pub output: PackedLayer<B>,
}

/// A stage of the encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedStage<B> {
    /// Patch embedding.
    pub embed: PackedLayer<B>,
    /// Norm after it.
    pub embed_norm: PackedNorm<B>,
    /// The blocks, in order.
    pub blocks: Vec<PackedBlock<B>>,
    /// Norm after the last block.
    pub norm: PackedNorm<B>,
}

/// A transformer block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedBlock<B> {
    /// Before attention.
    pub norm_1: PackedNorm<B>,
    /// Queries.
    pub query: PackedLayer<B>,
    /// Spatial reduction of keys and values.
    pub reduction: Option<(PackedLayer<B>, PackedNorm<B>)>,
    /// Keys and values.
    pub context: PackedLayer<B>,
    /// Output of attention.
    pub output: PackedLayer<B>,
    /// Heads of attention.
    pub heads: usize,
    /// Edge in tokens; absent: everything is one window.
    pub window: Option<usize>,
    /// Before the mix-FFN.
    pub norm_2: PackedNorm<B>,
    /// Its first layer.
    pub dense_1: PackedLayer<B>,
    /// `[3, 3, hidden]`
    pub depthwise: B,
    /// `[hidden]`
    pub depthwise_bias: B,
    /// Its last layer.
    pub dense_2: PackedLayer<B>,
}

/// A convolution, of which a linear layer is the one of 1 x 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedLayer<B> {
    /// `[kernel * kernel * in, out]`
    pub weight: B,
    /// `[out]`
    pub bias: B,
    /// Edge of the filters.
    pub kernel: usize,
    /// Pixels from one filter to the next.
    pub stride: usize,
    /// Zeros around the map.
    pub padding: usize,
    /// Channels of the input.
    pub channels_in: usize,
    /// Channels of the output.
    pub channels_out: usize,
    /// Whether its maps have few tokens, for which there are smaller cubes. A matter of the layer and not of the tile: the golden tile then checks the very
    /// pipelines that the tiles of a scene run.
    pub is_coarse: bool,
}

/// Gain and offset of a layer norm, each `[channels]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedNorm<B> {
    /// Gain.
    pub gamma: B,
    /// Offset.
    pub beta: B,
    /// Added to the variance.
    pub epsilon: f32,
}

impl<B> PackedModel<B> {
    /// Puts each array somewhere else, in an order that is always the same.
    pub fn map<C>(self, place: &mut impl FnMut(B) -> C) -> PackedModel<C> {
        PackedModel {
            channels: self.channels,
            network: self.network.map(place),
            golden: self.golden.map(place),
        }
    }
}

impl<B> PackedSegformer<B> {
    /// Puts each array somewhere else, in an order that is always the same.
    pub fn map<C>(self, place: &mut impl FnMut(B) -> C) -> PackedSegformer<C> {
        PackedSegformer {
            stages: self.stages.into_iter().map(|stage| stage.map(place)).collect(),
            decoder: self.decoder.into_iter().map(|layer| layer.map(place)).collect(),
            detail: self.detail.map(|detail| detail.map(place)),
            heads: self.heads.map(place),
            head_bias: place(self.head_bias),
            rare: self.rare,
            pixel: self.pixel.map(|pixel| pixel.map(place)),
            input_upsampling: self.input_upsampling,
        }
    }
}

impl<B> PackedDetail<B> {
    fn map<C>(self, place: &mut impl FnMut(B) -> C) -> PackedDetail<C> {
        PackedDetail {
            convolutions: self.convolutions.into_iter().map(|layer| layer.map(place)).collect(),
            project: self.project.map(place),
        }
    }
}

impl<B> PackedPixel<B> {
    fn map<C>(self, place: &mut impl FnMut(B) -> C) -> PackedPixel<C> {
        PackedPixel {
            context: self.context.map(place),
            input: self.input.map(place),
            output: self.output.map(place),
        }
    }
}

impl<B> PackedStage<B> {
    fn map<C>(self, place: &mut impl FnMut(B) -> C) -> PackedStage<C> {
        PackedStage {
            embed: self.embed.map(place),
            embed_norm: self.embed_norm.map(place),
            blocks: self.blocks.into_iter().map(|block| block.map(place)).collect(),
            norm: self.norm.map(place),
        }
    }
}

impl<B> PackedBlock<B> {
    fn map<C>(self, place: &mut impl FnMut(B) -> C) -> PackedBlock<C> {
        PackedBlock {
            norm_1: self.norm_1.map(place),
            query: self.query.map(place),
            reduction: self.reduction.map(|(layer, norm)| (layer.map(place), norm.map(place))),
            context: self.context.map(place),
            output: self.output.map(place),
            heads: self.heads,
            window: self.window,
            norm_2: self.norm_2.map(place),
            dense_1: self.dense_1.map(place),
            depthwise: place(self.depthwise),
            depthwise_bias: place(self.depthwise_bias),
            dense_2: self.dense_2.map(place),
        }
    }
}

impl<B> PackedLayer<B> {
    fn map<C>(self, place: &mut impl FnMut(B) -> C) -> PackedLayer<C> {
        PackedLayer {
            weight: place(self.weight),
            bias: place(self.bias),
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            channels_in: self.channels_in,
            channels_out: self.channels_out,
            is_coarse: self.is_coarse,
        }
    }
}

impl<B> PackedNorm<B> {
    fn map<C>(self, place: &mut impl FnMut(B) -> C) -> PackedNorm<C> {
        PackedNorm {
            gamma: place(self.gamma),
            beta: place(self.beta),
            epsilon: self.epsilon,
        }
    }
}

impl PackedModel<Vec<f32>> {
    /// A header, which is JSON, and the arrays: what another instance makes the model of. They are not joined here, where the memory may be wasm's, which
    /// never shrinks.
    pub fn into_parts(self) -> (String, Vec<Vec<f32>>) {
        let mut arrays = Vec::new();
        let header = self.map(&mut |array: Vec<f32>| {
            arrays.push(array);
            arrays.last().map_or(0, Vec::len)
        });
        let header = serde_json::to_string(&header).expect("structs of numbers can be written");
        (header, arrays)
    }

    /// Undoes [`PackedModel::into_parts`]; `numbers` are those of the arrays, one after the other.
    ///
    /// # Errors
    /// [`TileError::Malformed`] if the parts do not belong together.
    pub fn from_parts(header: &str, numbers: &[f32]) -> Result<Self, TileError> {
        let header: PackedModel<usize> =
            serde_json::from_str(header).map_err(|error| TileError::Malformed(format!("its header: {error}")))?;
        let mut rest = Some(numbers);
        let model = header.map(&mut |length| {
            let (array, after) = rest.and_then(|rest| rest.split_at_checked(length)).unzip();
            rest = after;
            array.unwrap_or_default().to_vec()
        });
        match rest {
            Some([]) => Ok(model),
            _ => Err(TileError::Malformed(format!("it has {} numbers", numbers.len()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> PackedLayer<Vec<f32>> {
        PackedLayer {
            weight: vec![1.0, 2.0],
            bias: vec![3.0],
            kernel: 1,
            stride: 1,
            padding: 0,
            channels_in: 2,
            channels_out: 1,
            is_coarse: true,
        }
    }

    fn model() -> PackedModel<Vec<f32>> {
        PackedModel {
            channels: 2,
            network: PackedSegformer {
                stages: Vec::new(),
                decoder: vec![layer()],
                detail: None,
                heads: layer(),
                head_bias: vec![4.0],
                rare: 0,
                pixel: Some(PackedPixel {
                    context: layer(),
                    input: layer(),
                    output: layer(),
                }),
                input_upsampling: 1,
            },
            golden: GoldenNumbers {
                shape: [2, 1, 1],
                input: vec![5.0, 6.0],
                main: vec![7.0],
                auxiliary: Vec::new(),
            },
        }
    }

    #[test]
    fn a_model_is_the_same_after_a_way_in_parts() {
        let (header, arrays) = model().into_parts();
        let mut numbers = arrays.concat();
        assert_eq!(
            PackedModel::from_parts(&header, &numbers).expect("the same parts"),
            model()
        );
        numbers.pop();
        assert!(matches!(
            PackedModel::from_parts(&header, &numbers),
            Err(TileError::Malformed(_))
        ));
        numbers.extend([0.0; 2]);
        assert!(PackedModel::from_parts(&header, &numbers).is_err());
        assert!(PackedModel::from_parts("{}", &numbers).is_err());
    }
}
