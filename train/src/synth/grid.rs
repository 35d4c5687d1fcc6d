//! Rasters of the generator, and the exact distance transform.

/// A raster of numbers, row by row.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` values.
    pub values: Vec<f32>,
}

impl Grid {
    /// Fills a raster from a function of column and row.
    pub fn from_fn(width: usize, height: usize, mut value: impl FnMut(usize, usize) -> f64) -> Self {
        let mut values = Vec::with_capacity(width * height);
        for row in 0..height {
            for column in 0..width {
                values.push(value(column, row) as f32);
            }
        }
        Self { width, height, values }
    }

    /// The value of a cell; cells outside have the value of the nearest one.
    pub fn at(&self, column: i64, row: i64) -> f64 {
        let column = column.clamp(0, self.width as i64 - 1) as usize;
        let row = row.clamp(0, self.height as i64 - 1) as usize;
        f64::from(self.values[row * self.width + column])
    }

    /// Bilinear interpolation at a point in cells; the centre of the first cell is (0.5, 0.5).
    pub fn sample(&self, x: f64, y: f64) -> f64 {
        let (x, y) = (x - 0.5, y - 0.5);
        let (column, row) = (x.floor(), y.floor());
        let (fx, fy) = (x - column, y - row);
        let (column, row) = (column as i64, row as i64);
        let top = self.at(column, row) * (1.0 - fx) + self.at(column + 1, row) * fx;
        let bottom = self.at(column, row + 1) * (1.0 - fx) + self.at(column + 1, row + 1) * fx;
        top * (1.0 - fy) + bottom * fy
    }
}

/// The distance in cells from every cell to the nearest one for which `is_source` holds (Felzenszwalb and
/// Huttenlocher's transform); `far` where there is none.
pub fn distance_to(width: usize, height: usize, far: f64, is_source: impl Fn(usize, usize) -> bool) -> Grid {
    const NONE: f64 = 1e12;
    let mut squared: Vec<f64> = Vec::with_capacity(width * height);
    for row in 0..height {
        squared.extend((0..width).map(|column| if is_source(column, row) { 0.0 } else { NONE }));
    }
    let mut line = Vec::new();
    for column in 0..width {
        line.clear();
        line.extend((0..height).map(|row| squared[row * width + column]));
        for (row, value) in lower_envelope(&line).into_iter().enumerate() {
            squared[row * width + column] = value;
        }
    }
    for row in squared.chunks_mut(width) {
        let transformed = lower_envelope(row);
        row.copy_from_slice(&transformed);
    }
    let values = squared.into_iter().map(|value| value.sqrt().min(far) as f32).collect();
    Grid { width, height, values }
}

/// One pass of the transform: `min over q of (p - q)^2 + line[q]`, for every p.
fn lower_envelope(line: &[f64]) -> Vec<f64> {
    let count = line.len();
    let (mut vertices, mut starts) = (vec![0usize], vec![f64::NEG_INFINITY]);
    let meet = |p: usize, q: usize| {
        let (pf, qf) = (p as f64, q as f64);
        ((line[q] + qf * qf) - (line[p] + pf * pf)) / (2.0 * (qf - pf))
    };
    for q in 1..count {
        let mut start = meet(vertices[vertices.len() - 1], q);
        while vertices.len() > 1 && start <= starts[starts.len() - 1] {
            vertices.pop();
            starts.pop();
            start = meet(vertices[vertices.len() - 1], q);
        }
        vertices.push(q);
        starts.push(start);
    }
    let mut piece = 0;
    (0..count)
        .map(|p| {
            while piece + 1 < vertices.len() && starts[piece + 1] < p as f64 {
                piece += 1;
            }
            let offset = p as f64 - vertices[piece] as f64;
            offset * offset + line[vertices[piece]]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_equal_the_brute_force_ones() {
        let sources = [(3usize, 4usize), (17, 2), (9, 15)];
        let grid = distance_to(20, 18, 1e6, |column, row| sources.contains(&(column, row)));
        for row in 0..18 {
            for column in 0..20 {
                let nearest = sources
                    .iter()
                    .map(|&(c, r)| (c as f64 - column as f64).powi(2) + (r as f64 - row as f64).powi(2))
                    .fold(f64::MAX, f64::min)
                    .sqrt();
                assert!(
                    (grid.at(column as i64, row as i64) - nearest).abs() < 1e-5,
                    "{column} {row}"
                );
            }
        }
    }

    #[test]
    fn without_a_source_everything_is_far() {
        assert!(
            distance_to(5, 4, 99.0, |_, _| false)
                .values
                .iter()
                .all(|&value| value == 99.0)
        );
    }

    #[test]
    fn sampling_between_centres_interpolates() {
        let grid = Grid::from_fn(3, 2, |column, row| (column * 10 + row) as f64);
        assert_eq!(grid.sample(1.5, 0.5), 10.0);
        assert_eq!(grid.sample(2.0, 1.0), 15.5);
        assert_eq!(grid.sample(-4.0, 0.5), 0.0);
    }
}
