//! Figures of a model on a split.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use raremap_infer::{
    BurnTileModel, DecideOptions, GOLDEN_TOLERANCE, RunOptions, Tiling, View, check_golden, run_scene,
};
use raremap_model::{Card, FoldedSegformer, ModelFile};
use raremap_raster::{FileSource, GeoTiff, Limits};
use serde::Serialize;

use crate::dataset::{DatasetConfig, IGNORE};
use crate::device::Backend;
use crate::metrics::{Binary, ClassFigures, Confusion, Figures, table};

/// Scores a model on a split of a dataset.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A weights file.
    model: PathBuf,
    /// The dataset's TOML file.
    dataset: PathBuf,
    /// Split to score.
    #[arg(long, default_value = "val")]
    split: String,
    /// Another folder for the dataset's files.
    #[arg(long)]
    root: Option<PathBuf>,
    /// Auxiliary probability from which a pixel takes the rare class.
    #[arg(long, default_value_t = 0.5)]
    threshold: f32,
    /// Where to run.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Backend,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// The main head's argmax, the auxiliary head, and the mask made of both.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    /// Of the argmax alone.
    #[serde(flatten)]
    pub figures: Figures,
    /// The auxiliary head at its threshold, per rare class.
    pub rare: Vec<ClassFigures>,
    /// Of the mask as the page draws it.
    pub with_threshold: Figures,
}

/// Runs `raremap evaluate`.
pub fn run(args: &EvaluateArgs) -> Result<()> {
    let bytes = std::fs::read(&args.model).with_context(|| format!("cannot read {}", args.model.display()))?;
    let file = ModelFile::from_bytes(&bytes).with_context(|| args.model.display().to_string())?;
    let dataset = DatasetConfig::read(&args.dataset, args.root.as_deref())?;
    let network = file.build(&args.device.device()?)?;
    let model = BurnTileModel::new(network.clone(), file.card.bands.len());
    pollster::block_on(check_golden(&model, &file.golden, GOLDEN_TOLERANCE))?;
    let evaluation = evaluate(network, &file.card, &dataset, &args.split, args.threshold)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&evaluation)?);
        return Ok(());
    }
    let figures = &evaluation.figures;
    println!(
        "{} on {} of {}: {} pixels",
        file.card.name, args.split, dataset.name, figures.pixels
    );
    println!(
        "\nmain head: mean IoU {:.4} ({:.4} without absent classes)",
        figures.mean_iou, figures.mean_iou_without_absent
    );
    print!("{}", table(&figures.classes));
    println!("\nauxiliary head at {}:", args.threshold);
    print!("{}", table(&evaluation.rare));
    println!(
        "\nmask as the page draws it: mean IoU {:.4}",
        evaluation.with_threshold.mean_iou
    );
    print!("{}", table(&evaluation.with_threshold.classes));
    Ok(())
}

/// Scores `network` on `split` through the same pipeline that predicts.
///
/// # Errors
/// Where a file cannot be read, and where the dataset's bands or classes are not the card's.
pub fn evaluate(
    network: FoldedSegformer,
    card: &Card,
    dataset: &DatasetConfig,
    split: &str,
    threshold: f32,
) -> Result<Evaluation> {
    let bands = card.scene_bands().into_iter().map(|name| {
        let scene = dataset.scene_bands();
        let found = scene.iter().find(|(band, _)| *band == name).map(|(_, index)| *index);
        found.with_context(|| format!("the model needs band {name}, which {} does not name", dataset.name))
    });
    let tiling = Tiling::of_tile(card.tile_px);
    let options = RunOptions {
        tiling,
        ..RunOptions::new(bands.collect::<Result<_>>()?)
    };
    let names: Vec<String> = card.classes.iter().map(|class| class.name.clone()).collect();
    let theirs: Vec<&str> = dataset.classes.iter().map(|class| class.name.as_str()).collect();
    ensure!(
        names == theirs,
        "the model's classes are {}, the dataset's {}",
        names.join(", "),
        theirs.join(", ")
    );
    let channel_of_value = |value: u8| {
        card.classes
            .iter()
            .position(|class| class.value == value)
            .unwrap_or(usize::MAX)
    };

    let model = BurnTileModel::new(network, card.bands.len());
    let rare = card.rare_class_indices();
    let argmax = DecideOptions {
        threshold: 1.0,
        ..DecideOptions::new(card)
    };
    let drawn = DecideOptions {
        threshold,
        ..DecideOptions::new(card)
    };
    let (mut of_argmax, mut of_drawn) = (Confusion::new(names.len()), Confusion::new(names.len()));
    let mut of_rare = vec![Binary::default(); rare.len()];
    for image in dataset.images_of(split)? {
        let sample = dataset.load_sample(&image)?;
        let run = async {
            let scene = GeoTiff::open(FileSource::open(&sample.path)?, Limits::default()).await?;
            anyhow::Ok(run_scene(&scene, &model, card, &options, &mut ()).await?)
        };
        let logits = pollster::block_on(run).with_context(|| sample.path.display().to_string())?;
        for (options, confusion) in [(&argmax, &mut of_argmax), (&drawn, &mut of_drawn)] {
            let mask = logits.decide(options)?.mask;
            for (&truth, &value) in sample.labels.iter().zip(&mask) {
                confusion.add(usize::from(truth), channel_of_value(value));
            }
        }
        for (index, (binary, &class)) in of_rare.iter_mut().zip(&rare).enumerate() {
            let probability = logits.probability(index, &View::whole(logits.size()))?;
            let scored = sample
                .labels
                .iter()
                .zip(&probability)
                .filter(|(label, _)| **label != IGNORE);
            scored.for_each(|(&label, &p)| binary.add(usize::from(label) == class, p >= threshold));
        }
    }
    let rare = rare
        .iter()
        .zip(of_rare)
        .map(|(&class, binary)| binary.figures(&names[class]));
    Ok(Evaluation {
        figures: of_argmax.figures(&names),
        rare: rare.collect(),
        with_threshold: of_drawn.figures(&names),
    })
}
