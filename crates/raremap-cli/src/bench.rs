//! `raremap bench` measures how long the network takes for a tile.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use pollster::block_on;
use raremap_device::Backend;
use raremap_infer::TILE_MULTIPLE;
use raremap_model::{Architecture, BurnTileModel, ModelFile, SegformerConfig, TileModel, Variant};
use serde::Serialize;

/// Measures how long the network takes for a tile on a device: the upload of its numbers, the network, and the download of its logits.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A weights file [default: SegFormer-B0 with random weights, 3 bands, 7 classes and 2 rare ones].
    model: Option<PathBuf>,
    /// Device to run on.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Backend,
    /// Edges of the tiles in pixels, multiples of 32, separated by commas.
    #[arg(long, value_delimiter = ',', default_values_t = [256, 512])]
    tile: Vec<usize>,
    /// Runs of each tile after the first.
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Measured {
    model: String,
    device: String,
    /// By the tile's edge in pixels.
    tiles: BTreeMap<usize, TileTimes>,
}

/// Milliseconds of one size of tile.
#[derive(Debug, Serialize)]
struct TileTimes {
    /// The first run, in which a GPU's kernels are compiled and chosen.
    first_ms: f64,
    /// Median of the others.
    median_ms: f64,
    /// Their quartiles.
    quartiles_ms: [f64; 2],
}

/// Runs `raremap bench`.
///
/// # Errors
/// If a size is not possible, if the weights file cannot be read, or if the device is not there or fails.
pub fn run(args: &BenchArgs) -> Result<()> {
    ensure!(args.runs > 0, "--runs is 0; it must be at least 1");
    for &edge in &args.tile {
        ensure!(
            edge > 0 && edge % TILE_MULTIPLE == 0,
            "--tile is {edge}; it must be a multiple of {TILE_MULTIPLE}"
        );
    }
    let device = args.device.device()?;
    let (name, network, channels) = match &args.model {
        Some(path) => {
            let named = || path.display().to_string();
            let bytes = std::fs::read(path).with_context(named)?;
            let file = ModelFile::from_bytes(&bytes).with_context(named)?;
            let channels = file.card.architecture.in_channels();
            (file.card.name.clone(), file.build(&device)?, channels)
        }
        None => {
            let config = SegformerConfig::new(Variant::B0, 3, 7, 2);
            let network = Architecture::from(config).init(&device).fold();
            ("SegFormer-B0 with random weights".to_owned(), network, 3)
        }
    };
    let model = BurnTileModel::new(network, channels);
    let mut tiles = BTreeMap::new();
    for &edge in &args.tile {
        tiles.insert(edge, measure(&model, channels, edge, args.runs)?);
    }
    let measured = Measured {
        model: name,
        device: args.device.to_string(),
        tiles,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&measured)?);
        return Ok(());
    }
    println!("{} on {}", measured.model, measured.device);
    println!(
        "{:>8} {:>12} {:>12} {:>22}",
        "tile, px", "first, ms", "median, ms", "quartiles, ms"
    );
    for (edge, times) in &measured.tiles {
        let [lower, upper] = times.quartiles_ms;
        let quartiles = format!("{lower:.2} to {upper:.2}");
        println!(
            "{edge:>8} {:>12.2} {:>12.2} {quartiles:>22}",
            times.first_ms, times.median_ms
        );
    }
    Ok(())
}

fn measure(model: &impl TileModel, channels: usize, edge: usize, runs: usize) -> Result<TileTimes> {
    // Any numbers of the usual size will do, as long as they are not all equal.
    let input: Vec<f32> = (0..channels * edge * edge).map(|at| (at as f32 * 0.7).sin()).collect();
    let timed = || -> Result<f64> {
        let input = input.clone();
        let began = Instant::now();
        block_on(model.forward_tile(input, edge, edge))?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    let first_ms = timed()?;
    let mut others = (0..runs).map(|_| timed()).collect::<Result<Vec<f64>>>()?;
    others.sort_by(f64::total_cmp);
    let at = |share: f64| others[((others.len() - 1) as f64 * share).round() as usize];
    Ok(TileTimes {
        first_ms,
        median_ms: at(0.5),
        quartiles_ms: [at(0.25), at(0.75)],
    })
}
