//! How bright each cover is, by statistics of real scenes.

use super::class::Class;
use super::cover::Cover;
use super::random::{Noise, mix, normal_at, unit};

/// Surface reflectance x 10,000 of one class: green, red, near infrared.
#[derive(Clone, Copy, Debug)]
pub struct Statistics {
    /// Median.
    pub median: [f64; 3],
    /// Spread inside one scene, as a standard deviation.
    pub spread: [f64; 3],
    /// Correlation of green with red, green with nir, red with nir.
    pub correlation: [f64; 3],
}

/// Measured on water12's 196 training images (128 x 128 pixels of about 30 m, surface reflectance; labels from ESA WorldCover, CC-BY-4.0,
/// and hand-drawn water); these are statistics, not pixels. The median is over all pixels of the class. Spread and correlation are medians
/// over the images with at least 100 pixels of it: the spread is 1.4826 times the median absolute deviation, and the correlation leaves out
/// pixels beyond three spreads. (Snow, cloud and half-flooded land would dominate plain means and deviations.)
const STATISTICS: [Statistics; 7] = [
    // forest, 605,640 pixels
    Statistics {
        median: [497.0, 478.0, 2149.0],
        spread: [117.0, 148.0, 433.0],
        correlation: [0.93, 0.63, 0.49],
    },
    // grass_shrub, 822,072
    Statistics {
        median: [807.0, 949.0, 2715.0],
        spread: [126.0, 202.0, 418.0],
        correlation: [0.92, 0.28, -0.10],
    },
    // crop, 860,564
    Statistics {
        median: [897.0, 1078.0, 2546.0],
        spread: [142.0, 233.0, 426.0],
        correlation: [0.94, 0.15, -0.11],
    },
    // built, 76,575
    Statistics {
        median: [877.0, 978.0, 2207.0],
        spread: [220.0, 271.0, 420.0],
        correlation: [0.96, 0.34, 0.22],
    },
    // bare, 61,846
    Statistics {
        median: [1321.0, 1777.0, 2229.0],
        spread: [566.0, 678.0, 652.0],
        correlation: [0.99, 0.89, 0.94],
    },
    // water, 777,114
    Statistics {
        median: [851.0, 1051.0, 636.0],
        spread: [96.0, 110.0, 342.0],
        correlation: [0.93, 0.23, 0.20],
    },
    // wetland, 6,453
    Statistics {
        median: [726.0, 718.0, 2749.0],
        spread: [85.0, 105.0, 249.0],
        correlation: [0.87, 0.62, 0.48],
    },
];

impl Class {
    /// The measured statistics.
    pub fn statistics(self) -> &'static Statistics {
        &STATISTICS[self as usize]
    }
}

/// Deviations from a class's median, in spreads: green, red, nir.
type Deviation = [f64; 3];

/// The palette of one scene.
#[derive(Clone, Debug)]
pub struct Palette {
    seed: u64,
    broad: [Noise; 3],
    fine: [Noise; 3],
    flow: Noise,
    factors: [[f64; 6]; 7],
}

impl Palette {
    /// The palette of a seed.
    pub fn new(seed: u64) -> Self {
        let noises = |first: u64| [0, 1, 2].map(|band| Noise::new(seed, first + band));
        Self {
            seed,
            broad: noises(121),
            fine: noises(131),
            flow: Noise::new(seed, 141),
            factors: STATISTICS.map(|statistics| cholesky(statistics.correlation)),
        }
    }

    /// Reflectance x 10,000 of a cover at a point in pixels, on level ground: green, red, nir.
    ///
    /// `cell` is the subpixel's column and row, for the texture below a pixel's size.
    pub fn reflectance(&self, cover: &Cover, x: f64, y: f64, cell: (i64, i64)) -> [f64; 3] {
        let class = cover.class();
        let speck = normal_at(self.seed ^ 0x5BEC, cell.0, cell.1);
        let deviation = match cover {
            // Stands of one age and species, with crowns and their shadows.
            Cover::Forest => add(
                self.texture(class, x, y, 0.62, 0.55),
                [0.25 * speck, 0.25 * speck, 0.75 * speck],
            ),
            Cover::Trees => add(self.texture(class, x, y, 0.4, 0.6), [0.6, 0.55, 0.35 + 0.6 * speck]),
            Cover::Grass => add(
                self.texture(class, x, y, 0.85, 0.45),
                [0.3 * speck, 0.3 * speck, 0.3 * speck],
            ),
            Cover::Crop(field) => self.crop(field.id, field.across_px, x, y),
            Cover::Track => [0.9, 1.0, -0.6],
            Cover::Roof { block, is_industrial } => self.roof(*block, *is_industrial, speck),
            Cover::Asphalt => [0.1, 0.1, -1.55 + 0.1 * speck],
            Cover::Garden => {
                let green = self.texture(class, x, y, 0.4, 0.5);
                add(green, [-1.1 + 0.5 * speck, -1.3 + 0.5 * speck, 1.1 + 1.2 * speck])
            }
            Cover::Sand => add(self.texture(class, x, y, 0.2, 0.25), [0.75, 0.7, 0.75]),
            Cover::Rock => add(self.texture(class, x, y, 0.25, 0.3), [-0.62, -0.7, -0.42]),
            Cover::River => self.water(x, y, [0.15, 0.1, -0.25]),
            Cover::Stream => self.water(x, y, [-0.9, -1.6, -0.4]),
            Cover::Lake => self.water(x, y, [-2.2, -3.3, -0.75]),
            Cover::Pond(field) => {
                let tint = unit(mix(field.id ^ 41)) - 0.5;
                self.water(x, y, [-1.0 + 3.0 * tint, -2.0 + 4.0 * tint, -0.7])
            }
            Cover::Reeds => add(
                self.texture(class, x, y, 0.6, 0.7),
                [0.2 * speck, 0.2 * speck, -0.1 + 0.5 * speck],
            ),
        };
        let Statistics { median, spread, .. } = class.statistics();
        [0, 1, 2].map(|band| (median[band] + spread[band] * deviation[band]).max(40.0))
    }

    /// Correlated noise of unit variance: `broad` (patches of some 600 m) and `fine` (patches of some 100 m) are the roots of the shares.
    fn texture(&self, class: Class, x: f64, y: f64, broad: f64, fine: f64) -> Deviation {
        let raw = [0, 1, 2].map(|band: usize| {
            let wide = self.broad[band].fractal(x / 21.0, y / 21.0, 3, 0.6) / 0.36;
            let narrow = self.fine[band].fractal(x / 3.7, y / 3.7, 2, 0.7) / 0.36;
            broad * wide + fine * narrow
        });
        self.correlate(class, raw)
    }

    fn correlate(&self, class: Class, raw: Deviation) -> Deviation {
        let [a, b, c, d, e, f] = self.factors[class as usize];
        [
            a * raw[0],
            b * raw[0] + c * raw[1],
            d * raw[0] + e * raw[1] + f * raw[2],
        ]
    }

    /// A field has one crop at one stage; inside it, soil and water make slow gradients, and rows show faintly.
    fn crop(&self, id: u64, across_px: f64, x: f64, y: f64) -> Deviation {
        let (stage, vigour) = (unit(mix(id ^ 51)), normal_at(id, 1, 0));
        let tint = normal_at(id, 2, 0);
        // (share up to here, red, nir): lush, growing, ripe or stubble, ploughed.
        let stages = [
            (0.36, -1.25, 1.25),
            (0.62, -0.35, 0.1),
            (0.83, 1.25, -0.15),
            (1.0, 0.7, -1.75),
        ];
        let (_, red, nir) = stages.into_iter().find(|&(upto, ..)| stage < upto).unwrap_or(stages[0]);
        let soil = self.texture(Class::Crop, x, y, 0.24, 0.2);
        let period_px = 2.1 + 1.6 * unit(mix(id ^ 52));
        let row = super::random::sin_turns(across_px / period_px) * 0.10 * unit(mix(id ^ 53));
        let red = 0.95 * red + 0.5 * tint - 0.2 * vigour + row;
        let nir = 0.95 * nir + 0.4 * tint + 0.55 * vigour - row;
        [
            0.93 * red + 0.12 * nir + 0.2 * normal_at(id, 3, 0) + soil[0],
            red + soil[1],
            nir + soil[2],
        ]
    }

    fn roof(&self, block: u64, is_industrial: bool, speck: f64) -> Deviation {
        let tone = normal_at(block, 1, 0);
        if is_industrial {
            let bright = 2.6 + 1.1 * tone + 0.25 * speck;
            return [bright, bright, 0.2 + 0.55 * bright];
        }
        let bright = 0.8 + 1.55 * tone + 1.7 * speck;
        [bright, bright + 0.15, -0.45 + 0.6 * bright]
    }

    /// Water is smooth: it has long streaks of silt and hardly any fine texture.
    fn water(&self, x: f64, y: f64, tone: Deviation) -> Deviation {
        let silt = self.flow.fractal(x / 48.0, y / 48.0, 5, 0.6);
        let ripple = 0.5 * self.fine[0].fractal(x / 2.2, y / 2.2, 2, 0.7);
        add(
            tone,
            [1.1 * silt + ripple, 1.4 * silt + ripple, 0.2 * silt + 0.12 * ripple],
        )
    }
}

fn add(a: Deviation, b: Deviation) -> Deviation {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// The lower triangle, row by row, of the Cholesky factor of a 3 x 3 correlation matrix.
fn cholesky([gr, gn, rn]: [f64; 3]) -> [f64; 6] {
    let c = (1.0 - gr * gr).max(0.0).sqrt();
    let e = (rn - gn * gr) / c;
    [1.0, gr, c, gn, e, (1.0 - gn * gn - e * e).max(0.0).sqrt()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_multiplies_back_to_the_correlations() {
        for statistics in STATISTICS {
            let [a, b, c, d, e, f] = cholesky(statistics.correlation);
            let [gr, gn, rn] = statistics.correlation;
            let products = [
                (a * b, gr),
                (a * d, gn),
                (b * d + c * e, rn),
                (b * b + c * c, 1.0),
                (d * d + e * e + f * f, 1.0),
            ];
            for (product, expected) in products {
                assert!((product - expected).abs() < 1e-12, "{product} {expected}");
            }
        }
    }
}
