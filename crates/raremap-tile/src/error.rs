//! What can go wrong with a tile.

use thiserror::Error;

/// Why a network gives no logits of a tile, or wrong ones.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TileError {
    /// The network does not give what its file says.
    #[error("the model cannot be used: {0}")]
    Malformed(String),
    /// The network failed on this device.
    #[error("the network failed: {message}")]
    Network {
        /// The device's own message.
        message: String,
    },
    /// The device computes other logits than the model's golden tile states.
    #[error(
        "this device gives wrong numbers for the model: its logits differ by up to {difference}, but only {tolerance} is allowed"
    )]
    Golden {
        /// Largest absolute difference of any logit; infinite where a logit is not a number.
        difference: f32,
        /// Largest difference allowed.
        tolerance: f32,
    },
    /// The call asks for something that is not possible.
    #[error("{0}")]
    Misuse(String),
}

impl TileError {
    /// Checks that an input has as many `values` as `[channels, height, width]` say.
    ///
    /// # Errors
    /// [`TileError::Misuse`] for another number of values.
    pub fn check_input(values: usize, [channels, height, width]: [usize; 3]) -> Result<(), Self> {
        if values == channels * height * width {
            return Ok(());
        }
        let expected = format!("{channels} channels of {width} x {height}");
        Err(Self::Misuse(format!("{values} values were given for {expected}")))
    }

    /// A stable identifier for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "model_malformed",
            Self::Network { .. } => "network_failed",
            Self::Golden { .. } => "golden_tile_differs",
            Self::Misuse(_) => "misuse",
        }
    }
}
