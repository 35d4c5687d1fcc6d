//! Layer norm.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::module::layer_norm;
use burn::tensor::{DType, Device, Tensor};

use crate::cpu;

/// Layer norm over the channels of tokens (arXiv:1607.06450). It has the parameters of burn's `LayerNorm`; on the CPU it uses a kernel of our own.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Gain of each channel.
    pub gamma: Param<Tensor<1>>,
    /// Offset of each channel.
    pub beta: Param<Tensor<1>>,
    /// What is added to the variance.
    pub(crate) epsilon: f64,
}

impl LayerNorm {
    /// A norm with gain 1 and offset 0.
    pub fn init(channels: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            gamma: Initializer::Ones.init([channels], device),
            beta: Initializer::Zeros.init([channels], device),
            epsilon,
        }
    }

    /// # Shapes
    /// - `tokens`, output: `[batch, n, channels]`
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        if cpu::computes_with(&tokens, &gamma) {
            return cpu::layer_norm(tokens, gamma, beta, self.epsilon);
        }
        // The sum of squares may be too large for 16 bits.
        let dtype = tokens.dtype();
        let wide = if dtype == DType::F16 { DType::F32 } else { dtype };
        let norm = layer_norm(tokens.cast(wide), gamma.cast(wide), Some(beta.cast(wide)), self.epsilon);
        norm.cast(dtype)
    }
}
