//! Finds out whether two images show the same ground, whatever the season, by matching edge directions at any offset.
//!
//! Brightness changes with the date, field by field and even in sign, but edges keep their direction. Each band is averaged to at most 32 x
//! 32 cells and becomes a field of complex numbers: twice the gradient's angle, so that light-dark and dark-light are the same, with the
//! square root of its strength relative to the surroundings. Two images are compared by the normalized cross-correlation of these fields
//! over all offsets that leave a quarter of the smaller one, by Fourier transform.

use rustfft::num_complex::Complex;
use rustfft::{FftDirection, FftPlannerScalar};

use crate::dataset::Sample;

/// Cells along the longer side of an image.
const CELLS: usize = 32;
/// Twice that, so that offsets in both directions do not wrap around.
const PADDED: usize = 2 * CELLS;
/// Half the window, in cells, that gradients are compared with.
const SURROUNDINGS: usize = 4;
/// Two images must have at least this share of the smaller image's cells in common.
const LEAST_OVERLAP: f64 = 0.25;
/// They must have at least this many cells in common, because fewer agree by chance.
const LEAST_CELLS: f64 = 96.0;
/// Correlation from which two images that overlap completely show the same ground. Over all offsets of 9000 pairs of real Landsat images,
/// unrelated ones stayed below 0.3; pairs with common ground were above 0.45, and those that share half of it above 0.7.
const SAME_GROUND: f32 = 0.4;
/// Added to that in proportion to what does not overlap, because fewer cells fit better by chance.
const FOR_THE_REST: f32 = 0.3;
/// The same, where only one offset is compared and nothing tells how well chance fits.
pub const SAME_GROUND_UNSEARCHED: f32 = 0.6;
/// The best offset must stand out by this many standard deviations over all offsets: fields in rows fit fields in rows at many offsets.
const STANDS_OUT: f64 = 5.0;

/// The edge directions of an image.
#[derive(Debug, Clone)]
pub struct Texture {
    /// Pixels of the file per cell.
    cell_px: usize,
    /// `[rows, columns]`
    size: [usize; 2],
    /// `[bands][PADDED * PADDED]`, zero outside `size`.
    fields: Vec<Vec<Complex<f32>>>,
    /// Sums of squares over the rectangles from the top left corner, `[rows + 1][columns + 1]`.
    energy: Vec<f64>,
}

/// How well two images fit, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// -1 to 1.
    pub correlation: f32,
    /// How far the correlation is above what images that overlap like this must reach.
    pub margin: f32,
    /// Whether other offsets fit much worse.
    pub stands_out: bool,
    /// Pixels by which the second image lies below and to the right of the first.
    pub offset_px: [isize; 2],
}

impl Match {
    /// Whether the two images show the same ground, at least in part.
    pub fn is_same_ground(&self) -> bool {
        self.margin >= 0.0 && self.stands_out
    }
}

/// Size of the cells of an image whose longer side has `edge_px` pixels.
pub fn cell_px(edge_px: usize) -> usize {
    edge_px.div_ceil(CELLS).max(1)
}

impl Texture {
    /// The texture of a sample in cells of `cell_px`; anything beyond 32 cells is left out.
    pub fn of(sample: &Sample, cell_px: usize) -> Self {
        let size = [sample.height, sample.width].map(|length| (length / cell_px).clamp(1, CELLS));
        let [rows, columns] = size;
        let mut energy = vec![0.0; (rows + 1) * (columns + 1)];
        let mut fields = Vec::new();
        for plane in sample.values.chunks_exact(sample.valid.len().max(1)) {
            let cells = average(sample, plane, cell_px, size);
            let field = directions(&cells, size);
            let mut padded = vec![Complex::default(); PADDED * PADDED];
            for row in 0..rows {
                for column in 0..columns {
                    let value = field[row * columns + column];
                    padded[row * PADDED + column] = value;
                    energy[(row + 1) * (columns + 1) + column + 1] +=
                        f64::from(value.re * value.re + value.im * value.im);
                }
            }
            fields.push(padded);
        }
        for row in 1..=rows {
            for column in 1..=columns {
                let at = |row: usize, column: usize| row * (columns + 1) + column;
                energy[at(row, column)] +=
                    energy[at(row - 1, column)] + energy[at(row, column - 1)] - energy[at(row - 1, column - 1)];
            }
        }
        Self {
            cell_px,
            size,
            fields,
            energy,
        }
    }

    /// Sum of squares of a rectangle of cells.
    fn energy_of(&self, [top, left]: [usize; 2], [rows, columns]: [usize; 2]) -> f64 {
        let at = |row: usize, column: usize| self.energy[row * (self.size[1] + 1) + column];
        let (bottom, right) = (top + rows, left + columns);
        at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left)
    }

    fn total(&self) -> f64 {
        self.energy_of([0, 0], self.size)
    }

    /// The correlation without an offset.
    pub fn correlation(&self, other: &Self) -> f32 {
        if self.size != other.size || self.fields.len() != other.fields.len() {
            return 0.0;
        }
        let mut sum = 0.0f64;
        for (a, b) in self.fields.iter().zip(&other.fields) {
            for row in 0..self.size[0] {
                let line = row * PADDED..row * PADDED + self.size[1];
                let pairs = a[line.clone()].iter().zip(&b[line]);
                sum += f64::from(pairs.map(|(a, b)| a.re * b.re + a.im * b.im).sum::<f32>());
            }
        }
        (sum / (self.total() * other.total()).sqrt().max(f64::MIN_POSITIVE)) as f32
    }

    /// Prepares the texture for a comparison at all offsets.
    pub fn transformed(&self) -> Spectrum<'_> {
        let fields = self.fields.iter().map(|field| {
            let mut field = field.clone();
            transform_plane(&mut field, FftDirection::Forward);
            field
        });
        Spectrum {
            texture: self,
            fields: fields.collect(),
        }
    }
}

/// Mean over the valid pixels of each cell, or the mean of everything where a cell has none.
fn average(sample: &Sample, plane: &[f32], cell_px: usize, [rows, columns]: [usize; 2]) -> Vec<f32> {
    let mut sums = vec![(0.0f64, 0u32); rows * columns];
    for row in 0..(rows * cell_px).min(sample.height) {
        for column in 0..(columns * cell_px).min(sample.width) {
            let pixel = row * sample.width + column;
            if sample.valid[pixel] {
                let (sum, count) = &mut sums[row / cell_px * columns + column / cell_px];
                *sum += f64::from(plane[pixel]);
                *count += 1;
            }
        }
    }
    let (sum, count) = sums
        .iter()
        .fold((0.0, 0), |(sum, count), cell| (sum + cell.0, count + cell.1));
    let mean = sum / f64::from(count.max(1));
    let cells = sums.into_iter().map(|(sum, count)| match count {
        0 => mean as f32,
        _ => (sum / f64::from(count)) as f32,
    });
    cells.collect()
}

/// Twice the angle and the relative strength of the gradient, less their mean.
fn directions(cells: &[f32], [rows, columns]: [usize; 2]) -> Vec<Complex<f32>> {
    let at = |row: usize, column: usize| cells[row * columns + column];
    let mut squares = Vec::with_capacity(cells.len());
    let mut strength = Vec::with_capacity(cells.len());
    for row in 0..rows {
        for column in 0..columns {
            let (up, down) = (row.saturating_sub(1), (row + 1).min(rows - 1));
            let (left, right) = (column.saturating_sub(1), (column + 1).min(columns - 1));
            let dy = (at(down, column) - at(up, column)) / (down - up).max(1) as f32;
            let dx = (at(row, right) - at(row, left)) / (right - left).max(1) as f32;
            squares.push(Complex::new(dx * dx - dy * dy, 2.0 * dx * dy));
            strength.push(dx * dx + dy * dy);
        }
    }
    let overall = strength.iter().sum::<f32>() / strength.len().max(1) as f32;
    let mut field = Vec::with_capacity(cells.len());
    for row in 0..rows {
        for column in 0..columns {
            let (top, bottom) = (row.saturating_sub(SURROUNDINGS), (row + SURROUNDINGS + 1).min(rows));
            let (left, right) = (
                column.saturating_sub(SURROUNDINGS),
                (column + SURROUNDINGS + 1).min(columns),
            );
            let around = (top..bottom).flat_map(|y| &strength[y * columns + left..y * columns + right]);
            let around = around.sum::<f32>() / ((bottom - top) * (right - left)) as f32;
            let own = row * columns + column;
            let scale = (strength[own] * around).sqrt() + 1e-6 * overall + f32::MIN_POSITIVE;
            field.push(squares[own] / scale);
        }
    }
    let count = field.len().max(1) as f32;
    let mean: Complex<f32> = field.iter().map(|value| value / count).sum();
    for value in &mut field {
        *value -= mean;
    }
    field
}

/// A texture and its Fourier transform.
#[derive(Debug)]
pub struct Spectrum<'a> {
    texture: &'a Texture,
    fields: Vec<Vec<Complex<f32>>>,
}

impl Spectrum<'_> {
    /// The offset at which `other` fits best; `None` if no offset leaves enough of both, or if one of them is featureless.
    pub fn best_match(&self, other: &Spectrum<'_>) -> Option<Match> {
        let (a, b) = (self.texture, other.texture);
        if self.fields.len() != other.fields.len() || a.cell_px != b.cell_px {
            return None;
        }
        let mut product = vec![Complex::default(); PADDED * PADDED];
        for (mine, theirs) in self.fields.iter().zip(&other.fields) {
            for ((sum, x), y) in product.iter_mut().zip(mine).zip(theirs) {
                *sum += x * y.conj();
            }
        }
        transform_plane(&mut product, FftDirection::Inverse);
        let cells = |texture: &Texture| (texture.size[0] * texture.size[1]) as f64;
        let least = (LEAST_OVERLAP * cells(a).min(cells(b))).max(LEAST_CELLS);
        let density = |texture: &Texture| texture.total() / cells(texture);
        let (least_a, least_b) = (0.1 * density(a), 0.1 * density(b));
        let mut best: Option<Match> = None;
        let (mut sum_of_all, mut squares, mut count) = (0.0f64, 0.0f64, 0.0f64);
        let range = |axis: usize| 1 - b.size[axis] as isize..a.size[axis] as isize;
        for down in range(0) {
            for across in range(1) {
                // Cell (y, x) of `other` lies on cell (y + down, x + across) of this one.
                let offset = [down, across];
                let mine = offset.map(|offset| offset.max(0) as usize);
                let theirs = offset.map(|offset| (-offset).max(0) as usize);
                let common = [0, 1].map(|axis| (a.size[axis] - mine[axis]).min(b.size[axis] - theirs[axis]));
                let area = (common[0] * common[1]) as f64;
                if area < least {
                    continue;
                }
                let (energy_a, energy_b) = (a.energy_of(mine, common), b.energy_of(theirs, common));
                // A flat part, such as a lake, fits anything.
                if energy_a <= least_a * area || energy_b <= least_b * area {
                    continue;
                }
                let wrap = |offset: isize| offset.rem_euclid(PADDED as isize) as usize;
                let sum = f64::from(product[wrap(down) * PADDED + wrap(across)].re) / (PADDED * PADDED) as f64;
                let correlation = (sum / (energy_a * energy_b).sqrt()) as f32;
                sum_of_all += f64::from(correlation);
                squares += f64::from(correlation) * f64::from(correlation);
                count += 1.0;
                let overlap = (area / cells(a).min(cells(b))) as f32;
                let margin = correlation - SAME_GROUND - FOR_THE_REST * (1.0 - overlap);
                if best.is_none_or(|best| margin > best.margin) {
                    let cell = a.cell_px as isize;
                    best = Some(Match {
                        correlation,
                        margin,
                        stands_out: false,
                        offset_px: [down * cell, across * cell],
                    });
                }
            }
        }
        let mean = sum_of_all / count.max(1.0);
        let deviation = (squares / count.max(1.0) - mean * mean).max(0.0).sqrt();
        best.map(|best| Match {
            stands_out: f64::from(best.correlation) > mean + STANDS_OUT * deviation,
            ..best
        })
    }
}

/// The two-dimensional discrete Fourier transform of a padded plane, not scaled.
fn transform_plane(plane: &mut [Complex<f32>], direction: FftDirection) {
    // The scalar planner does the same arithmetic on every machine; the other one chooses by the processor's vector instructions.
    let lines = FftPlannerScalar::new().plan_fft(PADDED, direction);
    lines.process(plane);
    transpose(plane);
    lines.process(plane);
    transpose(plane);
}

fn transpose(plane: &mut [Complex<f32>]) {
    for row in 0..PADDED {
        for column in 0..row {
            plane.swap(row * PADDED + column, column * PADDED + row);
        }
    }
}

/// Finds the pairs that show the same ground, with their best match, on all cores; the order does not depend on their number.
pub fn matches(textures: &[&Texture], pairs: &[(usize, usize)]) -> Vec<(usize, usize, Match)> {
    let spectra: Vec<Spectrum<'_>> = textures.iter().map(|texture| texture.transformed()).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = pairs.len().div_ceil(threads).max(1);
    let compare = |pairs: &[(usize, usize)]| -> Vec<(usize, usize, Match)> {
        let best = pairs
            .iter()
            .filter_map(|&(a, b)| Some((a, b, spectra[a].best_match(&spectra[b])?)));
        best.filter(|(_, _, found)| found.is_same_ground()).collect()
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = pairs
            .chunks(share)
            .map(|part| scope.spawn(move || compare(part)))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_default())
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Smooth hills from a hash of the ground's own coordinates: the same ground gives the same values, wherever it is cut.
    fn cut(ground: u64, top: usize, left: usize, change: impl Fn(f32) -> f32) -> Sample {
        let node = |y: usize, x: usize| {
            let mut z = (ground * 1_000_003 + y as u64 * 7919 + x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((z ^ (z >> 27)) >> 40) as f32 / 16_777_216.0
        };
        let height = |y: usize, x: usize| {
            let (fy, fx) = ((y % 8) as f32 / 8.0, (x % 8) as f32 / 8.0);
            let (y, x) = (y / 8, x / 8);
            let top = node(y, x) * (1.0 - fx) + node(y, x + 1) * fx;
            let bottom = node(y + 1, x) * (1.0 - fx) + node(y + 1, x + 1) * fx;
            top * (1.0 - fy) + bottom * fy
        };
        let edge = 128;
        let values = (0..edge * edge).map(|i| change(height(top + i / edge, left + i % edge)));
        Sample {
            path: "memory".into(),
            height: edge,
            width: edge,
            ground_resolution_m: 10.0,
            values: values.collect(),
            valid: vec![true; edge * edge],
            labels: vec![0; edge * edge],
        }
    }

    fn best(a: &Sample, b: &Sample) -> Match {
        let (a, b) = (Texture::of(a, 4), Texture::of(b, 4));
        a.transformed().best_match(&b.transformed()).expect("enough in common")
    }

    #[test]
    fn the_same_ground_is_found_at_its_offset_though_light_turned_to_dark() {
        let found = best(
            &cut(1, 0, 0, |height| height),
            &cut(1, 24, 40, |height| 3000.0 - 900.0 * height),
        );
        assert!(found.correlation > 0.9 && found.is_same_ground(), "{found:?}");
        assert_eq!(found.offset_px, [24, 40]);
    }

    #[test]
    fn other_ground_does_not_fit_at_any_offset() {
        for ground in 2..8 {
            let found = best(&cut(1, 0, 0, |height| height), &cut(ground, 0, 0, |height| height));
            assert!(!found.is_same_ground(), "{ground}: {found:?}");
        }
    }

    #[test]
    fn a_featureless_image_fits_nothing() {
        let flat = Texture::of(&cut(1, 0, 0, |_| 7.0), 4);
        let hills = Texture::of(&cut(1, 0, 0, |height| height), 4);
        assert_eq!(flat.transformed().best_match(&hills.transformed()), None);
        assert_eq!(flat.correlation(&hills), 0.0);
        assert!((hills.correlation(&hills) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_transform_of_a_shifted_pulse_is_a_wave() {
        let mut plane = vec![Complex::default(); PADDED * PADDED];
        plane[3 * PADDED].re = 1.0;
        transform_plane(&mut plane, FftDirection::Forward);
        let quarter = plane[16 * PADDED];
        // exp(-2 pi i 3 16 / 64) = exp(-3/2 pi i) = i
        assert!(
            quarter.re.abs() < 1e-5 && (quarter.im - 1.0).abs() < 1e-5,
            "{quarter:?}"
        );
        transform_plane(&mut plane, FftDirection::Inverse);
        assert!((plane[3 * PADDED].re / (PADDED * PADDED) as f32 - 1.0).abs() < 1e-5);
    }
}
