//! `raremap stats` shows the numbers of a dataset, split by split.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use raremap_train::dataset::DatasetConfig;
use raremap_train::stats::{PERCENTS, Stats, measure};

/// Shows statistics of a dataset: the bands of the training split, and the classes of every split.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// The dataset's TOML file.
    dataset: PathBuf,
    /// Look for the dataset's files in this folder.
    #[arg(long)]
    root: Option<PathBuf>,
    /// Split on which the bands are measured.
    #[arg(long, default_value = "train")]
    split: String,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// Runs `raremap stats`.
///
/// # Errors
/// If the dataset, or one of its files, cannot be read.
pub fn run(args: &StatsArgs) -> Result<()> {
    let dataset = DatasetConfig::read(&args.dataset, args.root.as_deref())?;
    let stats = measure(&dataset, &args.split)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&stats)?);
    } else {
        print_tables(&stats);
    }
    Ok(())
}

fn print_tables(stats: &Stats) {
    println!("{}: bands over the split {}", stats.dataset, stats.measured_split);
    print!("{:<14}{:>11}{:>11}{:>11}{:>11}", "band", "mean", "std", "min", "max");
    for percent in PERCENTS {
        print!("{:>10}", format!("{percent}%"));
    }
    println!("{:>9}", "valid");
    for band in &stats.bands {
        let [mean, std, min, max] = [band.mean, band.std, band.min, band.max].map(short);
        print!("{:<14}{mean:>11}{std:>11}{min:>11}{max:>11}", band.name);
        for (_, value) in &band.percentiles {
            print!("{:>10}", short(*value));
        }
        println!("{:>8.2}%", band.valid_share * 100.0);
    }
    for split in &stats.splits {
        println!(
            "\n{}: {} samples of {} places, {} pixels, {} of them labelled ({:.2}%)",
            split.split,
            split.samples,
            split.places,
            split.pixels,
            split.labelled_pixels,
            split.labelled_pixels as f64 / split.pixels.max(1) as f64 * 100.0
        );
        if split.dropped.total() > 0 {
            println!("{}", split.dropped.sentence(&split.split));
        }
        println!(
            "{:<20}{:>12}{:>10}{:>10}{:>8}",
            "class", "pixels", "share", "samples", "places"
        );
        for class in &split.classes {
            println!(
                "{:<20}{:>12}{:>9.3}%{:>10}{:>8}{}",
                class.name,
                class.pixels,
                class.share * 100.0,
                class.samples,
                class.places,
                if class.rare { "  rare" } else { "" }
            );
        }
    }
}

/// Three decimals for indices and small floats, one for counts.
fn short(value: f32) -> String {
    if value.abs() < 10.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.1}")
    }
}
