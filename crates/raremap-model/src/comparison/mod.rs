//! The convolutional networks that SegFormer is compared with, each in one file with its config.

pub(crate) mod conv;
pub(crate) mod deeplab;
pub(crate) mod manet;
pub(crate) mod multipath_unet;
pub(crate) mod pspnet;
pub(crate) mod unet;
pub(crate) mod unet_plus_plus;
