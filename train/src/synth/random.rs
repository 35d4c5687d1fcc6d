//! Random numbers and noise that are the same on every machine.
//!
//! Only integer arithmetic and IEEE 754's exactly rounded operations (+, -, *, /, sqrt, floor) are used: the platform's
//! `sin`, `exp` or `powf` may differ in the last bit, and a scene must come out the same, byte for byte. For the same
//! reason no generator of the `rand` crate is used: `StdRng` may change between its versions.

/// Mixes 64 bits (the finalizer of SplitMix64).
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A hash of a cell of an integer lattice.
pub fn hash(seed: u64, column: i64, row: i64) -> u64 {
    mix(mix(seed ^ (column as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93))
        ^ (row as u64).wrapping_mul(0xA076_1D64_78BD_642F))
}

/// The upper 53 bits of a hash as a number in 0..1.
pub fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

/// A stream of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A separate stream for each `purpose`, so that one more draw in one place does not change all others.
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self {
            state: mix(seed ^ mix(purpose)),
        }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// Uniform in `low..high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * unit(self.bits())
    }
}

/// Roughly normal with mean 0 and standard deviation 1, for a lattice cell: the sum of three uniform numbers from one hash.
pub fn normal_at(seed: u64, column: i64, row: i64) -> f64 {
    let bits = hash(seed, column, row);
    let part = |shift: u32| ((bits >> shift) & 0x1F_FFFF) as f64 / (1u64 << 21) as f64;
    // The sum of three has variance 3/12.
    (part(0) + part(21) + part(42) - 1.5) * 2.0
}

/// Gradient noise (after Perlin) of one seed: smooth, zero-mean, about -0.7 to 0.7.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    seed: u64,
}

impl Noise {
    /// The noise of a seed and a purpose; noises of different purposes are independent.
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self {
            seed: mix(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ mix(purpose)),
        }
    }

    /// One octave, wavelength 1.
    pub fn at(&self, x: f64, y: f64) -> f64 {
        let (column, row) = (x.floor(), y.floor());
        let (fx, fy) = (x - column, y - row);
        let (column, row) = (column as i64, row as i64);
        let corner = |dc: i64, dr: i64| {
            let bits = hash(self.seed, column + dc, row + dr);
            let gx = ((bits & 0xFFFF) as f64) / 32768.0 - 1.0;
            let gy = (((bits >> 16) & 0xFFFF) as f64) / 32768.0 - 1.0;
            gx * (fx - dc as f64) + gy * (fy - dr as f64)
        };
        let fade = |t: f64| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
        let (sx, sy) = (fade(fx), fade(fy));
        let top = lerp(corner(0, 0), corner(1, 0), sx);
        let bottom = lerp(corner(0, 1), corner(1, 1), sx);
        lerp(top, bottom, sy) * 1.3
    }

    /// Fractal sum: each octave has half the wavelength and `gain` times the amplitude of the one before.
    pub fn fractal(&self, x: f64, y: f64, octaves: u32, gain: f64) -> f64 {
        let (mut sum, mut amplitude, mut x, mut y) = (0.0, 1.0, x, y);
        for _ in 0..octaves {
            // Turning (by a 3-4-5 triangle) and shifting keeps the octaves' lattices apart, because noise is zero on its lattice.
            (x, y) = (0.8 * x - 0.6 * y + 17.31, 0.6 * x + 0.8 * y - 5.7);
            sum += amplitude * self.at(x, y);
            amplitude *= gain;
            (x, y) = (2.0 * x, 2.0 * y);
        }
        sum
    }
}

/// Linear interpolation.
pub fn lerp(from: f64, to: f64, share: f64) -> f64 {
    from + (to - from) * share
}

/// 0 below `low`, 1 above `high`, smooth between.
pub fn smoothstep(low: f64, high: f64, value: f64) -> f64 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Sine of an angle in turns, to 1e-5.
pub fn sin_turns(turns: f64) -> f64 {
    let t = turns - turns.floor();
    let (t, sign) = if t >= 0.5 { (t - 0.5, -1.0) } else { (t, 1.0) };
    let t = if t > 0.25 { 0.5 - t } else { t };
    let a = t * std::f64::consts::TAU;
    let a2 = a * a;
    sign * a * (1.0 - a2 / 6.0 * (1.0 - a2 / 20.0 * (1.0 - a2 / 42.0 * (1.0 - a2 / 72.0))))
}

/// Cosine of an angle in turns.
pub fn cos_turns(turns: f64) -> f64 {
    sin_turns(turns + 0.25)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        // A change here changes every scene ever made with a seed. The first number is SplitMix64's own first number.
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
        let mut random = Random::new(7, 1);
        assert_eq!(
            [random.bits(), random.bits()],
            [0xDDCD_50E4_079D_A4C6, 0xC956_CCE0_9900_4B64]
        );
        assert_eq!(hash(7, -3, 12), 0x2A54_1821_68D7_69F8);
    }

    #[test]
    fn sine_in_turns_agrees_with_the_platform() {
        for step in -400..400 {
            let turns = f64::from(step) / 123.0;
            let difference = (sin_turns(turns) - (turns * std::f64::consts::TAU).sin()).abs();
            assert!(difference < 1e-5, "{turns}: {difference}");
        }
    }

    #[test]
    fn noise_is_centred_continuous_and_bounded() {
        let noise = Noise::new(3, 4);
        let (mut sum, mut most) = (0.0, 0.0f64);
        for step in 0..10_000 {
            let x = f64::from(step) * 0.37;
            let value = noise.at(x, 0.61 * x + 0.2);
            assert!((noise.at(x + 1e-6, 0.61 * x + 0.2) - value).abs() < 1e-4);
            sum += value;
            most = most.max(value.abs());
        }
        assert!((sum / 10_000.0).abs() < 0.05, "mean {}", sum / 10_000.0);
        assert!(most > 0.3 && most < 1.3, "largest {most}");
    }
}
