//! A network of burn's that runs tile by tile.

use burn::tensor::{Device, Tensor, TensorData};
use raremap_tile::{PackedModel, TileError, TileLogits, TileModel};

use crate::network::InferenceNetwork;
use crate::packing::pack;
use crate::weights::GoldenTile;

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

    /// The network as plain numbers, for kernels that are not burn's. There are none for other families than SegFormer, and for heads of attention with more
    /// than 128 channels.
    ///
    /// # Errors
    /// [`TileError::Malformed`] if the golden tile does not have four axes, and if weights are not 32-bit floats. For networks on the CPU; elsewhere this
    /// waits for the device.
    pub fn packed(&self, golden: &GoldenTile) -> Result<Option<PackedModel<Vec<f32>>>, TileError> {
        match &self.network {
            InferenceNetwork::Segformer(network) => pack(network, self.channels, golden),
            #[cfg(feature = "comparison")]
            _ => Ok(None),
        }
    }
}

impl TileModel for BurnTileModel {
    /// A GPU computes one tile while another is on its way to or from it.
    fn tiles_at_once(&self) -> usize {
        if self.is_on_cpu { 1 } else { 2 }
    }

    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        TileError::check_input(input.len(), [self.channels, height, width])?;
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
async fn read_back(tensor: Tensor<4>) -> Result<Vec<f32>, TileError> {
    let failed = |message: String| TileError::Network { message };
    let data = tensor
        .into_data_async()
        .await
        .map_err(|error| failed(error.to_string()))?;
    data.try_to_vec::<f32>().map_err(|error| failed(error.to_string()))
}
