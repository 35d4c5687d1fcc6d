//! Distributions that augmentation draws from.

use rand::Rng;
use rand::rngs::StdRng;

/// Draws uniformly from plus or minus `limit`; takes nothing from `rng` if that is 0.
pub fn symmetric(rng: &mut StdRng, limit: f32) -> f32 {
    if limit == 0.0 {
        0.0
    } else {
        rng.random_range(-limit..=limit)
    }
}

/// Draws whether an event of `probability` happens; takes nothing from `rng` if that is 0.
pub fn happens(rng: &mut StdRng, probability: f32) -> bool {
    probability > 0.0 && rng.random::<f32>() < probability
}

/// Draws two independent normal numbers of mean 0 and standard deviation 1 (Box and Muller).
pub fn normal_pair(rng: &mut StdRng) -> [f32; 2] {
    // 1 - u is never 0.
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    let (sine, cosine) = (rng.random::<f32>() * std::f32::consts::TAU).sin_cos();
    [radius * cosine, radius * sine]
}

/// Draws from a Beta distribution with both parameters `alpha`: the share of one of two Gamma-distributed numbers in their sum.
pub fn symmetric_beta(rng: &mut StdRng, alpha: f32) -> f32 {
    if alpha == 1.0 {
        return rng.random();
    }
    let (first, second) = (log_gamma_distributed(rng, alpha), log_gamma_distributed(rng, alpha));
    // This works in logarithms, because small alphas draw numbers below what a float can hold.
    1.0 / (1.0 + (second - first).exp())
}

/// Draws the logarithm of a Gamma-distributed number of scale 1 (Marsaglia and Tsang 2000; shapes below 1 by their section 6).
fn log_gamma_distributed(rng: &mut StdRng, shape: f32) -> f32 {
    let boost = match shape < 1.0 {
        true => (1.0 - rng.random::<f32>()).ln() / shape,
        false => 0.0,
    };
    let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let [x, _] = normal_pair(rng);
        let v = (1.0 + c * x).powi(3);
        let u = 1.0 - rng.random::<f32>();
        if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d.ln() + v.ln() + boost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn moments(numbers: impl Iterator<Item = f32>) -> (f64, f64) {
        let numbers: Vec<f64> = numbers.map(f64::from).collect();
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / numbers.len() as f64;
        (mean, variance)
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let rng = &mut StdRng::seed_from_u64(1);
        let (mean, variance) = moments((0..20_000).flat_map(|_| normal_pair(rng)));
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean}, {variance}");
    }

    #[test]
    fn beta_numbers_have_the_variance_of_their_parameter() {
        for alpha in [0.2f32, 1.0, 4.0] {
            let rng = &mut StdRng::seed_from_u64(2);
            let (mean, variance) = moments((0..20_000).map(|_| symmetric_beta(rng, alpha)));
            let expected = 1.0 / (4.0 * (2.0 * f64::from(alpha) + 1.0));
            assert!((mean - 0.5).abs() < 0.01, "mean {mean} at {alpha}");
            assert!(
                (variance / expected - 1.0).abs() < 0.04,
                "variance {variance} at {alpha}"
            );
        }
    }
}
