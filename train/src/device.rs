//! Where the arithmetic runs.

use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::ValueEnum;

/// A backend, by the name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// The CPU, in Rust.
    Cpu,
    /// NVIDIA GPUs (build with `--features cuda`).
    Cuda,
    /// Any GPU that wgpu finds (build with `--features wgpu`).
    Wgpu,
    /// GPUs through Vulkan (build with `--features vulkan`).
    Vulkan,
}

impl Backend {
    /// The backend's device, without autodiff.
    pub fn device(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(0usize)),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => Ok(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
            #[allow(unreachable_patterns, reason = "reachable unless every backend is compiled in")]
            other => bail!(
                "this build has no {other} backend; build it with: cargo build --release -p raremap-train --features {other}"
            ),
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
            Self::Vulkan => "vulkan",
        })
    }
}
