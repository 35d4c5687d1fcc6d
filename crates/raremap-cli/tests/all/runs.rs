//! Runs that end early, in every way they can, and many runs in a table.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::support::{RECIPE, fail, folder, raremap, succeed, write_tiff};
use raremap_tiff::OutputSamples;
use serde_json::Value;

/// Loss of each epoch, as logged.
fn losses(run: &Path) -> Vec<f64> {
    let log = fs::read_to_string(run.join("log.jsonl")).expect("a log");
    let events = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    events
        .filter(|event| event["event"] == "epoch")
        .map(|event| event["loss"].as_f64().expect("a loss"))
        .collect()
}

#[test]
fn an_interrupted_run_goes_on_as_if_it_had_not_been() {
    let (_keep, folder) = folder();
    // Long enough that the signal arrives before the end, on a busy machine too.
    fs::write(folder.join("recipe.toml"), RECIPE.replace("epochs = 6", "epochs = 24")).expect("writes");
    succeed(&folder, &["train", "recipe.toml", "--out", "whole"]);
    let whole = losses(&folder.join("whole"));
    assert_eq!(whole.len(), 24);

    // Ctrl-C after the first epoch
    let mut child = raremap(&folder, &["train", "recipe.toml", "--out", "parts"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.contains("\"epoch\""))
        .expect("an epoch ends");
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill");
    assert!(interrupt.success());
    let stopped = lines.map_while(Result::ok).any(|line| line.contains("\"stopped\""));
    assert!(
        child.wait().expect("ends").success() && stopped,
        "it saves a checkpoint and says so"
    );

    let refused = fail(&folder, &["train", "recipe.toml", "--out", "parts"]);
    assert!(refused.contains("--resume"), "{refused}");
    succeed(&folder, &["train", "recipe.toml", "--out", "parts", "--resume"]);
    assert_eq!(losses(&folder.join("parts")), whole);
}

#[test]
fn an_interrupted_prediction_leaves_no_part_of_a_file() {
    let (_keep, folder) = folder();
    let recipe = RECIPE
        .replace("epochs = 6", "epochs = 1")
        .replace("every_epochs = 3", "every_epochs = 1");
    fs::write(folder.join("recipe.toml"), recipe).expect("writes");
    succeed(&folder, &["train", "recipe.toml", "--out", "run"]);
    succeed(&folder, &["export", "run", "--out", "shores.raremap"]);
    // More tiles than any machine runs before the signal arrives.
    let green = vec![800.0f32; 4096 * 4096];
    let bands = OutputSamples::F32 {
        bands: vec![&green, &green],
    };
    write_tiff(&folder.join("large.tif"), [4096; 2], bands, None);
    let arguments = [
        "predict",
        "shores.raremap",
        "large.tif",
        "--tile",
        "32",
        "--bands",
        "green=1,nir=2",
        "--out",
        "out",
        "--json",
    ];
    let mut child = raremap(&folder, &arguments)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped"))
        .lines()
        .map_while(Result::ok);
    lines
        .by_ref()
        .find(|line| line.contains("\"tile\""))
        .expect("a tile ends");
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill");
    assert!(interrupt.success());
    let last = lines.last().expect("an error");
    assert_eq!(child.wait().expect("ends").code(), Some(130), "{last}");
    let last: Value = serde_json::from_str(&last).expect("JSON");
    assert_eq!(last["error"]["code"], "interrupted");
    assert_eq!(fs::read_dir(folder.join("out")).expect("a folder").count(), 0);
}

/// Everything that a run draws, remembers or is guided by at once: dropout, two workers, saliency maps, two passes a step, a rate that
/// follows a metric.
const RESTLESS: [&str; 9] = [
    "schedule.workers=2",
    "schedule.epochs=10",
    "schedule.evaluate_every_epochs=2",
    "schedule.checkpoint_every_steps=1",
    "sampling={ kind = 'mixed', share = 0.5, label_share = 0.25, first_refresh_step = 3, refresh_every_steps = 5 }",
    "optimizer.sharpness={ kind = 'casm_rare_density' }",
    "learning_rate={ decay = { kind = 'reduce_on_plateau', metric = 'mean_iou', patience = 0 } }",
    "augment.targeted_cutmix.probability=0.5",
    "watch.log_every_steps=1",
];

/// Loss and rate of every step; of one that was done again after a crash, the last.
fn steps(run: &Path) -> BTreeMap<u64, (Value, Value)> {
    let log = fs::read_to_string(run.join("log.jsonl")).expect("a log");
    // A line that was torn by a kill is no event.
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_steps = events.filter(|event| event["event"] == "step");
    of_steps
        .filter_map(|event| {
            Some((
                event["step"].as_u64()?,
                (event["loss"].clone(), event["learning_rate"].clone()),
            ))
        })
        .collect()
}

#[test]
fn a_run_that_is_killed_at_any_moment_goes_on_bit_for_bit() {
    let (_keep, folder) = folder();
    let arguments = |out: &'static str| {
        let set = RESTLESS.iter().flat_map(|set| ["--set", set]);
        ["train", "recipe.toml", "--resume", "--out", out]
            .into_iter()
            .chain(set)
            .collect::<Vec<_>>()
    };
    let start = Instant::now();
    succeed(&folder, &arguments("whole"));
    let whole_takes = start.elapsed();
    let whole = steps(&folder.join("whole"));
    assert_eq!(whole.len(), 20);

    // Delays in parts of the whole run's time, so that a slow machine kills as often as a fast one, and the clock as dice, so that it is
    // never at the same place of a step.
    let mut kills = 0;
    for tenths in 1..=6u32 {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |now| now.subsec_nanos());
        let mut child = raremap(&folder, &arguments("parts"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        std::thread::sleep(whole_takes.mul_f64(f64::from(tenths) / 10.0 + f64::from(nanos % 1000) / 1e4));
        if child.try_wait().expect("a child").is_none() {
            child.kill().expect("SIGKILL");
            kills += 1;
        }
        child.wait().expect("ends");
    }
    assert!(kills >= 2, "only {kills} kills before the end");
    succeed(&folder, &arguments("parts"));
    assert!(folder.join("parts/evaluation.json").is_file(), "it comes to its end");
    assert_eq!(steps(&folder.join("parts")), whole, "after {kills} kills");
}

/// Serves the files of a folder, and parts of them, for as long as the test runs. Returns its address.
fn serve(folder: &Path) -> String {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", server.local_addr().expect("an address"));
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let lines: Vec<String> = BufReader::new(&stream)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let Some(path) = lines.first().and_then(|line| line.split(' ').nth(1)) else {
                continue;
            };
            let Ok(file) = fs::read(folder.join(path.trim_start_matches('/'))) else {
                let absent = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                stream.write_all(absent).ok();
                continue;
            };
            let mut ranges = lines
                .iter()
                .filter_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
            let range = ranges.next_back().expect("a range");
            let (start, end) = range.split_once('-').expect("two ends");
            let start: usize = start.parse().expect("a number");
            let end = file.len().min(end.parse::<usize>().expect("a number") + 1);
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                end - 1,
                file.len(),
                end - start
            );
            stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&file[start..end]))
                .ok();
        }
    });
    address
}

#[test]
fn where_images_and_samples_are_changes_no_step() {
    let (_keep, folder) = folder();
    let train = |out: &'static str, memory: &'static str| {
        let set = RESTLESS.iter().flat_map(|set| ["--set", set]);
        let arguments = ["train", "recipe.toml", "--out", out, "--sample-memory-mib", memory];
        succeed(&folder, &arguments.into_iter().chain(set).collect::<Vec<_>>());
        steps(&folder.join(out))
    };
    let in_memory = train("memory", "8192");
    assert_eq!(in_memory.len(), 20);
    assert_eq!(train("file", "0"), in_memory);
    let address = serve(&folder.join("data"));
    let local = fs::read_to_string(folder.join("dataset.toml")).expect("reads");
    let remote = local
        .replace("images = \"images\"", &format!("images = \"{address}/images\""))
        .replace("masks = \"masks\"", &format!("masks = \"{address}/masks\""));
    fs::write(folder.join("dataset.toml"), remote).expect("writes");
    for kind in ["images", "masks"] {
        fs::rename(
            folder.join("data").join(kind),
            folder.join("data").join(format!("{kind}.away")),
        )
        .expect("renames");
    }
    let error = fail(&folder, &["stats", "dataset.toml"]);
    assert!(
        error.contains("images/"),
        "the error names the file on the server: {error}"
    );
    for kind in ["images", "masks"] {
        fs::rename(
            folder.join("data").join(format!("{kind}.away")),
            folder.join("data").join(kind),
        )
        .expect("renames");
    }
    assert_eq!(train("server", "0"), in_memory);
}

#[test]
fn replicas_share_the_steps_and_resume_bit_for_bit() {
    let (_keep, folder) = folder();
    // Dropout and stochastic depth draw from one generator for all threads; sharpness makes two passes; batches accumulate.
    let sharp = RECIPE
        .replace("epochs = 6", "epochs = 4\ncheckpoint_every_steps = 1")
        .replace("batch_size = 2", "batch_size = 4")
        .replace(
            "clip_norm = 1.0",
            "clip_norm = 1.0\naccumulate_steps = 2\nsharpness = { kind = 'sam' }",
        );
    fs::write(folder.join("recipe.toml"), sharp).expect("writes");
    let train =
        |out: &'static str, devices: &'static str| vec!["train", "recipe.toml", "--out", out, "--devices", devices];
    succeed(&folder, &train("whole", "0,0"));
    succeed(&folder, &train("again", "0,0"));
    let whole = losses(&folder.join("whole"));
    assert_eq!(whole.len(), 4);
    assert_eq!(
        losses(&folder.join("again")),
        whole,
        "no matter which replica is done first"
    );
    let log = fs::read_to_string(folder.join("whole/log.jsonl")).expect("a log");
    assert!(log.contains("2 x cpu"), "{log}");

    let mut child = raremap(&folder, &train("parts", "0,0"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    lines
        .map_while(Result::ok)
        .find(|line| line.contains("\"epoch\""))
        .expect("an epoch ends");
    child.kill().expect("kill -9");
    child.wait().expect("ends");
    let mut resume = train("parts", "0,0");
    resume.push("--resume");
    succeed(&folder, &resume);
    assert_eq!(losses(&folder.join("parts")).last(), whole.last());

    let uneven = fail(&folder, &train("uneven", "0,0,0"));
    assert!(
        uneven.contains("a batch holds 4 crops") && uneven.contains("3 devices"),
        "{uneven}"
    );
}

#[test]
fn half_precision_trains_like_single() {
    let (_keep, folder) = folder();
    let train = |name: &str, settings: &[&str]| {
        // Without dropout: masks are drawn in the precision of what they mask.
        let mut arguments = vec!["train", "recipe.toml", "--out", name];
        for setting in ["schedule.epochs=2", "model.dropout=0", "model.drop_path=0"]
            .iter()
            .chain(settings)
        {
            arguments.extend(["--set", *setting]);
        }
        succeed(&folder, &arguments);
        losses(&folder.join(name))
    };
    let single = train("f32", &[]);
    let recipe = fs::read_to_string(folder.join("f32/recipe.toml")).expect("a recipe");
    assert!(!recipe.contains("[precision]"), "the checkpoints of older runs fit");
    for compute in ["bf16", "f16"] {
        let setting = format!("precision.compute={compute}");
        let half = train(compute, &[&setting]);
        for (half, single) in half.iter().zip(&single) {
            assert!((half / single - 1.0).abs() < 0.03, "{compute}: {half} for {single}");
        }
        assert_ne!(half, single);
    }
}

#[test]
fn a_checkpoint_of_another_recipe_is_refused() {
    let (_keep, folder) = folder();
    let train = |seed: &'static str| {
        [
            "train",
            "recipe.toml",
            "--out",
            "run",
            "--resume",
            "--set",
            "schedule.epochs=1",
            "--set",
            seed,
        ]
    };
    succeed(&folder, &train("seed=1"));
    let error = fail(&folder, &train("seed=2"));
    assert!(error.contains("does not fit"), "{error}");
}

#[test]
fn a_table_of_rows_is_trained_once_and_compared() {
    let (_keep, folder) = folder();
    let table = r#"
        title = "Shores"
        recipe = "recipe.toml"
        seeds = [1, 2]
        results = "results.json"
        page = "page.md"
        [[rows]]
        name = "plain"
        group = "losses"
        set = { "schedule.epochs" = 1 }
        [[rows]]
        name = "one head"
        group = "heads"
        set = { "schedule.epochs" = 1, "model.auxiliary_head" = false, "loss.main" = [{ kind = "dice" }] }
    "#;
    fs::write(folder.join("table.toml"), table).expect("writes");
    let ablate = ["ablate", "table.toml", "--out", "rows", "--jobs", "2"];
    succeed(&folder, &ablate);
    let results: Value = serde_json::from_slice(&fs::read(folder.join("results.json")).expect("reads")).expect("JSON");
    let runs = results["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 4);
    for (run, row) in runs.iter().zip(["plain", "plain", "one head", "one head"]) {
        assert_eq!(run["row"], row);
        assert!(run["evaluation"]["mean_iou"].is_number() && run["steps"] == 2, "{run}");
        assert!(
            run["evaluation"]["rare"][0]["main_average_precision"].is_number(),
            "{run}"
        );
    }
    let page = fs::read_to_string(folder.join("page.md")).expect("a page");
    assert!(
        page.contains("| plain (2 seeds) |") && page.contains("### heads"),
        "{page}"
    );
    assert!(
        page.contains("water IoU") && page.contains("water AP, auxiliary head"),
        "{page}"
    );
    // Nothing is trained again, and a row with a typo stops all before the first is trained.
    fs::remove_dir_all(folder.join("rows")).expect("removes");
    succeed(&folder, &ablate);
    assert!(!folder.join("rows").exists());
    fs::write(folder.join("table.toml"), table.replace("\"dice\"", "\"dise\"")).expect("writes");
    let error = fail(&folder, &ablate);
    assert!(error.contains("one head") && error.contains("dise"), "{error}");
}

#[test]
fn a_key_can_be_set_on_the_command_line() {
    let (_keep, folder) = folder();
    fs::write(folder.join("recipe.toml"), RECIPE.replace("epochs = 6", "epochs = 1")).expect("writes");
    succeed(
        &folder,
        &["train", "recipe.toml", "--out", "run", "--set", "schedule.batch_size=4"],
    );
    let resolved = fs::read_to_string(folder.join("run/recipe.toml")).expect("reads");
    assert!(resolved.contains("batch_size = 4"), "{resolved}");
    let error = fail(
        &folder,
        &[
            "train",
            "recipe.toml",
            "--out",
            "other",
            "--set",
            "schedule.batch_sise=4",
        ],
    );
    assert!(error.contains("batch_sise"), "{error}");
    assert!(
        !folder.join("other").exists(),
        "nothing is written before all is checked"
    );
}
