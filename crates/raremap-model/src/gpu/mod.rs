//! SegFormer as it runs on a GPU: few, larger kernels of our own in place of burn's many small ones.
//!
//! Launches, not arithmetic, are what a tile costs on a GPU: composed of burn's operations, B0 is more than 600 of them. Everywhere else the network
//! is composed, and the browser tests compare the two.

mod kernels;
mod network;
mod tensors;
mod upload;

pub use network::GpuSegformer;
