//! The search decides which trial runs for how long, which results are allowed, and which is the best.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::sampler::Sampler;
use super::space::{SearchConfig, Values, get};
use crate::error::{Result, bail, failure};
use crate::overrides::put;

/// Runs recipes.
pub trait Runner {
    /// Values of a trial that was begun before, so that it continues with them.
    ///
    /// # Errors
    /// If they cannot be read.
    fn begun(&mut self, trial: usize) -> Result<Option<Values>>;

    /// Trains `recipe` for `epochs`, as `trial`; `values` are what the trial changes in the recipe.
    ///
    /// # Errors
    /// If nothing can be run at all.
    fn run(&mut self, trial: usize, values: &Values, recipe: &Table, epochs: usize) -> Result<Outcome>;
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It reached its end.
    Figures(Figures),
    /// It failed, for example because the loss was not finite.
    Failed(String),
    /// A person stopped it.
    Interrupted,
}

/// Figures of the weights that a run saves as its best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The figure to maximize.
    pub objective: f64,
    /// The mean IoU, which must not fall.
    pub mean_iou: f64,
}

/// A run of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Its length.
    pub epochs: usize,
    /// Its figures, if it did not fail.
    pub figures: Option<Figures>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// A finished trial, a line of `trials.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Number from 0, which is the recipe as it is.
    pub trial: usize,
    /// What it changes in the recipe.
    pub values: Values,
    /// Its runs, shortest first.
    pub rungs: Vec<Rung>,
}

/// Whether the whole search came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All trials are done.
    Complete,
    /// A person stopped it.
    Interrupted,
}

/// Scores below any recall: for a failed run, and for one below the floor, where a larger shortfall scores lower.
const FAILED: f64 = -3.0;
const BELOW_FLOOR: f64 = -1.0;
/// After this many failures in succession, something other than the values must be wrong.
const FAILURES: usize = 3;

/// A search with its results so far.
pub struct Search {
    config: SearchConfig,
    recipe: Table,
    rungs: Vec<usize>,
    sampler: Sampler,
    trials: Vec<Trial>,
}

impl Search {
    /// Starts a search around `recipe` of `epochs`, after the `trials` that are done.
    ///
    /// # Errors
    /// If a range of the space is empty.
    pub fn new(config: SearchConfig, recipe: Table, epochs: usize, trials: Vec<Trial>) -> Result<Self> {
        let mut search = Self {
            sampler: Sampler::new(&config)?,
            rungs: config.rungs(epochs),
            config,
            recipe,
            trials: Vec::new(),
        };
        for trial in trials {
            search.add(trial)?;
        }
        Ok(search)
    }

    /// Finished trials.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The search's settings.
    pub fn config(&self) -> &SearchConfig {
        &self.config
    }

    /// Runs trials until there are as many as the search wants; `done` is called with each.
    ///
    /// # Errors
    /// If the baseline or three trials in succession fail, and if `runner` or `done` do.
    pub fn run(&mut self, runner: &mut dyn Runner, mut done: impl FnMut(&Self, &Trial) -> Result<()>) -> Result<End> {
        while self.trials.len() < self.config.trials {
            let index = self.trials.len();
            let values = match (index, runner.begun(index)?) {
                (0, _) => self.baseline_values(),
                (_, Some(values)) => values,
                (_, None) => self.sampler.propose(index)?,
            };
            let Some(trial) = self.try_out(runner, index, values)? else {
                return Ok(End::Interrupted);
            };
            let failure = trial.rungs.last().and_then(|rung| rung.failure.clone());
            if let (0, Some(failure)) = (index, &failure) {
                bail!(Run, "the recipe itself fails: {failure}");
            }
            self.add(trial.clone())?;
            done(self, &trial)?;
            let failed = |trial: &Trial| trial.rungs.iter().any(|rung| rung.failure.is_some());
            if let (Some(failure), Some(last)) = (failure, self.trials.last_chunk::<FAILURES>())
                && last.iter().all(failed)
            {
                bail!(Run, "{FAILURES} trials in succession have failed; the last: {failure}");
            }
        }
        Ok(End::Complete)
    }

    fn baseline_values(&self) -> Values {
        let of_recipe = |key: &String| Some((key.clone(), get(&self.recipe, key)?.clone()));
        self.config.space.keys().filter_map(of_recipe).collect()
    }

    /// The recipe with a trial's values.
    ///
    /// # Errors
    /// If a key's section is a value.
    pub fn recipe_with(&self, values: &Values) -> Result<Table> {
        let mut recipe = self.recipe.clone();
        for (key, value) in values {
            put(&mut recipe, key, value.clone())?;
        }
        Ok(recipe)
    }

    /// Runs a trial for as long as it is worth; `None` if a person stopped it.
    fn try_out(&self, runner: &mut dyn Runner, index: usize, values: Values) -> Result<Option<Trial>> {
        let mut recipe = self.recipe_with(&values)?;
        let mut trial = Trial {
            trial: index,
            values,
            rungs: Vec::new(),
        };
        for (level, &epochs) in self.rungs.iter().enumerate() {
            if self.rungs.len() > 1 {
                let epochs = i64::try_from(epochs).map_err(|_| failure!(Search, "{epochs} epochs are too many"))?;
                put(&mut recipe, "schedule.epochs", epochs.into())?;
            }
            let (figures, failure) = match runner.run(index, &trial.values, &recipe, epochs)? {
                Outcome::Interrupted => return Ok(None),
                Outcome::Figures(figures) => (Some(figures), None),
                Outcome::Failed(failure) => (None, Some(failure)),
            };
            trial.rungs.push(Rung {
                epochs,
                figures,
                failure,
            });
            if index > 0 && !self.goes_on(&trial, level) {
                break;
            }
            if figures.is_none() {
                break;
            }
        }
        Ok(Some(trial))
    }

    /// Whether a trial is worth a longer run: it is if it is allowed, and the best of its length so far, or among the best while not too
    /// many have continued. Proposals get better with time, so nearly every one would otherwise be among the best when it comes.
    fn goes_on(&self, trial: &Trial, level: usize) -> bool {
        let score = self.score(trial, level).unwrap_or(FAILED);
        let others: Vec<f64> = self
            .trials
            .iter()
            .filter_map(|other| self.score(other, level))
            .collect();
        let better = others.iter().filter(|&&other| other >= score).count();
        let gone_on = self.trials.iter().filter(|other| other.rungs.len() > level + 1).count();
        let factor = self.config.halving.as_ref().map_or(1, |halving| halving.factor);
        let places = (others.len() + 1).div_ceil(factor);
        score >= 0.0 && (better == 0 || better < places && gone_on < places)
    }

    /// The objective if mean IoU is high enough, a number below 0 if it is not; `None` for a length that was not run.
    fn score(&self, trial: &Trial, level: usize) -> Option<f64> {
        let rung = trial.rungs.get(level)?;
        let Some(figures) = rung.figures else {
            return Some(FAILED);
        };
        let shortfall = self.floor(level).map_or(0.0, |floor| floor - figures.mean_iou);
        // The recipe as it is, is always allowed, and so is whatever comes before its result is known.
        let allowed = trial.trial == 0 || shortfall <= 0.0;
        Some(if allowed {
            figures.objective
        } else {
            BELOW_FLOOR - shortfall.min(1.0)
        })
    }

    /// Lowest allowed mean IoU of runs of a length: that of the baseline at the same length, less the margin.
    pub fn floor(&self, level: usize) -> Option<f64> {
        let baseline = self.trials.first()?.rungs.get(level)?.figures?;
        Some(baseline.mean_iou - self.config.margin)
    }

    fn add(&mut self, trial: Trial) -> Result<()> {
        self.trials.push(trial);
        // Once the baseline's floor is known, the newest trial can be judged.
        if let Some(trial) = self.trials.last() {
            let level = trial.rungs.len().saturating_sub(1);
            let score = self.score(trial, level).unwrap_or(FAILED);
            // Estimators only see the order of costs: any longer run is better than all shorter ones, because those that continued were the
            // best among them.
            self.sampler.tell(&trial.values, -(score + 10.0 * level as f64))?;
        }
        Ok(())
    }

    /// The allowed trial of full length with the highest objective; the baseline, if none is higher.
    pub fn best(&self) -> Option<&Trial> {
        let level = self.rungs.len() - 1;
        let scored = self
            .trials
            .iter()
            .filter_map(|trial| Some((trial, self.score(trial, level)?)));
        let first_highest = |best: (_, f64), next: (_, f64)| if next.1 > best.1 { next } else { best };
        scored
            .filter(|(_, score)| *score >= 0.0)
            .reduce(first_highest)
            .map(|(trial, _)| trial)
    }

    /// The result in a word, for the table.
    pub fn verdict(&self, trial: &Trial) -> &'static str {
        let level = trial.rungs.len().saturating_sub(1);
        let is_best = self.best().is_some_and(|best| best.trial == trial.trial);
        match self.score(trial, level) {
            _ if is_best => "best",
            _ if trial.rungs.iter().any(|rung| rung.failure.is_some()) => "failed",
            Some(score) if score < 0.0 => "mean IoU too low",
            _ if trial.trial == 0 => "baseline",
            _ if level + 1 < self.rungs.len() => "stopped early",
            _ => "allowed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recall is highest at x = 2, y = "b"; mean IoU falls with x, so that the margin decides.
    struct Paraboloid {
        runs: Vec<(usize, f64, usize)>,
        interrupt_at: Option<usize>,
    }

    impl Runner for Paraboloid {
        fn begun(&mut self, _: usize) -> Result<Option<Values>> {
            Ok(None)
        }

        fn run(&mut self, trial: usize, _: &Values, recipe: &Table, epochs: usize) -> Result<Outcome> {
            if self.interrupt_at == Some(trial) {
                return Ok(Outcome::Interrupted);
            }
            let x = get(recipe, "a.x").and_then(toml::Value::as_float).expect("x");
            let y = get(recipe, "a.y").and_then(toml::Value::as_str).expect("y");
            self.runs.push((trial, x, epochs));
            if x > 4.5 {
                return Ok(Outcome::Failed("the loss became NaN".into()));
            }
            let objective = 0.9 - 0.1 * (x - 2.0).powi(2) - if y == "b" { 0.0 } else { 0.3 };
            let mean_iou = 0.6 - 0.05 * x;
            Ok(Outcome::Figures(Figures {
                objective: objective.max(0.0),
                mean_iou,
            }))
        }
    }

    fn search(trials: usize, margin: f64, extra: &str, done: Vec<Trial>) -> Search {
        let config = format!(
            "trials = {trials}\nmargin = {margin}\nseed = 4\n{extra}\n[space]\n\"a.x\" = {{ uniform = [0.0, 5.0] }}\n\
             \"a.y\" = {{ choice = ['a', 'b'] }}\n"
        );
        let recipe = toml::from_str("[a]\nx = 0.5\ny = 'a'\n").expect("TOML");
        Search::new(toml::from_str(&config).expect("a search"), recipe, 27, done).expect("valid")
    }

    fn runner() -> Paraboloid {
        Paraboloid {
            runs: Vec::new(),
            interrupt_at: None,
        }
    }

    #[test]
    fn the_search_finds_the_optimum_and_begins_with_the_recipe() {
        let mut search = search(40, 0.5, "", Vec::new());
        let mut runner = runner();
        assert_eq!(search.run(&mut runner, |_, _| Ok(())).expect("runs"), End::Complete);
        assert_eq!(runner.runs[0], (0, 0.5, 27));
        assert_eq!(search.trials().len(), 40);
        let best = search.best().expect("a best");
        let objective = best.rungs[0].figures.expect("figures").objective;
        assert!(objective > 0.89, "{best:?}");
        assert_eq!(best.values["a.y"], "b".into());
        // The search has learned: the later half is nearer to the optimum than the random start.
        let distance = |runs: &[(usize, f64, usize)]| {
            runs.iter().map(|(_, x, _)| (x - 2.0).abs()).sum::<f64>() / runs.len() as f64
        };
        assert!(
            distance(&runner.runs[20..]) < 0.7 * distance(&runner.runs[1..7]),
            "{:?}",
            runner.runs
        );
    }

    #[test]
    fn a_higher_recall_is_not_bought_with_mean_iou() {
        // The floor allows x up to 0.5 + 0.02 / 0.05 = 0.9.
        let mut search = search(30, 0.02, "", Vec::new());
        search.run(&mut runner(), |_, _| Ok(())).expect("runs");
        let best = search.best().expect("a best");
        let x = best.values["a.x"].as_float().expect("x");
        assert!(
            x <= 0.9 && best.rungs[0].figures.expect("figures").mean_iou >= 0.555 - 1e-9,
            "{best:?}"
        );
        let recall = |trial: &Trial| trial.rungs[0].figures.map_or(0.0, |figures| figures.objective);
        assert!(
            search.trials().iter().any(|trial| recall(trial) > recall(best)),
            "some were refused"
        );
        assert!(
            search
                .trials()
                .iter()
                .any(|trial| search.verdict(trial) == "mean IoU too low")
        );
    }

    #[test]
    fn an_interrupted_search_goes_on_with_the_same_proposals() {
        let mut whole = search(12, 0.5, "", Vec::new());
        whole.run(&mut runner(), |_, _| Ok(())).expect("runs");
        let mut first = search(12, 0.5, "", Vec::new());
        let mut stopped = runner();
        stopped.interrupt_at = Some(9);
        let mut logged = Vec::new();
        let end = first.run(&mut stopped, |_, trial| {
            logged.push(trial.clone());
            Ok(())
        });
        assert_eq!((end.expect("runs"), logged.len()), (End::Interrupted, 9));
        let mut second = search(12, 0.5, "", logged);
        second.run(&mut runner(), |_, _| Ok(())).expect("runs");
        assert_eq!(second.trials(), whole.trials());
    }

    #[test]
    fn halving_runs_few_for_long_and_compares_equal_lengths() {
        let mut search = search(27, 0.5, "halving = { min_epochs = 3 }", Vec::new());
        let mut runner = runner();
        search.run(&mut runner, |_, _| Ok(())).expect("runs");
        let count = |epochs: usize| runner.runs.iter().filter(|run| run.2 == epochs).count();
        assert_eq!(count(3), 27);
        assert!(
            (9..=14).contains(&count(9)) && (3..=8).contains(&count(27)),
            "{} {}",
            count(9),
            count(27)
        );
        assert_eq!(
            runner.runs[..3].iter().map(|run| run.2).collect::<Vec<_>>(),
            [3, 9, 27],
            "the baseline runs in full"
        );
        let best = search.best().expect("a best");
        assert_eq!(best.rungs.len(), 3);
        assert!(best.rungs[2].figures.expect("figures").objective > 0.6);
    }

    #[test]
    fn a_recipe_that_fails_and_trials_that_all_fail_end_the_search() {
        struct Broken(usize);
        impl Runner for Broken {
            fn begun(&mut self, _: usize) -> Result<Option<Values>> {
                Ok(None)
            }
            fn run(&mut self, trial: usize, _: &Values, _: &Table, _: usize) -> Result<Outcome> {
                let figures = Figures {
                    objective: 0.5,
                    mean_iou: 0.5,
                };
                Ok(if trial < self.0 {
                    Outcome::Figures(figures)
                } else {
                    Outcome::Failed("no disk".into())
                })
            }
        }
        let error = search(9, 0.5, "", Vec::new())
            .run(&mut Broken(0), |_, _| Ok(()))
            .expect_err("fails");
        assert!(error.to_string().contains("no disk"), "{error}");
        let mut broken = search(9, 0.5, "", Vec::new());
        let error = broken.run(&mut Broken(1), |_, _| Ok(())).expect_err("fails");
        assert!(
            error.to_string().contains("3 trials") && broken.trials().len() == 4,
            "{error}"
        );
    }
}
