//! Proposals by tree-structured Parzen estimators (Bergstra et al., NIPS 2011), one per parameter.

use rand_for_tpe::rngs::StdRng;
use rand_for_tpe::{RngExt, SeedableRng};
use tpe::density_estimation::DefaultEstimatorBuilder;
use tpe::{TpeOptimizer, TpeOptimizerBuilder, histogram_estimator, parzen_estimator};

use super::space::{Parameter, SearchConfig, Values};
use crate::error::{Result, failure};

/// Share of the trials that count as good.
const GOOD: f64 = 0.25;

/// Proposes values, given the results of others.
pub struct Sampler {
    axes: Vec<(String, Parameter, TpeOptimizer<DefaultEstimatorBuilder>)>,
    seed: u64,
    startup: usize,
}

impl Sampler {
    /// Makes a sampler for a search's space.
    ///
    /// # Errors
    /// If a range is empty.
    pub fn new(config: &SearchConfig) -> Result<Self> {
        let mut axes = Vec::new();
        for (key, parameter) in &config.space {
            let [low, high] = parameter.axis();
            let estimator = match parameter {
                Parameter::Choice(_) => histogram_estimator(),
                _ => parzen_estimator(),
            };
            let range = tpe::range(low, high).map_err(|error| failure!(Search, "space.{key:?}: {error:?}"))?;
            let optimizer = TpeOptimizerBuilder::new().gamma(GOOD).build(estimator, range);
            let optimizer = optimizer.map_err(|error| failure!(Search, "{error}"))?;
            axes.push((key.clone(), parameter.clone(), optimizer));
        }
        Ok(Self {
            axes,
            seed: config.seed,
            startup: config.startup_trials,
        })
    }

    /// Proposes values for a trial. They only depend on the seed, the trial's number and the results so far.
    ///
    /// # Errors
    /// If the estimators cannot be built.
    pub fn propose(&mut self, trial: usize) -> Result<Values> {
        let mut random = StdRng::seed_from_u64(
            self.seed
                .wrapping_add((trial as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        );
        let mut values = Values::new();
        for (key, parameter, optimizer) in &mut self.axes {
            let [low, high] = parameter.axis();
            let at = if trial <= self.startup {
                low + (high - low) * random.random::<f64>()
            } else {
                optimizer
                    .ask(&mut random)
                    .map_err(|error| failure!(Search, "space.{key:?}: {error}"))?
            };
            values.insert(key.clone(), parameter.value(at));
        }
        Ok(values)
    }

    /// Takes the result of values; lower costs are better. A value that the space does not have only counts for the other keys.
    ///
    /// # Errors
    /// If the cost is not a number.
    pub fn tell(&mut self, values: &Values, cost: f64) -> Result<()> {
        for (key, parameter, optimizer) in &mut self.axes {
            let at = values.get(key).and_then(|value| parameter.place(value));
            let told = optimizer.tell(at.unwrap_or(f64::NAN), cost);
            told.map_err(|error| failure!(Search, "space.{key:?}: {error}"))?;
        }
        Ok(())
    }
}
