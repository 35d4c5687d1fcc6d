//! The page holds a table per group of rows, and the plots, between markers; what people wrote around them stays.

use std::path::Path;

use serde_json::Value;

use super::plot::{Dots, dots};
use super::runs::RunResult;
use super::{Row, Table};
use crate::error::{Context, Result, bail, ensure};
use raremap_io::write_whole;

const BEGIN: &str = "<!-- tables: begin -->";
const END: &str = "<!-- tables: end -->";

/// Mean and sample standard deviation over the seeds whose runs have the figure.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    mean: f64,
    deviation: Option<f64>,
}

impl Spread {
    fn of(values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self {
            mean,
            deviation: (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt()),
        })
    }

    /// In percent.
    fn percent(self) -> String {
        let mean = 100.0 * self.mean;
        match self.deviation {
            Some(deviation) => format!("{mean:.1} ± {:.1}", 100.0 * deviation),
            None => format!("{mean:.1}"),
        }
    }
}

/// A figure of one run, by its path in the evaluation.
type Figure<'a> = Box<dyn Fn(&RunResult) -> Option<f64> + 'a>;

/// Value of `key` for the class `name` in one of the evaluation's lists.
fn of_class(evaluation: &Value, list: &str, name: &str, key: &str) -> Option<f64> {
    let classes = evaluation[list].as_array()?;
    classes.iter().find(|class| class["name"] == name)?[key].as_f64()
}

/// Columns of the tables: heading and figure.
fn columns(rare: &[String]) -> Vec<(String, Figure<'_>)> {
    let mut columns: Vec<(String, Figure<'_>)> = vec![
        ("mean IoU".into(), Box::new(|run| run.evaluation["mean_iou"].as_f64())),
        (
            "rare recall".into(),
            Box::new(|run| {
                let recalls: Vec<f64> = rare
                    .iter()
                    .map(|name| of_class(&run.evaluation, "classes", name, "recall").unwrap_or(0.0))
                    .collect();
                Spread::of(&recalls).map(|spread| spread.mean)
            }),
        ),
    ];
    for name in rare {
        // A class that is never predicted has no precision, and an IoU and a recall of 0.
        for key in ["iou", "recall", "precision"] {
            let heading = format!("{name} {}", if key == "iou" { "IoU" } else { key });
            columns.push((
                heading,
                Box::new(move |run| of_class(&run.evaluation, "classes", name, key)),
            ));
        }
        for (head, key) in [("main", "main_average_precision"), ("auxiliary", "average_precision")] {
            let figure = move |run: &RunResult| of_class(&run.evaluation, "rare", name, key);
            columns.push((format!("{name} AP, {head} head"), Box::new(figure)));
        }
    }
    columns
}

/// Writes the page and its plots.
pub(super) fn write(table: &Table, runs: &[RunResult]) -> Result<()> {
    let Some(first) = runs.first() else {
        tracing::warn!("there are no results yet, so the page stays as it is");
        return Ok(());
    };
    let rare: Vec<String> = rare_classes(&first.evaluation);
    let columns = columns(&rare);
    let of_row = |row: &Row| runs.iter().filter(|run| run.row == row.name).collect::<Vec<_>>();

    let mut text = pixel_counts(&first.evaluation, &rare);
    let mut groups: Vec<&str> = table.rows.iter().map(|row| row.group.as_str()).collect();
    groups.dedup();
    for group in groups {
        text += &format!("\n### {group}\n\n| |");
        columns.iter().for_each(|(heading, _)| text += &format!(" {heading} |"));
        text += " parameters | s |\n|---|";
        text += &"---|".repeat(columns.len() + 2);
        text.push('\n');
        for row in table.rows.iter().filter(|row| row.group == group) {
            let runs = of_row(row);
            let Some(one) = runs.first() else { continue };
            text += &format!("| {} ({}) |", row.name, seeds(runs.len()));
            for (_, figure) in &columns {
                let values: Vec<f64> = runs.iter().filter_map(|run| figure(run)).collect();
                let mut cell = Spread::of(&values).map_or_else(|| "-".to_owned(), Spread::percent);
                if !values.is_empty() && values.len() < runs.len() {
                    cell += &format!(" ({} of {})", values.len(), runs.len());
                }
                text += &format!(" {cell} |");
            }
            let secs: Vec<f64> = runs.iter().map(|run| run.secs).collect();
            let secs = Spread::of(&secs).map_or(f64::NAN, |spread| spread.mean);
            text += &format!(" {} | {secs:.0} |\n", one.parameters);
        }
    }

    let folder = table.page.with_extension("");
    for (index, (heading, figure)) in columns.iter().enumerate() {
        // What decides gets a plot: the mean IoU, the rare recall, and each rare class's IoU and AP.
        let shown = index < 2 || heading.ends_with("IoU") || heading.ends_with("AP, main head");
        if !shown {
            continue;
        }
        let rows: Vec<Dots> = table
            .rows
            .iter()
            .map(|row| Dots {
                name: row.name.clone(),
                values: of_row(row).into_iter().filter_map(figure).collect(),
            })
            .filter(|dots| !dots.values.is_empty())
            .collect();
        if rows.is_empty() {
            continue;
        }
        let file = format!("{}.svg", heading.to_lowercase().replace([' ', ','], "-"));
        write_whole(&folder.join(&file), dots(heading, &rows)?.as_bytes())?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        text += &format!("\n![{heading} of every run, by row]({name}/{file})\n");
    }
    put(&table.page, &table.title, &text)
}

fn seeds(count: usize) -> String {
    format!("{count} seed{}", if count == 1 { "" } else { "s" })
}

fn rare_classes(evaluation: &Value) -> Vec<String> {
    let rare = evaluation["rare"].as_array();
    rare.into_iter()
        .flatten()
        .filter_map(|class| class["name"].as_str().map(str::to_owned))
        .collect()
}

fn pixel_counts(evaluation: &Value, rare: &[String]) -> String {
    let counts: Vec<String> = rare
        .iter()
        .map(|name| {
            let pixels = of_class(evaluation, "classes", name, "pixels").unwrap_or(0.0);
            format!("{name} {pixels:.0}")
        })
        .collect();
    let total = evaluation["pixels"].as_u64().unwrap_or(0);
    format!(
        "\n{total} pixels are scored, among them {}. Figures are percentages: mean ± standard deviation over seeds.\n",
        counts.join(", ")
    )
}

/// Puts `text` between the markers of the page, and makes the page if there is none.
fn put(path: &Path, title: &str, text: &str) -> Result<()> {
    let page = match std::fs::read_to_string(path) {
        Ok(page) => page,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => format!("# {title}\n\n{BEGIN}\n{END}\n"),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let begin = page.find(BEGIN).map(|at| at + BEGIN.len());
    let (Some(begin), Some(end)) = (begin, page.find(END)) else {
        bail!(
            Ablation,
            "{} lacks the lines {BEGIN} and {END} that enclose the tables",
            path.display()
        );
    };
    ensure!(Ablation, begin <= end, "{}: {END} comes before {BEGIN}", path.display());
    let page = format!("{}\n{text}\n{}", &page[..begin], &page[end..]);
    Ok(write_whole(path, page.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(row: &str, seed: u64, mean_iou: f64, recall: f64) -> RunResult {
        RunResult {
            row: row.into(),
            seed,
            sha256: String::new(),
            parameters: 10,
            steps: 5,
            secs: 2.0,
            evaluation: json!({
                "mean_iou": mean_iou, "pixels": 100,
                "classes": [{ "name": "water", "pixels": 7, "iou": 0.5, "recall": recall, "precision": null }],
                "rare": [{ "name": "water", "average_precision": null, "main_average_precision": 0.25 }],
            }),
        }
    }

    #[test]
    fn spread_is_mean_and_sample_deviation() {
        let spread = Spread::of(&[0.1, 0.2, 0.3]).expect("values");
        assert!((spread.mean - 0.2).abs() < 1e-12 && (spread.deviation.expect("three") - 0.1).abs() < 1e-12);
        assert_eq!(Spread::of(&[0.5]).expect("one").percent(), "50.0");
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn the_page_keeps_what_people_wrote_around_the_tables() {
        let folder = tempfile::tempdir().expect("a folder");
        let row = |name: &str| Row {
            name: name.into(),
            group: "losses".into(),
            recipe: None,
            set: Default::default(),
        };
        let table = Table {
            title: "t".into(),
            recipe: "r".into(),
            seeds: vec![1, 2],
            results: folder.path().join("results.json"),
            page: folder.path().join("page.md"),
            rows: vec![row("plain"), row("other")],
        };
        std::fs::write(&table.page, format!("before\n{BEGIN}\nold\n{END}\nafter\n")).expect("writes");
        let runs = [run("plain", 1, 0.1, 0.4), run("plain", 2, 0.3, 0.6)];
        write(&table, &runs).expect("writes");
        let page = std::fs::read_to_string(&table.page).expect("reads");
        assert!(
            page.starts_with("before\n") && page.ends_with("after\n") && !page.contains("old"),
            "{page}"
        );
        assert!(
            page.contains("| plain (2 seeds) | 20.0 ± 14.1 | 50.0 ± 14.1 | 50.0 ± 0.0 |"),
            "{page}"
        );
        assert!(page.contains("water 7"), "{page}");
        assert!(folder.path().join("page/mean-iou.svg").is_file());
        // precision and the auxiliary head's AP are figures that no run has: they get a dash, not a zero
        assert!(page.contains(" - | 25.0 ± 0.0 | - |"), "{page}");
    }
}
