//! `raremap synth` makes a satellite scene whose true classes are known.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use raremap_train::synth::{self, SynthOptions, synthesize};

/// Makes a satellite scene whose true classes are known.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// Folder for the scene (created if missing): scene.tif, or one file per band, and truth.tif
    #[arg(long)]
    out: PathBuf,
    /// Seed of the landscape; every seed gives another one
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Number of columns
    #[arg(long, default_value_t = 512)]
    width: usize,
    /// Number of rows
    #[arg(long, default_value_t = 512)]
    height: usize,
    /// Columns x rows of a scene of any size, such as 16000x17000; it is written while it is made, and replaces --width and --height
    #[arg(long, value_parser = parse_size)]
    size: Option<[usize; 2]>,
    /// How the bands are stored; only strips, tiles and cog can be written while they are made, at any size
    #[arg(long, value_enum, default_value_t = Layout::Chunky)]
    layout: Layout,
    /// Compression of a scene that is written while it is made
    #[arg(long, value_enum, default_value_t = Compression::None)]
    compression: Compression,
    /// Write the files of a product, including its metadata
    #[arg(long, value_enum)]
    product: Option<Product>,
    /// Put the product's files into one zip
    #[arg(long, requires = "product")]
    zip: bool,
    /// Set the corners to nodata, as in a scene that was rotated to north-up
    #[arg(long)]
    footprint: bool,
    /// EPSG code of a projected grid in metres (the default is UTM zone 44 north)
    #[arg(long, default_value_t = 32644)]
    epsg: u16,
    /// Easting of the left edge in metres
    #[arg(long, default_value_t = 500_010.0)]
    left: f64,
    /// Northing of the top edge in metres
    #[arg(long, default_value_t = 2_899_980.0)]
    top: f64,
    /// Side of a pixel in metres, as stated in the file; the landscape is always drawn for 30
    #[arg(long, default_value_t = 30.0)]
    pixel: f64,
}

/// How a scene's bands are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// One file, the bands of a pixel together
    Chunky,
    /// One file, band after band
    Planar,
    /// As LISS-IV scenes are delivered: BAND2.tif (green), BAND3.tif (red), BAND4.tif (near infrared)
    Lissiv,
    /// Strips of a few rows, the bands of a pixel together
    Strips,
    /// Tiles of 256 x 256 pixels
    Tiles,
    /// Cloud-optimized: tiles of 512 x 512 pixels, overviews, tables at the front
    Cog,
}

/// How the blocks are compressed if a scene is written while it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compression {
    /// No compression
    None,
    /// Deflate with the horizontal predictor
    Deflate,
}

/// Products, as they are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Product {
    /// LISS-IV of Resourcesat: 10-bit numbers in BAND2.tif, BAND3.tif and BAND4.tif, and BAND_META.txt
    Liss4,
}

fn parse_size(text: &str) -> Result<[usize; 2], String> {
    let sides = text
        .split_once(['x', 'X'])
        .map(|(width, height)| [width, height].map(str::parse));
    match sides {
        Some([Ok(width), Ok(height)]) => Ok([width, height]),
        _ => Err(format!("{text} is not of the form COLUMNSxROWS")),
    }
}

/// Runs `raremap synth`: makes a scene, writes it and prints what it shows.
///
/// # Errors
/// If a size is out of range, and whatever the file system reports.
pub fn run(args: &SynthArgs) -> Result<()> {
    let options = SynthOptions {
        seed: args.seed,
        width_px: args.width,
        height_px: args.height,
        size_px: args.size,
        layout: match args.layout {
            Layout::Chunky => synth::Layout::Chunky,
            Layout::Planar => synth::Layout::Planar,
            Layout::Lissiv => synth::Layout::Lissiv,
            Layout::Strips => synth::Layout::Strips,
            Layout::Tiles => synth::Layout::Tiles,
            Layout::Cog => synth::Layout::Cog,
        },
        compression: match args.compression {
            Compression::None => synth::Compression::None,
            Compression::Deflate => synth::Compression::Deflate,
        },
        product: args.product.map(|product| match product {
            Product::Liss4 => synth::Product::Liss4,
        }),
        zips: args.zip,
        cuts_corners: args.footprint,
        epsg: args.epsg,
        left_m: args.left,
        top_m: args.top,
        pixel_m: args.pixel,
    };
    let made = synthesize(&args.out, &options)?;
    for (path, bytes) in &made.files {
        println!("{} ({bytes} bytes)", path.display());
    }
    for (name, share) in &made.class_shares {
        println!("{name:<12} {:6.2} %", 100.0 * share);
    }
    Ok(())
}
