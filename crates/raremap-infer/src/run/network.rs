//! What the pipeline needs from a network, and how burn provides it.

use std::future::Future;

use burn::tensor::{Device, Tensor, TensorData};
use raremap_model::InferenceNetwork;

use crate::error::InferError;

/// Logits of one tile, one cell per `cell_px` pixels of the network's config.
#[derive(Debug, Clone, PartialEq)]
pub struct TileLogits {
    /// `[classes, h / cell_px, w / cell_px]`
    pub main: Vec<f32>,
    /// `[rare classes, h / cell_px, w / cell_px]`; empty for a network without the auxiliary head.
    pub auxiliary: Vec<f32>,
}

/// A network that runs tile by tile.
pub trait TileModel {
    /// How many tiles it gets before the first of them is finished: 1 where it computes on the caller's thread, more where it has other threads,
    /// or a device that is busy with one tile while the next is uploaded.
    fn tiles_at_once(&self) -> usize {
        1
    }

    /// # Shapes
    /// - `input`: `[channels, height, width]`, normalized, sizes multiples of 32
    ///
    /// # Errors
    /// [`InferError::Network`] if the device fails.
    fn forward_tile(
        &self,
        input: Vec<f32>,
        height: usize,
        width: usize,
    ) -> impl Future<Output = Result<TileLogits, InferError>>;
}

/// A network of any family, on the device where its weights are.
#[derive(Debug)]
pub struct BurnTileModel {
    network: InferenceNetwork,
    channels: usize,
    is_on_cpu: bool,
}

impl BurnTileModel {
    /// Wraps a network of `channels` input channels.
    pub fn new(network: InferenceNetwork, channels: usize) -> Self {
        Self {
            is_on_cpu: network.device() == Device::flex(),
            network,
            channels,
        }
    }
}

impl TileModel for BurnTileModel {
    /// A GPU computes one tile while another is on its way to or from it.
    fn tiles_at_once(&self) -> usize {
        if self.is_on_cpu { 1 } else { 2 }
    }

    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, InferError> {
        if input.len() != self.channels * height * width {
            let expected = format!("{} channels of {width} x {height}", self.channels);
            return Err(InferError::Misuse(format!(
                "{} values were given for {expected}",
                input.len()
            )));
        }
        let data = TensorData::new(input, [1, self.channels, height, width]);
        let logits = self
            .network
            .forward(Tensor::<4>::from_data(data, &self.network.device()));
        let main = read_back(logits.main).await?;
        let auxiliary = match logits.auxiliary {
            Some(auxiliary) => read_back(auxiliary).await?,
            None => Vec::new(),
        };
        Ok(TileLogits { main, auxiliary })
    }
}

/// This is asynchronous because a synchronous readback panics in the browser.
async fn read_back(tensor: Tensor<4>) -> Result<Vec<f32>, InferError> {
    let failed = |message: String| InferError::Network { message };
    let data = tensor
        .into_data_async()
        .await
        .map_err(|error| failed(error.to_string()))?;
    data.try_to_vec::<f32>().map_err(|error| failed(error.to_string()))
}
