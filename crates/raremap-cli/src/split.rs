//! `raremap split` assigns places to splits, balanced by class.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use raremap_io::write_whole;
use raremap_train::dataset::{DatasetConfig, check_fractions};
use raremap_train::split::{self, Division, SplitOptions, divide};

/// Divides a dataset into splits: no place is in two splits, and every class gets its share in each.
#[derive(Debug, Args)]
pub struct SplitArgs {
    /// The dataset's TOML file.
    dataset: PathBuf,
    /// The CSV file to write.
    #[arg(long)]
    out: PathBuf,
    /// Share of the labelled pixels for each split.
    #[arg(long, default_value = "train=0.7,val=0.15,test=0.15")]
    fractions: String,
    /// What to keep together.
    #[arg(long, value_enum, default_value = "site")]
    by: By,
    /// Edge of a block in pixels, for `--by block`.
    #[arg(long, default_value_t = 1024)]
    block_px: u32,
    /// Find places that show the same ground by their content, and keep them together.
    #[arg(long)]
    join_same_ground: bool,
    /// Seed of the search.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Look for the dataset's files in this folder.
    #[arg(long)]
    root: Option<PathBuf>,
}

/// What stays together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// A place that the dataset's list names; without a list, the folder of an image, or else the image.
    Site,
    /// Squares of ground: in map coordinates if the files have them, otherwise in each scene.
    Block,
}

/// Runs `raremap split`.
///
/// # Errors
/// If the options are out of range, if the dataset cannot be read or divided, or if the list cannot be written.
pub fn run(args: &SplitArgs) -> Result<()> {
    let dataset = DatasetConfig::read(&args.dataset, args.root.as_deref())?;
    let fractions = parse_fractions(&args.fractions)?;
    ensure!(args.block_px > 0, "--block-px must be positive");
    let options = SplitOptions {
        fractions,
        by: match args.by {
            By::Site => split::By::Site,
            By::Block => split::By::Block,
        },
        block_px: args.block_px,
        joins_same_ground: args.join_same_ground,
        seed: args.seed,
    };
    let division = divide(&dataset, &options)?;
    if let Some(joined) = division.joined {
        println!(
            "{} pairs of images show the same ground: {} places became {}\n",
            joined.pairs, joined.places_before, joined.places_after
        );
    }
    write_whole(&args.out, &division.to_csv()?)?;
    print_balance(&dataset, &division);
    let images: usize = division.groups.iter().map(|group| group.images.len()).sum();
    println!("\n{images} images written to {}", args.out.display());
    Ok(())
}

/// Parses `train=0.7,val=0.3`, in the order given.
fn parse_fractions(text: &str) -> Result<Vec<(String, f64)>> {
    let mut fractions = Vec::new();
    for part in text.split(',') {
        let parsed = part.split_once('=').and_then(|(name, share)| {
            let share: f64 = share.trim().parse().ok()?;
            Some((name.trim().to_owned(), share))
        });
        let (name, share) = parsed.with_context(|| format!("--fractions: {part} is not NAME=SHARE"))?;
        ensure!(
            !name.is_empty() && fractions.iter().all(|(other, _)| *other != name),
            "--fractions: {part} has no name, or a name that is already used"
        );
        fractions.push((name, share));
    }
    check_fractions(&fractions.iter().cloned().collect()).context("--fractions")?;
    Ok(fractions)
}

fn print_balance(dataset: &DatasetConfig, division: &Division) {
    let of = |split: usize| division.groups_of(split);
    print!("{:<22}", "");
    for name in &division.names {
        print!("{name:>24}");
    }
    println!();
    print!("{:<22}", "places / images");
    for split in 0..division.names.len() {
        let images: usize = of(split).map(|group| group.images.len()).sum();
        print!("{:>24}", format!("{} / {images}", of(split).count()));
    }
    println!("\n{:<22}pixels (share of the class)", "class");
    for (class, settings) in dataset.classes.iter().enumerate() {
        let total: f64 = division.groups.iter().map(|group| group.pixels[class]).sum();
        print!(
            "{:<22}",
            format!("{}{}", settings.name, if settings.rare { " (rare)" } else { "" })
        );
        for split in 0..division.names.len() {
            let pixels: f64 = of(split).map(|group| group.pixels[class]).sum();
            print!(
                "{:>24}",
                format!("{pixels:.0} ({:.1}%)", pixels / total.max(1.0) * 100.0)
            );
        }
        println!();
    }
    for (split, name) in division.names.iter().enumerate() {
        for (class, settings) in dataset.classes.iter().enumerate().filter(|(_, class)| class.rare) {
            if of(split).all(|group| group.pixels[class] == 0.0) {
                println!(
                    "{name} has no pixel of the rare class {}: too few places show it",
                    settings.name
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_checked() {
        assert_eq!(parse_fractions("a=0.5, b=0.5").expect("valid").len(), 2);
        for bad in ["a=0.5", "a", "a=0.5,a=0.5", "a=x,b=1", "a=-1,b=2"] {
            assert!(parse_fractions(bad).is_err(), "{bad}");
        }
    }
}
