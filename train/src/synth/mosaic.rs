//! Makes a landscape of any size, pixel by pixel, from a few photographed ones.

use super::random::hash;
use super::sensor::{Scene, TRUTH_NODATA};

/// Side of a plot; it is small in tests, where a landscape takes a second.
const PLOT_PX: usize = if cfg!(test) { 64 } else { 512 };
/// How many landscapes are photographed; each is laid in eight ways.
const PLOT_COUNT: u64 = 4;

/// A scene of any size whose pixels are computed one by one; only the plots are in memory.
///
/// The ground is tiled with plots, each a photographed landscape that is turned or mirrored as the seed says. Rivers and fields end where a
/// plot does; the truth is that of the pixels all the same.
#[derive(Debug)]
pub struct Mosaic {
    plots: Vec<Scene>,
    seed: u64,
    /// Columns.
    pub width_px: usize,
    /// Rows.
    pub height_px: usize,
    has_footprint: bool,
}

impl Mosaic {
    /// Photographs the plots of a seed. `has_footprint` cuts off the corners of the whole scene.
    pub fn lay(seed: u64, width_px: usize, height_px: usize, has_footprint: bool) -> Self {
        let plot = |number: u64| Scene::photograph(hash(seed, 7, number as i64), PLOT_PX, PLOT_PX, false);
        Self {
            plots: (0..PLOT_COUNT).map(plot).collect(),
            seed,
            width_px,
            height_px,
            has_footprint,
        }
    }

    /// Green, red and nir (reflectance x 10,000; 0 is nodata) and the class code of a pixel.
    pub fn pixel(&self, x: usize, y: usize) -> ([u16; 3], u8) {
        if self.has_footprint && Scene::is_outside(x, y, self.width_px, self.height_px) {
            return ([0; 3], TRUTH_NODATA);
        }
        let lot = hash(self.seed ^ 0x4D05_A1C5, (x / PLOT_PX) as i64, (y / PLOT_PX) as i64);
        let mirrored = |position: usize, bit: u32| {
            let position = position % PLOT_PX;
            if lot >> bit & 1 == 1 {
                PLOT_PX - 1 - position
            } else {
                position
            }
        };
        let (column, row) = (mirrored(x, 8), mirrored(y, 9));
        let index = if lot >> 10 & 1 == 1 {
            column * PLOT_PX + row
        } else {
            row * PLOT_PX + column
        };
        let plot = &self.plots[(lot % PLOT_COUNT) as usize];
        (plot.bands.each_ref().map(|band| band[index]), plot.truth[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_one_of_a_plot_with_its_own_truth() {
        let mosaic = Mosaic::lay(5, 1300, 700, false);
        let mut laid = std::collections::BTreeSet::new();
        for y in 0..2 {
            for x in 0..3 {
                let corner = |dx: usize, dy: usize| mosaic.pixel((x * 512 + dx).min(1299), (y * 512 + dy).min(699));
                laid.insert(corner(0, 0).0);
                assert!(corner(0, 0).1 < 7);
            }
        }
        assert!(laid.len() > 2, "one plot everywhere: {laid:?}");
        let known: Vec<_> = mosaic
            .plots
            .iter()
            .flat_map(|plot| (0..PLOT_PX * PLOT_PX).map(|i| (plot.bands.each_ref().map(|band| band[i]), plot.truth[i])))
            .collect();
        for (x, y) in [(0, 0), (511, 511), (512, 0), (1299, 699), (700, 300)] {
            assert!(known.contains(&mosaic.pixel(x, y)), "{x}, {y}");
        }
        let again = Mosaic::lay(5, 1300, 700, true);
        assert_eq!(again.pixel(650, 350), mosaic.pixel(650, 350));
        assert_eq!(again.pixel(0, 0), ([0; 3], TRUTH_NODATA));
    }
}
