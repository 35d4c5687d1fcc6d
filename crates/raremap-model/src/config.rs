//! SegFormer's variants, one table.

use crate::error::ArchitectureError;
use serde::{Deserialize, Serialize};

/// Published sizes of the Mix Transformer encoder with its decoder (arXiv:2105.15203, table 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// 3.7 M parameters.
    B0,
    /// 13.7 M parameters.
    B1,
    /// 27.4 M parameters.
    B2,
    /// 47.2 M parameters.
    B3,
    /// 64.0 M parameters.
    B4,
    /// 84.6 M parameters.
    B5,
}

impl Variant {
    /// Blocks per stage, channels per stage, decoder channels.
    const fn table(self) -> ([usize; 4], [usize; 4], usize) {
        const WIDE: [usize; 4] = [64, 128, 320, 512];
        match self {
            Self::B0 => ([2, 2, 2, 2], [32, 64, 160, 256], 256),
            Self::B1 => ([2, 2, 2, 2], WIDE, 256),
            Self::B2 => ([3, 4, 6, 3], WIDE, 768),
            Self::B3 => ([3, 4, 18, 3], WIDE, 768),
            Self::B4 => ([3, 8, 27, 3], WIDE, 768),
            Self::B5 => ([3, 6, 40, 3], WIDE, 768),
        }
    }
}

/// Shape of a dual-head SegFormer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegformerConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Factor by which the input is upsampled before the first stage, 1, 2 or 4. At 2, the logits have a cell per 2 x 2 pixels, for four
    /// times the work.
    #[serde(default = "unscaled")]
    pub input_upsampling: usize,
    /// Channels of the main head.
    pub num_classes: usize,
    /// Channels of the auxiliary head, one per rare class; 0 leaves the head and the attention block out.
    pub num_rare: usize,
    /// Transformer blocks per stage.
    pub depths: [usize; 4],
    /// Channels per stage.
    pub dims: [usize; 4],
    /// Attention heads per stage.
    pub heads: [usize; 4],
    /// Spatial-reduction ratio of the keys and values, per stage.
    pub reduction: [usize; 4],
    /// Edge of the square windows within which tokens attend to each other, in pixels of the first stage's input, a multiple of 32; 0 for
    /// the whole tile, as SegFormer does. With windows, what a pixel becomes depends little on the size of the tile around it.
    #[serde(default)]
    pub attention_window_px: usize,
    /// Hidden channels of the feed-forward network divided by its input channels.
    pub mlp_ratio: usize,
    /// Channels of the decoder's feature map.
    pub decoder_dim: usize,
    /// Channels of the detail path (`DetailPath`), which gives the logits a cell per 2 x 2 pixels of
    /// the first stage's input; 0 leaves it out, as SegFormer does.
    #[serde(default)]
    pub detail_dim: usize,
    /// Channels of the pixel path (`PixelPath`), which gives every pixel logits of its own, without `input_upsampling`; 0 leaves it out, as SegFormer does.
    #[serde(default)]
    pub pixel_dim: usize,
    /// Epsilon of block, stage and head norms. Hugging Face: 1e-5; the original code: 1e-6.
    pub norm_eps: f64,
    /// Epsilon of patch-embedding and reduction norms: 1e-5 in both.
    pub embed_norm_eps: f64,
    /// Largest stochastic-depth rate; rates grow linearly from 0 over the blocks.
    pub drop_path: f64,
    /// Dropout before the heads.
    pub dropout: f64,
}

/// The overlapping patch embeddings' kernels and strides, the same for all variants; padding is half the kernel.
pub(crate) const EMBED: [(usize, usize); 4] = [(7, 4), (3, 2), (3, 2), (3, 2)];

/// Input height and width must be a multiple of this, because the reduction would drop the edges otherwise.
pub const SIZE_MULTIPLE: usize = 32;

/// Largest number of channels of any layer: a forged card must not take all memory.
const MOST_CHANNELS: usize = 4096;

/// Pixels of the first stage per cell of the heads' logits, along each axis, without and with a detail path.
const OUTPUT_STRIDE: usize = 4;
const DETAIL_STRIDE: usize = 2;

const fn unscaled() -> usize {
    1
}

/// Checks that each count is one that a layer can have, and names the field otherwise.
pub(crate) fn check_counts(fields: &[(&str, usize)]) -> Result<(), ArchitectureError> {
    match fields.iter().find(|(_, value)| !(1..=MOST_CHANNELS).contains(value)) {
        Some((name, value)) => Err(ArchitectureError::OutOfRange(format!(
            "{name} is {value}; it must be from 1 to {MOST_CHANNELS}"
        ))),
        None => Ok(()),
    }
}

/// Checks that the ends of a network, which are the same in every family, make sense.
pub(crate) fn check_ends(in_channels: usize, num_classes: usize, num_rare: usize) -> Result<(), ArchitectureError> {
    check_counts(&[("in_channels", in_channels), ("num_classes", num_classes)])?;
    if num_rare > num_classes {
        return Err(ArchitectureError::OutOfRange(format!(
            "num_rare is {num_rare}, which is more than the {num_classes} classes"
        )));
    }
    Ok(())
}

/// Checks that `rate` is a probability with which something is dropped.
pub(crate) fn check_rate(name: &str, rate: f64) -> Result<(), ArchitectureError> {
    if (0.0..1.0).contains(&rate) {
        return Ok(());
    }
    Err(ArchitectureError::OutOfRange(format!(
        "{name} is {rate}; it must be at least 0 and below 1"
    )))
}

impl SegformerConfig {
    /// A published variant for `in_channels` bands and `num_classes` classes, of which `num_rare` are rare.
    pub const fn new(variant: Variant, in_channels: usize, num_classes: usize, num_rare: usize) -> Self {
        let (depths, dims, decoder_dim) = variant.table();
        Self {
            in_channels,
            input_upsampling: unscaled(),
            num_classes,
            num_rare,
            depths,
            dims,
            heads: [1, 2, 5, 8],
            reduction: [8, 4, 2, 1],
            attention_window_px: 0,
            mlp_ratio: 4,
            decoder_dim,
            detail_dim: 0,
            pixel_dim: 0,
            norm_eps: 1e-5,
            embed_norm_eps: 1e-5,
            drop_path: 0.1,
            dropout: 0.1,
        }
    }

    /// Input pixels per cell of the logits, along each axis.
    pub const fn cell_px(&self) -> usize {
        if self.pixel_dim > 0 {
            return 1;
        }
        let stride = if self.detail_dim > 0 {
            DETAIL_STRIDE
        } else {
            OUTPUT_STRIDE
        };
        stride / self.input_upsampling
    }

    /// Checks that the network can be built with every number, and names the first one with which it cannot.
    ///
    /// # Errors
    /// The field's name and what it must be.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        check_ends(self.in_channels, self.num_classes, self.num_rare)?;
        check_counts(&[("mlp_ratio", self.mlp_ratio), ("decoder_dim", self.decoder_dim)])?;
        if ![1, 2, 4].contains(&self.input_upsampling) {
            return Err(ArchitectureError::OutOfRange(format!(
                "input_upsampling is {}; it must be 1, 2 or 4",
                self.input_upsampling
            )));
        }
        if !self.attention_window_px.is_multiple_of(SIZE_MULTIPLE) || self.attention_window_px > MOST_CHANNELS {
            return Err(ArchitectureError::OutOfRange(format!(
                "attention_window_px is {}; it must be a multiple of {SIZE_MULTIPLE}, at most {MOST_CHANNELS}",
                self.attention_window_px
            )));
        }
        for (name, dim) in [("detail_dim", self.detail_dim), ("pixel_dim", self.pixel_dim)] {
            if dim > MOST_CHANNELS {
                return Err(ArchitectureError::OutOfRange(format!(
                    "{name} is {dim}; it must be at most {MOST_CHANNELS}"
                )));
            }
        }
        if self.pixel_dim > 0 && self.input_upsampling != 1 {
            return Err(ArchitectureError::OutOfRange(format!(
                "input_upsampling is {}; with a pixel path it must be 1",
                self.input_upsampling
            )));
        }
        if self.detail_dim > 0 && self.input_upsampling > DETAIL_STRIDE {
            return Err(ArchitectureError::OutOfRange(format!(
                "input_upsampling is {}; with a detail path it must be 1 or 2",
                self.input_upsampling
            )));
        }
        for stage in 0..4 {
            let (depth, dim) = (self.depths[stage], self.dims[stage]);
            let (heads, ratio) = (self.heads[stage], self.reduction[stage]);
            if depth == 0 || depth > 100 || dim == 0 || dim > MOST_CHANNELS {
                return Err(ArchitectureError::OutOfRange(format!(
                    "stage {stage} has depth {depth} and {dim} channels"
                )));
            }
            if heads == 0 || dim % heads != 0 {
                return Err(ArchitectureError::OutOfRange(format!(
                    "stage {stage}: {dim} channels cannot be divided among {heads} heads"
                )));
            }
            // A cell of stage s covers 2^(s+2) pixels: the reduced grid must still be whole at SIZE_MULTIPLE.
            if ratio == 0 || !(SIZE_MULTIPLE >> (stage + 2)).is_multiple_of(ratio) {
                return Err(ArchitectureError::OutOfRange(format!(
                    "stage {stage}: the reduction ratio {ratio} does not divide {SIZE_MULTIPLE} pixels evenly"
                )));
            }
        }
        check_rate("drop_path", self.drop_path)?;
        check_rate("dropout", self.dropout)?;
        for (name, eps) in [("norm_eps", self.norm_eps), ("embed_norm_eps", self.embed_norm_eps)] {
            if !(eps > 0.0 && eps < 0.1) {
                return Err(ArchitectureError::OutOfRange(format!(
                    "{name} is {eps}; it must be small and positive"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_variants_are_valid() {
        for variant in [
            Variant::B0,
            Variant::B1,
            Variant::B2,
            Variant::B3,
            Variant::B4,
            Variant::B5,
        ] {
            assert_eq!(SegformerConfig::new(variant, 3, 7, 2).validate(), Ok(()));
        }
    }

    #[test]
    fn impossible_shapes_are_named() {
        let good = SegformerConfig::new(Variant::B0, 3, 7, 2);
        let no_bands = SegformerConfig {
            in_channels: 0,
            ..good.clone()
        };
        assert!(no_bands.validate().unwrap_err().to_string().contains("in_channels"));
        let odd_heads = SegformerConfig {
            heads: [1, 3, 5, 8],
            ..good.clone()
        };
        assert!(odd_heads.validate().unwrap_err().to_string().contains("3 heads"));
        let huge = SegformerConfig {
            decoder_dim: usize::MAX,
            ..good.clone()
        };
        assert!(huge.validate().unwrap_err().to_string().contains("decoder_dim"));
        let wide = SegformerConfig {
            pixel_dim: 5000,
            ..good.clone()
        };
        assert!(wide.validate().unwrap_err().to_string().contains("pixel_dim is 5000"));
        let enlarged = SegformerConfig {
            pixel_dim: 8,
            input_upsampling: 2,
            ..good
        };
        assert!(enlarged.validate().unwrap_err().to_string().contains("pixel path"));
    }
}
