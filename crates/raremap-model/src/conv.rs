//! Blocks of the convolutional families.

pub mod conv_norm;
