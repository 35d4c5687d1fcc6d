//! SegFormer as it runs on a GPU: few, larger kernels of our own in place of burn's many small ones.
//!
//! Launches, not arithmetic, are most of what a tile costs on a GPU: composed of burn's operations, B0 is more than 600 of them. `tests/bench/gpu.test.mjs`
//! compares the logits with onnxruntime's and with those of the CPU.

mod kernels;
mod network;
mod tensors;
mod upload;

pub use network::GpuSegformer;
