//! Turns a run's weights into a file that is shipped.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use burn::tensor::{Device, Tensor, TensorData};
use raremap_infer::Normalizer;
use raremap_model::{
    BurnTileModel, Card, GoldenTile, InferenceNetwork, ModelFile, Network, apply_parameters, parameters_of,
};
use serde_json::{Value, json};

use crate::checkpoint::load_module;
use crate::config::TrainConfig;
use crate::dataset::{DatasetConfig, Sample, SampleStore};
use crate::error::{Context, Result, TrainError, ensure, failure};
use crate::evaluate::{Bootstrap, Evaluation, Scenes, ScoreOptions, VALIDATION, figures_and_choices, score};
use crate::run::{BEST_WEIGHTS, CARD, RECIPE};

/// Edge of the golden tile in pixels: it is small, and yet every stage sees more than one cell.
const GOLDEN_PX: usize = 64;
const THRESHOLD: f32 = 0.5;
/// Intervals of the card's figures.
const BOOTSTRAP: Bootstrap = Bootstrap {
    resamples: 1000,
    seed: 0,
};

/// What is exported, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportOptions {
    /// Keep the weights in float instead of int8.
    pub float: bool,
    /// What the model is for and what it cannot do, for its card; `None` for the recipe's.
    pub description: Option<String>,
    /// Added to logits of the main head.
    pub logit_shifts: Vec<LogitShift>,
    /// Added to logits of the auxiliary head; the mask's threshold then means another probability.
    pub rare_logit_shifts: Vec<LogitShift>,
    /// Split whose figures go into the card.
    pub split: String,
    /// Folder of the dataset's files; `None` for the one that the dataset names.
    pub root: Option<PathBuf>,
}

impl Default for ExportOptions {
    /// int8 weights as they were trained, with the figures of the validation split.
    fn default() -> Self {
        Self {
            float: false,
            description: None,
            logit_shifts: Vec::new(),
            rare_logit_shifts: Vec::new(),
            split: VALIDATION.to_owned(),
            root: None,
        }
    }
}

/// A number that is added to a class's logit: the model then finds more of the class, at a cost that the figures show (logit adjustment
/// after training, arXiv:2007.07314, section 4.1). As text, it is `CLASS=LOGIT`.
#[derive(Debug, Clone, PartialEq)]
pub struct LogitShift {
    /// Name of the class.
    pub class: String,
    /// What is added; finite.
    pub logit: f32,
}

impl FromStr for LogitShift {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self> {
        let (class, logit) = text
            .split_once('=')
            .ok_or_else(|| failure!(Misuse, "--logit-shift {text}: write CLASS=LOGIT"))?;
        let parsed = logit.parse().ok().filter(|logit: &f32| logit.is_finite());
        Ok(Self {
            class: class.to_owned(),
            logit: parsed.ok_or_else(|| failure!(Misuse, "--logit-shift {text}: {logit} is not a number"))?,
        })
    }
}

impl fmt::Display for LogitShift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.class, self.logit)
    }
}

/// A run as a weights file.
#[derive(Debug, Clone)]
pub struct Export {
    /// The weights file.
    pub bytes: Vec<u8>,
    /// The digest that it states.
    pub sha256: String,
    /// Figures of the weights as they were trained, with their logit shifts.
    pub float: Evaluation,
    /// Figures of the weights in the file, which are rounded unless [`ExportOptions::float`] is set.
    pub shipped: Evaluation,
}

/// Turns the best weights of the run in `run` into a weights file, evaluated and with a golden tile.
///
/// # Errors
/// If `run` is not a run's folder, if its dataset cannot be read, if a logit shift names a class that its head does not have, or if no sample
/// of the split has the 64 x 64 pixels of a golden tile.
pub fn export(run: &Path, options: &ExportOptions) -> Result<Export> {
    let device = Device::flex();
    let recipe_path = run.join(RECIPE);
    let recipe: TrainConfig = toml::from_str(&read_text(&recipe_path)?)
        .with_context(|| format!("{} is not a run's recipe", recipe_path.display()))?;
    let dataset = DatasetConfig::read(&recipe.dataset, options.root.as_deref())?;
    let card_path = run.join(CARD);
    let stac: Value =
        serde_json::from_str(&read_text(&card_path)?).with_context(|| format!("{} is damaged", card_path.display()))?;
    let mut card = Card::from_stac(&stac).with_context(|| card_path.display().to_string())?;
    let mut model = card.architecture.init(&device);
    load_module(&mut model, &run.join(BEST_WEIGHTS))?;

    let classes: Vec<&str> = card.classes.iter().map(|class| class.name.as_str()).collect();
    for shift in &options.logit_shifts {
        shift_logit(&mut model, "heads.classifier.bias", &classes, shift)?;
    }
    let rare: Vec<&str> = card.rare_classes.iter().map(String::as_str).collect();
    for shift in &options.rare_logit_shifts {
        shift_logit(&mut model, "heads.auxiliary.bias", &rare, shift)?;
    }

    let split = dataset.load_split(&options.split, SampleStore::USUAL_BYTES)?;
    let golden_input = golden_input(&card, &split.samples)?;
    let scenes = Scenes::loaded(&dataset, &options.split, &split.entries, &split.samples)?;
    let scoring = ScoreOptions {
        probabilities: true,
        background: dataset.background.clone(),
        ..ScoreOptions::at(THRESHOLD)
    };
    let evaluate = |network: InferenceNetwork, card: &Card| {
        let model = BurnTileModel::new(network, card.bands.len());
        figures_and_choices(score(&model, card, &scenes, &scoring)?, BOOTSTRAP)
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
    card.description = options.description.clone().unwrap_or(recipe.description);
    card.quantization = if options.float {
        "none: all weights are float32".into()
    } else {
        "int8, symmetric, per output channel: linear weights and dense convolutions; float32: layers that read the image, \
         depthwise convolutions, norms, biases, heads, pixel path"
            .into()
    };

    // What the file will hold after rounding is what is measured, and what the golden tile states.
    let draft = ModelFile::from_model(&model, card.clone(), golden)?.to_bytes(!options.float)?;
    let mut file = ModelFile::from_bytes(&draft)?;
    let network = file.build(&device)?;
    let (shipped, chosen) = evaluate(network.clone(), &card)?;
    let logits = network.forward(Tensor::from_data(file.golden.input.clone(), &device));
    file.golden.main = logits.main.into_data();
    if let Some(auxiliary) = logits.auxiliary {
        file.golden.auxiliary = auxiliary.into_data();
    }
    file.card.metrics = json!({
        options.split.clone(): { "shipped": shipped.summary(), "float": float.summary() },
        // Temperatures and thresholds of the weights as shipped, chosen on the validation split; null for the figures of another split.
        "chosen": chosen,
        "threshold": THRESHOLD,
        // This was added to the main head's logits after training.
        "logit_shift": texts(&options.logit_shifts),
        "rare_logit_shift": texts(&options.rare_logit_shifts),
        "seed": recipe.seed,
    });
    let bytes = file.to_bytes(!options.float)?;
    let written = ModelFile::from_bytes(&bytes)?;
    Ok(Export {
        bytes,
        sha256: written.sha256,
        float,
        shipped,
    })
}

fn texts(shifts: &[LogitShift]) -> Vec<String> {
    shifts.iter().map(LogitShift::to_string).collect()
}

/// Adds to the parameter `bias` of a head with a channel for each of `classes`. Heads run unquantized, so no runtime has to know about it.
fn shift_logit(model: &mut Network, bias_name: &str, classes: &[&str], shift: &LogitShift) -> Result<()> {
    let LogitShift { class: name, logit } = shift;
    let class = classes.iter().position(|class| class == name);
    let class =
        class.ok_or_else(|| failure!(Misuse, "--logit-shift {shift}: there is no class {name} in this head"))?;
    let mut parameters = parameters_of(model)?;
    let bias = parameters
        .get_mut(bias_name)
        .ok_or_else(|| failure!(Misuse, "--logit-shift {shift}: the network has no {bias_name}"))?;
    let mut values = bias.try_to_vec::<f32>().map_err(|error| failure!(Misuse, "{error}"))?;
    *values
        .get_mut(class)
        .ok_or_else(|| failure!(Misuse, "{bias_name} has no entry {class}"))? += logit;
    *bias = TensorData::new(values, bias.shape().to_vec());
    Ok(apply_parameters(model, &parameters)?)
}

/// Takes the corner of the sample whose corner shows the most classes, normalized: real numbers that exercise every stage.
fn golden_input(card: &Card, samples: &SampleStore) -> Result<TensorData> {
    let corner = |sample: &Sample| -> Vec<usize> {
        (0..GOLDEN_PX * GOLDEN_PX)
            .map(|i| i / GOLDEN_PX * sample.width + i % GOLDEN_PX)
            .collect()
    };
    let mut found = None;
    for sample in samples.iter() {
        let sample = sample?;
        if sample.height < GOLDEN_PX || sample.width < GOLDEN_PX {
            continue;
        }
        let mut classes: Vec<u8> = corner(&sample).into_iter().map(|i| sample.labels[i]).collect();
        classes.sort_unstable();
        classes.dedup();
        let count = classes.len();
        // Of equals the last one.
        if found.as_ref().is_none_or(|(_, most)| count >= *most) {
            found = Some((sample, count));
        }
    }
    let (sample, _) = found.ok_or_else(|| {
        failure!(
            Dataset,
            "no sample has the {GOLDEN_PX} x {GOLDEN_PX} pixels that a golden tile needs"
        )
    })?;
    let pixels = corner(&sample);
    let values: Vec<f32> = sample
        .values
        .chunks(sample.valid.len())
        .flat_map(|band| pixels.iter().map(|&pixel| band[pixel]).collect::<Vec<f32>>())
        .collect();
    let valid: Vec<bool> = pixels.iter().map(|&pixel| sample.valid[pixel]).collect();
    let input = Normalizer::new(&card.bands)?.normalize(&values, &valid, &sample.traits())?;
    ensure!(
        Misuse,
        input.iter().all(|value| value.is_finite()),
        "{} contains NaN",
        sample.path.display()
    );
    Ok(TensorData::new(input, [1, card.bands.len(), GOLDEN_PX, GOLDEN_PX]))
}

fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
