//! From scenes to a weights file through the public functions, without the command.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use raremap_model::{BurnTileModel, ModelFile};
use raremap_train::check::{Severity, examine};
use raremap_train::config::TrainConfig;
use raremap_train::dataset::DatasetConfig;
use raremap_train::evaluate::{EvaluateOptions, evaluate};
use raremap_train::export::{ExportOptions, LogitShift, export};
use raremap_train::run::{Run, RunEnd, RunOptions};
use raremap_train::split::{SplitOptions, divide};
use raremap_train::stats::measure;
use raremap_train::synth::{SynthError, SynthOptions, synthesize};
use raremap_train::watch::{Finding, History, Observer, RunEvent};

const DATASET: &str = r#"
name = "made up"
provenance = "generated scenes"
root = "."
images = "images"
masks = "masks"
splits = "splits.csv"
value_scaling = "reflectance x 10000"
ground_resolution_m = 30.0
ignore = 255
bands = [{ name = "green", index = 1 }, { name = "red", index = 2 }, { name = "nir", index = 3 }]
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
channels = [4, 8]
[schedule]
epochs = 3
batch_size = 2
crop_px = 32
evaluate_every_epochs = 1
"#;

/// Six scenes with their true classes, divided into splits.
fn dataset(folder: &Path) -> DatasetConfig {
    for name in ["images", "masks"] {
        std::fs::create_dir_all(folder.join(name)).expect("a folder");
    }
    for seed in 0..6 {
        let options = SynthOptions {
            seed,
            width_px: 64,
            height_px: 64,
            // Each lies elsewhere: ground in two splits would be a leak.
            left_m: 500_010.0 + 10_000.0 * seed as f64,
            ..SynthOptions::default()
        };
        let made = synthesize(&folder.join("scene"), &options).expect("a scene");
        let to = [format!("images/{seed}.tif"), format!("masks/{seed}.tif")];
        for ((path, _), to) in made.files.iter().zip(to) {
            std::fs::rename(path, folder.join(to)).expect("moves");
        }
    }
    std::fs::write(folder.join("dataset.toml"), DATASET).expect("writes");
    std::fs::write(folder.join("recipe.toml"), RECIPE).expect("writes");
    let dataset = DatasetConfig::read(&folder.join("dataset.toml"), None).expect("a dataset");
    let options = SplitOptions {
        fractions: vec![("train".into(), 0.7), ("val".into(), 0.3)],
        ..SplitOptions::default()
    };
    let division = divide(&dataset, &options).expect("splits");
    assert_eq!(division.groups.len(), 6);
    std::fs::write(folder.join("splits.csv"), division.to_csv().expect("CSV")).expect("writes");
    dataset
}

fn recipe(folder: &Path, set: &[&str]) -> TrainConfig {
    let set: Vec<String> = set.iter().map(|&text| text.to_owned()).collect();
    TrainConfig::read(&folder.join("recipe.toml"), &set).expect("a recipe")
}

/// Counts steps, and stops the run at one of them.
struct Stopper<'a> {
    steps: Vec<usize>,
    stop_at: usize,
    stop: &'a AtomicBool,
}

impl Observer for Stopper<'_> {
    fn event(&mut self, event: &RunEvent, _: &History, _: &[Finding]) {
        if let RunEvent::Step(step) = event {
            self.steps.push(step.step);
            if step.step == self.stop_at {
                self.stop.store(true, Ordering::SeqCst);
            }
        }
    }
}

#[test]
fn scenes_become_a_model_through_the_library_alone() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path();
    let dataset = dataset(folder);
    let stats = measure(&dataset, "train").expect("statistics");
    assert_eq!((stats.bands.len(), stats.splits.len()), (3, 2));
    let examined = examine(&dataset, 100).expect("examines");
    assert_eq!((examined.samples, examined.count(Severity::Error)), (6, 0));

    let run_folder = folder.join("run");
    let train = |resume: bool, stop_at: usize| {
        let options = RunOptions {
            resume,
            ..RunOptions::default()
        };
        let run = Run::prepare(recipe(folder, &[]), &dataset, &run_folder, &options).expect("prepares");
        let stop = AtomicBool::new(false);
        let mut stopper = Stopper {
            steps: Vec::new(),
            stop_at,
            stop: &stop,
        };
        let end = run.train(&mut stopper, &stop).expect("trains");
        (end, stopper.steps)
    };
    // Two steps an epoch.
    assert_eq!(train(false, 3), (RunEnd::Interrupted, vec![1, 2, 3]));
    let (end, steps) = train(true, usize::MAX);
    assert_eq!(steps, [4, 5, 6], "the run continues at its checkpoint");
    let RunEnd::Done { best_mean_iou } = end else {
        panic!("{end:?}");
    };

    let options = ExportOptions {
        float: true,
        ..ExportOptions::default()
    };
    let exported = export(&run_folder, &options).expect("exports");
    let file = ModelFile::from_bytes(&exported.bytes).expect("a weights file");
    assert_eq!(file.sha256, exported.sha256);
    let text = std::fs::read_to_string(run_folder.join("evaluation.json")).expect("an evaluation");
    let written: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mean_iou = exported.float.figures.mean_iou;
    assert_eq!(mean_iou, written["evaluation"]["mean_iou"].as_f64());
    assert_eq!(mean_iou, best_mean_iou);

    let device = raremap_device::Backend::Cpu.device().expect("the CPU");
    let model = BurnTileModel::new(file.build(&device).expect("a network"), file.card.bands.len());
    let evaluated = evaluate(&model, &file.card, &dataset, &EvaluateOptions::default()).expect("evaluates");
    assert_eq!(evaluated.splits[0].figures.mean_iou, exported.shipped.figures.mean_iou);
    assert_eq!(evaluated.chosen.expect("chosen on val").rare().len(), 2);
}

#[test]
fn a_share_of_the_places_is_what_a_run_learns_from() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path();
    let dataset = dataset(folder);
    let pixels = |set: &[&str]| -> u64 {
        let run = Run::prepare(
            recipe(folder, set),
            &dataset,
            &folder.join("run"),
            &RunOptions::default(),
        );
        run.expect("prepares").card().training.class_pixels.iter().sum()
    };
    let (all, half) = (pixels(&[]), pixels(&["places_share=0.5"]));
    assert_eq!(
        (all, half),
        (4 * 64 * 64, 2 * 64 * 64),
        "four scenes of six are of the training split"
    );
}

#[test]
fn errors_have_codes_that_programs_can_switch_on() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path();
    let dataset = dataset(folder);
    let code = |path: &str, set: &[&str]| {
        let set: Vec<String> = set.iter().map(|&text| text.to_owned()).collect();
        TrainConfig::read(&folder.join(path), &set)
            .expect_err("no recipe")
            .code()
    };
    assert_eq!(code("nowhere.toml", &[]), "system_failed");
    assert_eq!(code("recipe.toml", &["schedule.crop_px=33"]), "recipe_invalid");
    assert_eq!(code("recipe.toml", &["schedule.crop=32"]), "toml_malformed");
    assert_eq!(
        dataset.entries_of("test").expect_err("no such split").code(),
        "dataset_invalid"
    );
    let shift = "water=-1.50".parse::<LogitShift>().expect("a shift");
    assert_eq!(shift.to_string(), "water=-1.5");
    let shift = "water".parse::<LogitShift>().expect_err("no number");
    assert_eq!(shift.code(), "misuse");

    let never = PathBuf::from("never");
    let tiny = SynthOptions {
        width_px: 8,
        ..SynthOptions::default()
    };
    let error = synthesize(&never, &tiny).expect_err("too small");
    assert!(matches!(error, SynthError::Size { .. }) && error.code() == "misuse");
    assert!(!never.exists());

    let run_folder = folder.join("run");
    let short = recipe(folder, &["schedule.epochs=1"]);
    let prepare = |config: &TrainConfig| Run::prepare(config.clone(), &dataset, &run_folder, &RunOptions::default());
    prepare(&short)
        .and_then(|run| run.train(&mut (), &AtomicBool::new(false)))
        .expect("trains");
    let again = prepare(&short).err().expect("there is a run");
    assert_eq!(again.code(), "checkpoint_unusable");
}
