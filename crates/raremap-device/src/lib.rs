#![doc = include_str!("../README.md")]
#![cfg(not(target_arch = "wasm32"))]

use burn::tensor::Device;

/// A device that is not available.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The CPU counts as one device.
    #[error("there is no cpu {number}: the only one is number 0, and `--devices 0,0` runs two replicas on it")]
    NoSuchCpu {
        /// The requested number.
        number: usize,
    },
    /// The backend was not compiled in.
    #[error(
        "this build has no {backend} backend; build it with: cargo build --release -p raremap-cli --features {backend}"
    )]
    NotCompiled {
        /// The requested backend.
        backend: Backend,
    },
}

/// A backend, by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
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
    /// The backend's default device, without autodiff.
    ///
    /// # Errors
    /// [`DeviceError::NotCompiled`].
    pub fn device(self) -> Result<Device, DeviceError> {
        self.numbered(None)
    }

    /// The devices with `numbers`, without autodiff, or the default one if there are none. A number may come more than once.
    ///
    /// # Errors
    /// If this build does not have the backend, or if the CPU has another number than 0.
    pub fn devices(self, numbers: &[usize]) -> Result<Vec<Device>, DeviceError> {
        match numbers {
            [] => Ok(vec![self.device()?]),
            numbers => numbers.iter().map(|&number| self.numbered(Some(number))).collect(),
        }
    }

    fn numbered(self, number: Option<usize>) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => match number.unwrap_or(0) {
                0 => Ok(Device::flex()),
                number => Err(DeviceError::NoSuchCpu { number }),
            },
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(number.unwrap_or(0))),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(gpu(number))),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => Ok(Device::vulkan(gpu(number))),
            #[allow(unreachable_patterns, reason = "reachable unless every backend is compiled in")]
            backend => Err(DeviceError::NotCompiled { backend }),
        }
    }
}

/// wgpu counts discrete GPUs; its default may be any adapter.
#[cfg(any(feature = "wgpu", feature = "vulkan"))]
fn gpu(number: Option<usize>) -> burn::tensor::DeviceKind {
    number.map_or(
        burn::tensor::DeviceKind::DefaultDevice,
        burn::tensor::DeviceKind::DiscreteGpu,
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_can_be_named_more_than_once() {
        let count = |numbers: &[usize]| Backend::Cpu.devices(numbers).map(|devices| devices.len());
        assert_eq!(count(&[]).expect("the default"), 1);
        assert_eq!(count(&[0, 0]).expect("two replicas"), 2);
        let error = count(&[0, 1]).expect_err("one CPU");
        assert!(error.to_string().contains("cpu 1"), "{error}");
    }
}
