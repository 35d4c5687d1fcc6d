//! Turns a run's weights into a file that is shipped.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use clap::Args;
use raremap_infer::{BurnTileModel, Normalizer};
use raremap_model::{Card, GoldenTile, InferenceNetwork, ModelFile, Network};
use raremap_model::{apply_parameters, parameters_of};
use serde_json::{Value, json};

use crate::checkpoint::load_module;
use crate::config::TrainConfig;
use crate::dataset::{DatasetConfig, Sample};
use crate::evaluate::{Bootstrap, Scenes, ScoreOptions, figures_and_choices, score};
use crate::run::{BEST_WEIGHTS, CARD, RECIPE};
use raremap_io::write_whole;

/// Writes a run's best weights as a weights file, evaluated and with a golden tile.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Folder of the run.
    run: PathBuf,
    /// The weights file to write.
    #[arg(long)]
    out: PathBuf,
    /// Keep the weights in float instead of int8.
    #[arg(long)]
    float: bool,
    /// What the model is for and what it cannot do, for its card [default: the recipe's].
    #[arg(long)]
    description: Option<String>,
    /// Add to a class's logit in the main head, such as `wetland=2`: the model then finds more of a rare class, at a cost that the printed
    /// figures show (logit adjustment after training, arXiv:2007.07314, section 4.1). You can repeat this option.
    #[arg(long, value_name = "CLASS=LOGIT")]
    logit_shift: Vec<String>,
    /// The same in the auxiliary head, for a rare class: the mask's threshold then means another probability. You can repeat this option.
    #[arg(long, value_name = "CLASS=LOGIT")]
    rare_logit_shift: Vec<String>,
    /// Split whose figures go into the card.
    #[arg(long, default_value = "val")]
    split: String,
    /// Look for the dataset's files in this folder.
    #[arg(long)]
    root: Option<PathBuf>,
}

/// Edge of the golden tile in pixels: it is small, and yet every stage sees more than one cell.
const GOLDEN_PX: usize = 64;
const THRESHOLD: f32 = 0.5;
/// Intervals of the card's figures.
const BOOTSTRAP: Bootstrap = Bootstrap {
    resamples: 1000,
    seed: 0,
};

/// Runs `raremap export`.
pub fn run(args: &ExportArgs) -> Result<()> {
    let device = Device::flex();
    let recipe_path = args.run.join(RECIPE);
    let recipe: TrainConfig = toml::from_str(&read_text(&recipe_path)?)
        .with_context(|| format!("{} is not a run's recipe", recipe_path.display()))?;
    let dataset = DatasetConfig::read(&recipe.dataset, args.root.as_deref())?;
    let card_path = args.run.join(CARD);
    let stac: Value =
        serde_json::from_str(&read_text(&card_path)?).with_context(|| format!("{} is damaged", card_path.display()))?;
    let mut card = Card::from_stac(&stac).with_context(|| card_path.display().to_string())?;
    let mut model = card.architecture.init(&device);
    load_module(&mut model, &args.run.join(BEST_WEIGHTS))?;

    let classes: Vec<&str> = card.classes.iter().map(|class| class.name.as_str()).collect();
    for shift in &args.logit_shift {
        shift_logit(&mut model, "heads.classifier.bias", &classes, shift)?;
    }
    let rare: Vec<&str> = card.rare_classes.iter().map(String::as_str).collect();
    for shift in &args.rare_logit_shift {
        shift_logit(&mut model, "heads.auxiliary.bias", &rare, shift)?;
    }

    let split = dataset.load_split(&args.split)?;
    let golden_input = golden_input(&card, &split.samples)?;
    let scenes = Scenes::loaded(&dataset, &args.split, &split.entries, &split.samples)?;
    let options = ScoreOptions {
        probabilities: true,
        background: dataset.background.clone(),
        ..ScoreOptions::at(THRESHOLD)
    };
    let evaluate = |network: InferenceNetwork, card: &Card| {
        let model = BurnTileModel::new(network, card.bands.len());
        figures_and_choices(score(&model, card, &scenes, &options)?, BOOTSTRAP)
    };
    let (float, _) = evaluate(model.clone().fold(), &card)?;
    let cells = GOLDEN_PX / card.architecture.cell_px();
    let zeros = |channels: usize| TensorData::new(vec![0f32; channels * cells * cells], [1, channels, cells, cells]);
    let golden = GoldenTile {
        input: golden_input,
        main: zeros(card.architecture.num_classes()),
        auxiliary: zeros(card.architecture.num_rare()),
    };
    card.created = jiff::Timestamp::now().to_string();
    card.description = args.description.clone().unwrap_or(recipe.description);
    card.quantization = if args.float {
        "none: all weights are float32".into()
    } else {
        "int8, symmetric, per output channel: linear weights and dense convolutions; float32: first patch embedding, \
         depthwise convolutions, norms, biases, heads"
            .into()
    };

    // What the file will hold after rounding is what is measured, and what the golden tile states.
    let draft = ModelFile::from_model(&model, card.clone(), golden)?.to_bytes(!args.float)?;
    let mut file = ModelFile::from_bytes(&draft)?;
    let network = file.build(&device)?;
    let (shipped, chosen) = evaluate(network.clone(), &card)?;
    let logits = network.forward(Tensor::from_data(file.golden.input.clone(), &device));
    file.golden.main = logits.main.into_data();
    if let Some(auxiliary) = logits.auxiliary {
        file.golden.auxiliary = auxiliary.into_data();
    }
    file.card.metrics = json!({
        args.split.clone(): { "shipped": shipped.summary(), "float": float.summary() },
        // Temperatures and thresholds of the weights as shipped, chosen on the validation split; null for the figures of another split.
        "chosen": chosen,
        "threshold": THRESHOLD,
        // This was added to the main head's logits after training.
        "logit_shift": args.logit_shift,
        "rare_logit_shift": args.rare_logit_shift,
        "seed": recipe.seed,
    });
    let bytes = file.to_bytes(!args.float)?;
    let written = ModelFile::from_bytes(&bytes)?;
    write_whole(&args.out, &bytes)?;
    println!(
        "{}: {} bytes, sha256 {}",
        args.out.display(),
        bytes.len(),
        written.sha256
    );
    for (name, evaluation) in [("float", &float), ("as shipped", &shipped)] {
        let mean_iou = evaluation.figures.mean_iou;
        let mean_iou = mean_iou.map_or("-".to_owned(), |mean_iou| format!("{mean_iou:.4}"));
        println!("{name}: mean IoU {mean_iou}");
        print!("{}", crate::metrics::table(&evaluation.figures.classes));
    }
    Ok(())
}

/// Adds `CLASS=LOGIT` to the parameter `bias` of a head with a channel for each of `classes`. Heads run unquantized, so no runtime has to
/// know about it.
fn shift_logit(model: &mut Network, bias_name: &str, classes: &[&str], shift: &str) -> Result<()> {
    let (name, value) = shift
        .split_once('=')
        .with_context(|| format!("--logit-shift {shift}: write CLASS=LOGIT"))?;
    let class = classes.iter().position(|class| *class == name);
    let class = class.with_context(|| format!("--logit-shift {shift}: there is no class {name} in this head"))?;
    let value: f32 = value
        .parse()
        .ok()
        .filter(|value: &f32| value.is_finite())
        .with_context(|| format!("--logit-shift {shift}: {value} is not a number"))?;
    let mut parameters = parameters_of(model)?;
    let bias = parameters
        .get_mut(bias_name)
        .with_context(|| format!("--logit-shift {shift}: the network has no {bias_name}"))?;
    let mut values = bias.try_to_vec::<f32>().map_err(|error| anyhow::anyhow!("{error}"))?;
    *values
        .get_mut(class)
        .with_context(|| format!("{bias_name} has no entry {class}"))? += value;
    *bias = TensorData::new(values, bias.shape().to_vec());
    Ok(apply_parameters(model, &parameters)?)
}

/// Takes the corner of the sample whose corner shows the most classes, normalized: real numbers that exercise every stage.
fn golden_input(card: &Card, samples: &[Sample]) -> Result<TensorData> {
    let corner = |sample: &Sample| -> Vec<usize> {
        (0..GOLDEN_PX * GOLDEN_PX)
            .map(|i| i / GOLDEN_PX * sample.width + i % GOLDEN_PX)
            .collect()
    };
    let large = samples
        .iter()
        .filter(|sample| sample.height >= GOLDEN_PX && sample.width >= GOLDEN_PX);
    let sample = large.max_by_key(|sample| {
        let mut classes: Vec<u8> = corner(sample).into_iter().map(|i| sample.labels[i]).collect();
        classes.sort_unstable();
        classes.dedup();
        classes.len()
    });
    let sample = sample
        .with_context(|| format!("no sample has the {GOLDEN_PX} x {GOLDEN_PX} pixels that a golden tile needs"))?;
    let pixels = corner(sample);
    let values: Vec<f32> = sample
        .values
        .chunks(sample.valid.len())
        .flat_map(|band| pixels.iter().map(|&pixel| band[pixel]).collect::<Vec<f32>>())
        .collect();
    let valid: Vec<bool> = pixels.iter().map(|&pixel| sample.valid[pixel]).collect();
    let input = Normalizer::new(&card.bands)?.normalize(&values, &valid)?;
    ensure!(
        input.iter().all(|value| value.is_finite()),
        "{} contains NaN",
        sample.path.display()
    );
    Ok(TensorData::new(input, [1, card.bands.len(), GOLDEN_PX, GOLDEN_PX]))
}

fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
