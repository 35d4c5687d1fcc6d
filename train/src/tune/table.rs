//! The search's result: a recipe, and a table of the trials for people and for programs.

use std::path::Path;

use maud::{DOCTYPE, PreEscaped, html};
use serde_json::json;
use toml::Table;

use super::search::{Search, Trial};
use crate::error::Result;
use raremap_io::write_whole;

/// The recipe with the winning values, in the search's folder.
pub const BEST: &str = "best.toml";

const STYLE: &str = "
:root { color-scheme: light dark }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 80rem }
div { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .25rem .7rem; border-bottom: 1px solid #8884; text-align: right; font-weight: 400; white-space: nowrap }
thead th { font-weight: 600 } .best { font-weight: 700; background: #2b8a3e22 } .refused { opacity: .6 }
";

/// Writes `trials.json`, `trials.html` and, as soon as there is one, `best.toml`.
///
/// # Errors
/// If a file cannot be written.
pub fn write(out: &Path, name: &str, search: &Search) -> Result<()> {
    let trials = search.trials();
    let best = search.best();
    let rows: Vec<_> = trials
        .iter()
        .map(|trial| json!({ "trial": trial.trial, "verdict": search.verdict(trial), "values": trial.values, "rungs": trial.rungs }))
        .collect();
    let table = json!({
        "name": name, "objective": search.config().objective, "margin": search.config().margin,
        "best": best.map(|trial| trial.trial), "trials": rows,
    });
    write_whole(&out.join("trials.json"), &serde_json::to_vec_pretty(&table)?)?;
    write_whole(&out.join("trials.html"), page(name, search).as_bytes())?;
    if let Some(best) = best {
        let recipe = search.recipe_with(&best.values)?;
        write_whole(&out.join(BEST), recipe_text(search, best, &recipe)?.as_bytes())?;
    }
    Ok(())
}

/// Describes a trial in one line.
pub fn line(search: &Search, trial: &Trial) -> String {
    let values: Vec<String> = trial
        .values
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    let last = trial.rungs.last();
    let result = match last.and_then(|rung| rung.figures) {
        Some(figures) => {
            format!(
                "{} {:.4}, mean IoU {:.4}",
                search.config().objective,
                figures.objective,
                figures.mean_iou
            )
        }
        None => last
            .and_then(|rung| rung.failure.clone())
            .unwrap_or_else(|| "no result".to_owned()),
    };
    format!(
        "trial {} ({}): {result}; {}",
        trial.trial,
        search.verdict(trial),
        values.join(", ")
    )
}

fn recipe_text(search: &Search, best: &Trial, recipe: &Table) -> Result<String> {
    let figures = |trial: Option<&Trial>| trial.and_then(|trial| trial.rungs.last()).and_then(|rung| rung.figures);
    let objective = &search.config().objective;
    let mut text = format!(
        "# `raremap tune` found this: trial {} of {} has the highest {objective} with a mean IoU at most {} below the recipe's own.\n",
        best.trial,
        search.trials().len(),
        search.config().margin
    );
    if let (Some(found), Some(baseline)) = (figures(Some(best)), figures(search.trials().first())) {
        text += &format!(
            "# On validation: {objective} {:.4} (recipe: {:.4}), mean IoU {:.4} (recipe: {:.4}). The trial was chosen on that split, so these figures are optimistic.\n",
            found.objective, baseline.objective, found.mean_iou, baseline.mean_iou
        );
    }
    if best.trial == 0 {
        text += "# No trial was better than the recipe as it was.\n";
    }
    for (key, value) in &best.values {
        text += &format!("# {key} = {value}\n");
    }
    Ok(text + "\n" + &toml::to_string(recipe)?)
}

fn page(name: &str, search: &Search) -> String {
    let trials = search.trials();
    let objective = &search.config().objective;
    let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let class = |trial: &Trial| match search.verdict(trial) {
        "best" => "best",
        "failed" | "mean IoU too low" => "refused",
        _ => "",
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Trials of " (name) " - raremap" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Trials of " (name) }
                p {
                    (trials.len()) " of " (search.config().trials) " trials, in search of the highest " (objective)
                    " with a mean IoU at most " (search.config().margin) " below that of trial 0, the recipe as it is."
                }
                div { table {
                    thead { tr {
                        th { "trial" } th { "verdict" } th { (objective) } th { "mean IoU" } th { "epochs" }
                        @for key in search.config().space.keys() { th { (key) } }
                    } }
                    tbody { @for trial in trials {
                        @let last = trial.rungs.last();
                        @let figures = last.and_then(|rung| rung.figures);
                        tr class=(class(trial)) {
                            td { (trial.trial) }
                            td title=[last.and_then(|rung| rung.failure.as_ref())] { (search.verdict(trial)) }
                            td { (cell(figures.map(|figures| figures.objective))) }
                            td { (cell(figures.map(|figures| figures.mean_iou))) }
                            td { @if let Some(last) = last { (last.epochs) } }
                            @for key in search.config().space.keys() {
                                td { @if let Some(value) = trial.values.get(key) { (value.to_string()) } }
                            }
                        }
                    } }
                } }
            }
        }
    };
    page.into_string()
}
