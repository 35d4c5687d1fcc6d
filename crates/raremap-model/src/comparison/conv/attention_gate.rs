//! Gated skip connections.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};

use crate::conv_norm::{ConvNorm, ConvNormConfig, convolve, pointwise};

/// Lets the coarser level say where a skip connection matters (arXiv:1804.03999, eq. 1):
/// `a = sigmoid(psi(relu(W_x x + W_g g)))`, the skip becomes `x * a`.
///
/// The gating signal is the decoder's map after upsampling, so that both are on the skip's grid and the coefficients need no resampling.
#[derive(Module, Debug)]
pub struct AttentionGate {
    /// `W_x`, which halves the skip's channels.
    pub skip: ConvNorm,
    /// `W_g`, to the same number of channels.
    pub gate: ConvNorm,
    /// `psi`, to one coefficient per cell.
    pub psi: Conv2d,
}

impl AttentionGate {
    /// Makes a gate for a skip and a gating signal of these channels.
    pub fn init(skip: usize, gate: usize, device: &Device) -> Self {
        let hidden = (skip / 2).max(1);
        Self {
            skip: ConvNormConfig::new([skip, hidden], 1).init(device),
            gate: ConvNormConfig::new([gate, hidden], 1).init(device),
            psi: pointwise([hidden, 1], device),
        }
    }

    /// # Shapes
    /// - `skip`, output: `[batch, skip, h, w]`
    /// - `gate`: `[batch, gate, h, w]`
    pub fn forward(&self, skip: Tensor<4>, gate: Tensor<4>) -> Tensor<4> {
        let joint = relu(self.skip.forward(skip.clone()) + self.gate.forward(gate));
        skip * sigmoid(convolve(&self.psi, joint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_gate_stops_the_skip_and_an_open_one_passes_it() {
        let device = Device::flex();
        let mut gate = AttentionGate::init(4, 8, &device);
        let skip = Tensor::<4>::full([1, 4, 2, 2], 3.0, &device);
        let signal = Tensor::<4>::ones([1, 8, 2, 2], &device);
        let mut passed = |bias: f64| {
            gate.psi.bias = Some(burn::nn::Initializer::Constant { value: bias }.init([1], &device));
            gate.forward(skip.clone(), signal.clone()).max().into_scalar::<f32>()
        };
        assert!(passed(-40.0) < 1e-6);
        assert!((passed(40.0) - 3.0).abs() < 1e-6);
    }
}
