//! The reader and the writers from outside.

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tiny.rs"]
mod tiny;

mod codecs;
mod cog;
mod colors;
mod corpus;
mod damage;
mod gdal;
mod projection;
mod reading;
mod round_trip;
mod variants;
