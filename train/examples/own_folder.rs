//! Trains a model on a folder of labelled images, and exports it:
//!
//!     cargo run --release -p raremap-train --example own_folder -- FOLDER
//!
//! FOLDER holds `dataset.toml`, which says what the images and classes are (docs/datasets.md), and `recipe.toml`, which says what is trained
//! (docs/training.md). Without FOLDER, the example makes a few small scenes in a temporary one and is done in seconds.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use raremap_train::config::TrainConfig;
use raremap_train::dataset::DatasetConfig;
use raremap_train::export::{ExportOptions, export};
use raremap_train::run::{Run, RunOptions};
use raremap_train::split::{SplitOptions, divide};
use raremap_train::synth::{SynthOptions, synthesize};
use raremap_train::watch::{Finding, History, Observer, RunEvent};

fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => {
            make_dataset(temporary.path())?;
            temporary.path().to_owned()
        }
    };
    let dataset = DatasetConfig::read(&folder.join("dataset.toml"), None)?;
    let list = dataset.root.join(&dataset.splits);
    if !list.exists() {
        std::fs::write(&list, divide(&dataset, &SplitOptions::default())?.to_csv()?)?;
    }

    let run_folder = folder.join("run");
    let recipe = TrainConfig::read(&folder.join("recipe.toml"), &[])?;
    let run = Run::prepare(recipe, &dataset, &run_folder, &RunOptions::default())?;
    run.train(&mut Printer, &AtomicBool::new(false))?;

    let exported = export(&run_folder, &ExportOptions::default())?;
    std::fs::write(folder.join("model.raremap"), &exported.bytes)?;
    println!("model.raremap has {} bytes", exported.bytes.len());
    for class in &exported.shipped.figures.classes {
        println!("  {}: IoU {:?}", class.name, class.iou);
    }
    Ok(())
}

/// Prints the figures of every validation, and whatever looks wrong.
struct Printer;

impl Observer for Printer {
    fn event(&mut self, event: &RunEvent, _: &History, _: &[Finding]) {
        match event {
            RunEvent::Validation(validation) => {
                println!("epoch {}: mean IoU {:?}", validation.epoch, validation.mean_iou)
            }
            RunEvent::Finding(finding) => println!("{} {}", finding.seen, finding.advice),
            _ => {}
        }
    }
}

const DATASET: &str = r#"
name = "made up"
provenance = "scenes of raremap synth"
root = "."
images = "images"
masks = "masks"
splits = "splits.csv"
value_scaling = "reflectance x 10000"
ground_resolution_m = 30.0
ignore = 255
bands = [
    { name = "green", index = 1 },
    { name = "red", index = 2 },
    { name = "nir", index = 3 },
    { name = "ndwi", normalized_difference = ["green", "nir"] },
]
classes = [
    { value = 0, name = "forest", color = "1B5E20" },
    { value = 1, name = "grass_shrub", color = "9CCC65" },
    { value = 2, name = "crop", color = "FDD835" },
    { value = 3, name = "built", color = "B71C1C" },
    { value = 4, name = "bare", color = "A1887F" },
    { value = 5, name = "water", color = "1565C0", rare = true },
    { value = 6, name = "wetland", color = "00897B", rare = true },
]
"#;

const RECIPE: &str = r#"
name = "small"
dataset = "dataset.toml"
[model]
family = "unet"
channels = [8, 16]
[schedule]
epochs = 4
batch_size = 4
crop_px = 64
evaluate_every_epochs = 2
[optimizer]
learning_rate = 3.0e-3
[augment]
symmetries = true
"#;

/// Ten scenes with their true classes, a dataset of them, and a recipe.
fn make_dataset(folder: &Path) -> Result<(), Box<dyn Error>> {
    for name in ["images", "masks"] {
        std::fs::create_dir_all(folder.join(name))?;
    }
    for seed in 0..10 {
        let options = SynthOptions {
            seed,
            width_px: 128,
            height_px: 128,
            // Each lies elsewhere: ground in two splits would be a leak.
            left_m: 500_010.0 + 10_000.0 * seed as f64,
            ..SynthOptions::default()
        };
        let scene = folder.join("scene");
        synthesize(&scene, &options)?;
        std::fs::rename(scene.join("scene.tif"), folder.join(format!("images/{seed}.tif")))?;
        std::fs::rename(scene.join("truth.tif"), folder.join(format!("masks/{seed}.tif")))?;
    }
    std::fs::write(folder.join("dataset.toml"), DATASET)?;
    std::fs::write(folder.join("recipe.toml"), RECIPE)?;
    Ok(())
}
