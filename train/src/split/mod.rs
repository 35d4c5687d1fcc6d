//! `raremap split` assigns places to splits, balanced by class.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::check::ground::{Texture, cell_px, matches};
use crate::dataset::{DatasetConfig, Entry, Format, check_fractions};
use raremap_io::write_whole;

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

/// Steps of the search per place.
const STEPS_PER_GROUP: usize = 2000;
/// Largest number of steps of the search.
const MAX_STEPS: usize = 400_000;
/// How much more a rare class counts than another.
const RARE_WEIGHT: f64 = 4.0;
/// What it costs if a split lacks a class that has enough places for all splits.
const ABSENT_COST: f64 = 1.0;

/// A place: its images and the pixels of each class.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    place: String,
    images: Vec<String>,
    pixels: Vec<f64>,
}

/// Runs `raremap split`.
pub fn run(args: &SplitArgs) -> Result<()> {
    let config = DatasetConfig::read(&args.dataset, args.root.as_deref())?;
    ensure!(
        !config.is_mix(),
        "{} is a mix of other datasets: split each of them on its own",
        config.name
    );
    let fractions = parse_fractions(&args.fractions)?;
    ensure!(args.block_px > 0, "--block-px must be positive");
    let mut entries = match args.by {
        By::Site => listed(&config)?,
        By::Block => blocks(&config, listed(&config)?, args.block_px)?,
    };
    if args.join_same_ground {
        join_same_ground(&config, &mut entries)?;
    }
    let groups = groups(&config, &entries)?;
    let shares: Vec<f64> = fractions.iter().map(|(_, share)| *share).collect();
    let weights: Vec<f64> = config
        .classes
        .iter()
        .map(|class| if class.rare { RARE_WEIGHT } else { 1.0 })
        .collect();
    ensure!(
        groups.len() >= shares.len(),
        "{} place(s) cannot be divided into {} splits",
        groups.len(),
        shares.len()
    );
    let assignment = assign(&groups, &shares, &weights, args.seed);
    let mut rows: Vec<Entry> = Vec::new();
    for (group, &split) in groups.iter().zip(&assignment) {
        for image in &group.images {
            rows.push(Entry {
                image: image.clone(),
                place: group.place.clone(),
                split: fractions[split].0.clone(),
            });
        }
    }
    rows.sort();
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in &rows {
        writer.serialize(row)?;
    }
    let bytes = writer.into_inner().context("cannot write the table")?;
    write_whole(&args.out, &bytes)?;
    print_balance(&config, &groups, &assignment, &fractions);
    println!("\n{} images written to {}", rows.len(), args.out.display());
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

/// The images and places of the dataset's list, or without one those of its folders. Only `block` cuts scenes into windows.
fn listed(config: &DatasetConfig) -> Result<Vec<Entry>> {
    if config.format == Format::Npz || config.root.join(&config.splits).is_file() {
        let mut entries = config.unchecked_entries()?;
        // Windows in a list that was made by block are joined to one scene again.
        let mut seen = BTreeSet::new();
        for entry in &mut entries {
            entry.image = config.scene_of(&entry.image).0.to_owned();
        }
        entries.retain(|entry| seen.insert(entry.image.clone()));
        return Ok(entries);
    }
    let folder = config.root.join(&config.images);
    let mut entries = Vec::new();
    collect(&folder, &folder, config.format, &mut entries)?;
    entries.sort();
    ensure!(!entries.is_empty(), "{} contains no image", folder.display());
    Ok(entries)
}

fn collect(top: &Path, folder: &Path, format: Format, entries: &mut Vec<Entry>) -> Result<()> {
    let cannot = || format!("cannot read {}", folder.display());
    for file in std::fs::read_dir(folder).with_context(cannot)? {
        let path = file.with_context(cannot)?.path();
        if path.is_dir() {
            collect(top, &path, format, entries)?;
            continue;
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        let fits = format.has_extension(extension);
        let relative = path.strip_prefix(top).unwrap_or(&path).with_extension("");
        let name = relative.to_str().filter(|_| fits);
        if let Some(name) = name {
            let name = name.replace(std::path::MAIN_SEPARATOR, "/");
            let place = name.rsplit_once('/').map_or(name.as_str(), |(folder, _)| folder);
            entries.push(Entry {
                place: place.to_owned(),
                split: String::new(),
                image: name,
            });
        }
    }
    Ok(())
}

/// Gives every image, or window of a scene, the block of its middle as its place; images that overlap on the map share one.
fn blocks(config: &DatasetConfig, entries: Vec<Entry>, block_px: u32) -> Result<Vec<Entry>> {
    ensure!(
        config.format == Format::Geotiff,
        "--by block needs GeoTIFF files, because others do not say where they lie"
    );
    let mut placed = Vec::new();
    for entry in config.cut(entries)? {
        let footprint = config.footprint(&entry.image)?.with_context(|| {
            format!(
                "{} is not georeferenced, and without window_px in the dataset it is one sample, so it cannot be divided into blocks",
                config.image_path(&entry.image).display()
            )
        })?;
        placed.push((entry, footprint));
    }
    // There is one grid for all files of a coordinate system, whatever their pixel sizes.
    let mut size_of: BTreeMap<String, f64> = BTreeMap::new();
    for (_, at) in &placed {
        let size = size_of.entry(at.space.clone()).or_insert(0.0);
        *size = size.max(at.pixel * f64::from(block_px));
    }
    for (entry, at) in &mut placed {
        let size = size_of.get(&at.space).copied().unwrap_or(1.0);
        let [x, y] = [0, 1].map(|axis| ((at.near[axis] + at.far[axis]) / 2.0 / size).floor());
        entry.place = format!("{}/{y}_{x}", at.space);
    }
    let mut pairs = Vec::new();
    for (index, (_, at)) in placed.iter().enumerate() {
        // Neighbours that share an edge only overlap by rounding.
        let overlapping = placed
            .iter()
            .enumerate()
            .take(index)
            .filter(|(_, (_, other))| at.overlap(other) > 1e-3);
        pairs.extend(overlapping.map(|(other, _)| (other, index)));
    }
    let mut entries: Vec<Entry> = placed.into_iter().map(|(entry, _)| entry).collect();
    join_places(&mut entries, &pairs);
    Ok(entries)
}

/// Finds images of different places that show the same ground, by their content, and joins these places.
fn join_same_ground(config: &DatasetConfig, entries: &mut [Entry]) -> Result<()> {
    let mut loader = config.loader();
    let mut textures = Vec::new();
    let mut cell = None;
    // This is the entry of each texture: a scene that is cut has several.
    let mut owner = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        for part in config.cut(vec![entry.clone()])? {
            let sample = loader.load(&part.image)?;
            let cell = *cell.get_or_insert(cell_px(sample.height.max(sample.width)));
            textures.push(Texture::of(&sample, cell));
            owner.push(index);
        }
    }
    let mut pairs = Vec::new();
    for a in 0..textures.len() {
        pairs.extend(
            (0..a)
                .filter(|&b| entries[owner[a]].place != entries[owner[b]].place)
                .map(|b| (b, a)),
        );
    }
    let textures: Vec<&Texture> = textures.iter().collect();
    let found = matches(&textures, &pairs);
    let before = entries.iter().map(|entry| &entry.place).collect::<BTreeSet<_>>().len();
    let pairs: Vec<(usize, usize)> = found.iter().map(|(a, b, _)| (owner[*a], owner[*b])).collect();
    join_places(entries, &pairs);
    let after = entries.iter().map(|entry| &entry.place).collect::<BTreeSet<_>>().len();
    println!(
        "{} pairs of images show the same ground: {before} places became {after}\n",
        pairs.len()
    );
    Ok(())
}

/// Gives the places of each pair of entries one name, together with all places that they were joined with.
fn join_places(entries: &mut [Entry], pairs: &[(usize, usize)]) {
    let mut joined_to: BTreeMap<String, String> = BTreeMap::new();
    let root = |joined_to: &BTreeMap<String, String>, place: &str| {
        let mut place = place.to_owned();
        while let Some(next) = joined_to.get(&place) {
            place.clone_from(next);
        }
        place
    };
    for &(a, b) in pairs {
        let (a, b) = (root(&joined_to, &entries[a].place), root(&joined_to, &entries[b].place));
        if a != b {
            joined_to.insert(a.clone().max(b.clone()), a.min(b));
        }
    }
    for entry in entries {
        entry.place = root(&joined_to, &entry.place);
    }
}

fn groups(config: &DatasetConfig, entries: &[Entry]) -> Result<Vec<Group>> {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    let mut loader = config.loader();
    for entry in entries {
        let group = groups.entry(&entry.place).or_insert_with(|| Group {
            place: entry.place.clone(),
            images: Vec::new(),
            pixels: vec![0.0; config.classes.len()],
        });
        group.images.push(entry.image.clone());
        // A scene that is cut is counted window by window, because it need not fit into memory.
        for part in config.cut(vec![entry.clone()])? {
            for &label in &loader.load(&part.image)?.labels {
                if let Some(pixels) = group.pixels.get_mut(usize::from(label)) {
                    *pixels += 1.0;
                }
            }
        }
    }
    Ok(groups.into_values().collect())
}

/// The state of the search: which split each group is in, and the sums from which its cost is computed.
struct Search<'a> {
    groups: &'a [Group],
    shares: &'a [f64],
    /// Weight of each class divided by the square of its pixels, 0 for a class that does not occur.
    scale: Vec<f64>,
    /// Whether enough groups show a class that every split could have it, and its weight.
    wanted: Vec<f64>,
    totals: Vec<f64>,
    split_of: Vec<usize>,
    /// `[split][class]`
    sums: Vec<Vec<f64>>,
    members: Vec<usize>,
}

impl Search<'_> {
    /// Squared distance of every split's share of every class from its own share, and the cost of what is absent.
    fn cost(&self) -> f64 {
        let mut cost = 0.0;
        for ((sums, share), members) in self.sums.iter().zip(self.shares).zip(&self.members) {
            for (class, sum) in sums.iter().enumerate() {
                let off = sum - share * self.totals[class];
                cost += self.scale[class] * off * off;
                if *sum == 0.0 {
                    cost += self.wanted[class] * ABSENT_COST;
                }
            }
            if *members == 0 {
                cost += 1e6;
            }
        }
        cost
    }

    fn put(&mut self, group: usize, split: usize) {
        let from = std::mem::replace(&mut self.split_of[group], split);
        self.members[from] -= 1;
        self.members[split] += 1;
        for (class, pixels) in self.groups[group].pixels.iter().enumerate() {
            self.sums[from][class] -= pixels;
            self.sums[split][class] += pixels;
        }
    }
}

/// Assigns groups to splits by simulated annealing over moves and swaps, from a greedy start; the same seed gives the same result.
fn assign(groups: &[Group], shares: &[f64], weights: &[f64], seed: u64) -> Vec<usize> {
    let classes = weights.len();
    let totals: Vec<f64> = (0..classes)
        .map(|class| groups.iter().map(|group| group.pixels[class]).sum())
        .collect();
    let scale = totals.iter().zip(weights);
    let scale = scale.map(|(total, weight)| if *total > 0.0 { weight / (total * total) } else { 0.0 });
    let wanted = (0..classes).map(|class| {
        let having = groups.iter().filter(|group| group.pixels[class] > 0.0).count();
        if having >= shares.len() { weights[class] } else { 0.0 }
    });
    let mut sums = vec![vec![0.0; classes]; shares.len()];
    for (sum, total) in sums[0].iter_mut().zip(&totals) {
        *sum = *total;
    }
    let mut members = vec![0; shares.len()];
    members[0] = groups.len();
    let mut search = Search {
        groups,
        shares,
        scale: scale.collect(),
        wanted: wanted.collect(),
        totals,
        split_of: vec![0; groups.len()],
        sums,
        members,
    };
    let mut rng = StdRng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.shuffle(&mut rng);
    for &group in &order {
        let best = (0..shares.len()).map(|split| {
            search.put(group, split);
            (search.cost(), split)
        });
        let best = best.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, split)| split);
        search.put(group, best);
    }
    let steps = (groups.len() * STEPS_PER_GROUP).min(MAX_STEPS);
    let mut cost = search.cost();
    let mut best = (cost, search.split_of.clone());
    for step in 0..steps {
        let temperature = 0.05 * (1.0 - step as f64 / steps as f64).powi(3);
        let (a, b) = (rng.random_range(0..groups.len()), rng.random_range(0..groups.len()));
        let (from_a, from_b) = (search.split_of[a], search.split_of[b]);
        let swaps = rng.random::<bool>() && from_a != from_b;
        if swaps {
            search.put(a, from_b);
            search.put(b, from_a);
        } else {
            search.put(a, rng.random_range(0..shares.len()));
        }
        let tried = search.cost();
        if tried <= cost || rng.random::<f64>() < ((cost - tried) / temperature.max(1e-12)).exp() {
            cost = tried;
            if cost < best.0 {
                best = (cost, search.split_of.clone());
            }
        } else {
            search.put(a, from_a);
            if swaps {
                search.put(b, from_b);
            }
        }
    }
    best.1
}

fn print_balance(config: &DatasetConfig, groups: &[Group], assignment: &[usize], fractions: &[(String, f64)]) {
    let of = |split: usize| {
        groups
            .iter()
            .zip(assignment)
            .filter(move |(_, of)| **of == split)
            .map(|(group, _)| group)
    };
    print!("{:<22}", "");
    for (name, _) in fractions {
        print!("{name:>24}");
    }
    println!();
    print!("{:<22}", "places / images");
    for split in 0..fractions.len() {
        let images: usize = of(split).map(|group| group.images.len()).sum();
        print!("{:>24}", format!("{} / {images}", of(split).count()));
    }
    println!("\n{:<22}pixels (share of the class)", "class");
    for (class, settings) in config.classes.iter().enumerate() {
        let total: f64 = groups.iter().map(|group| group.pixels[class]).sum();
        print!(
            "{:<22}",
            format!("{}{}", settings.name, if settings.rare { " (rare)" } else { "" })
        );
        for split in 0..fractions.len() {
            let pixels: f64 = of(split).map(|group| group.pixels[class]).sum();
            print!(
                "{:>24}",
                format!("{pixels:.0} ({:.1}%)", pixels / total.max(1.0) * 100.0)
            );
        }
        println!();
    }
    for (split, (name, _)) in fractions.iter().enumerate() {
        for (class, settings) in config.classes.iter().enumerate().filter(|(_, class)| class.rare) {
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

    fn group(place: usize, pixels: &[f64]) -> Group {
        Group {
            place: place.to_string(),
            images: vec![place.to_string()],
            pixels: pixels.to_vec(),
        }
    }

    #[test]
    fn a_rare_class_of_three_places_reaches_all_three_splits() {
        let groups: Vec<Group> = (0..20)
            .map(|place| group(place, &[1000.0, if place < 3 { 10.0 } else { 0.0 }]))
            .collect();
        for seed in 0..5 {
            let splits = assign(&groups, &[0.7, 0.15, 0.15], &[1.0, RARE_WEIGHT], seed);
            let rare: BTreeSet<usize> = splits[..3].iter().copied().collect();
            assert_eq!(rare.len(), 3, "{splits:?}");
            assert_eq!(splits.iter().filter(|split| **split == 0).count(), 14, "{splits:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_splits() {
        let groups: Vec<Group> = (0..30)
            .map(|place| group(place, &[(place * 37 % 11) as f64, (place * 53 % 7) as f64]))
            .collect();
        let of = |seed| assign(&groups, &[0.5, 0.5], &[1.0, 1.0], seed);
        assert_eq!(of(4), of(4));
    }

    #[test]
    fn balance_is_found_where_there_is_one() {
        // Two halves exist: {8, 3, 1} and {5, 4, 3}
        let groups: Vec<Group> = [8.0, 5.0, 4.0, 3.0, 3.0, 1.0]
            .iter()
            .enumerate()
            .map(|(place, pixels)| group(place, &[*pixels]))
            .collect();
        let splits = assign(&groups, &[0.5, 0.5], &[1.0], 1);
        let first: f64 = groups
            .iter()
            .zip(&splits)
            .filter(|(_, s)| **s == 0)
            .map(|(g, _)| g.pixels[0])
            .sum();
        assert_eq!(first, 12.0, "{splits:?}");
    }

    #[test]
    fn places_are_joined_through_others() {
        let entry = |place: &str| Entry {
            image: place.into(),
            place: place.into(),
            split: String::new(),
        };
        let mut entries = [entry("a"), entry("b"), entry("c"), entry("d")];
        join_places(&mut entries, &[(1, 2), (0, 1)]);
        let places: Vec<&str> = entries.iter().map(|entry| entry.place.as_str()).collect();
        assert_eq!(places, ["a", "a", "a", "d"]);
    }

    #[test]
    fn fractions_are_checked() {
        assert_eq!(parse_fractions("a=0.5, b=0.5").expect("valid").len(), 2);
        for bad in ["a=0.5", "a", "a=0.5,a=0.5", "a=x,b=1", "a=-1,b=2"] {
            assert!(parse_fractions(bad).is_err(), "{bad}");
        }
    }
}
