//! What docs/train-your-own.md tells its readers to save and to run.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{folder, raremap};

/// A piece of the page that its reader saves or runs.
enum Step {
    File { name: String, text: String },
    Commands(String),
}

/// The steps in order: TOML that begins with a file's name, and what is indented as commands.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if let Some(name) = text.first().and_then(|first| first.strip_prefix("# "))
                && line == "```toml"
            {
                steps.push(Step::File {
                    name: name.to_owned(),
                    text: text.join("\n"),
                });
            }
        } else if line.starts_with("    ") {
            let mut text = vec![line];
            while let Some(line) = lines.next_if(|line| line.starts_with("    ")) {
                text.push(line);
            }
            steps.push(Step::Commands(text.join("\n")));
        }
    }
    steps
}

#[test]
fn the_tutorial_works_as_it_is_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/train-your-own.md")).expect("the page");
    let (_keep, folder) = folder();
    fs::copy(root.join("web/models/default.raremap"), folder.join("default.raremap")).expect("copies");
    // Found by its name, as after `cargo install`; one epoch is enough to see that the training works.
    let program = raremap(&folder, &[]).get_program().to_owned();
    let program = Path::new(&program).display();
    let prelude = format!(
        "raremap() {{ if [ \"$1\" = train ]; then '{program}' \"$@\" --set schedule.epochs=1; else '{program}' \"$@\"; fi; }}"
    );

    let mut commands = 0;
    for step in steps(&page) {
        match step {
            Step::File { name, text } => fs::write(folder.join(name), text).expect("writes"),
            Step::Commands(text) => {
                commands += text
                    .lines()
                    .filter(|line| line.trim_start().starts_with("raremap "))
                    .count();
                let output = Command::new("sh")
                    .args(["-ec", &format!("{prelude}\n{text}")])
                    .current_dir(&folder)
                    .output()
                    .expect("a shell");
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{text}\n{errors}");
            }
        }
    }
    assert_eq!(commands, 9, "a command was added or is not found any more");
    for made in [
        "splits.csv",
        "runs/my-land/report.html",
        "my-land.raremap",
        "report.html",
        "results/mask.tif",
    ] {
        assert!(folder.join(made).exists(), "{made}");
    }
}
