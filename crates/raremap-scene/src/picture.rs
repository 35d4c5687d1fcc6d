//! Turns samples into RGBA pixels for a screen.

use raremap_tiff::Samples;

/// Bytes of one pixel.
const RGBA: usize = 4;

/// RGBA pixels, and which part of a scene they show.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    width: usize,
    height: usize,
    rgba: Vec<u8>,
    extent: [f64; 4],
}

impl Picture {
    /// All transparent. `extent` is left, top, width and height in pixels of the scene.
    pub fn new(width: usize, height: usize, extent: [f64; 4]) -> Self {
        Self {
            width,
            height,
            rgba: vec![0; width * height * RGBA],
            extent,
        }
    }

    /// Red, green and blue from the three bands of `samples`, in this order, each by its own stretch. Pixels without data stay
    /// transparent.
    pub fn of_samples(samples: &Samples, stretches: [Stretch; 3], extent: [f64; 4]) -> Self {
        let mut bands = samples.values.chunks_exact((samples.width * samples.height).max(1));
        let bands = [(); 3].map(|()| bands.next().unwrap_or_default());
        Self::new(samples.width, samples.height, extent).paint(|index| {
            let is_valid = samples.valid.get(index).copied().unwrap_or(false);
            let level = |band: usize| bands[band].get(index).map_or(0, |value| stretches[band].level(*value));
            is_valid.then(|| [level(0), level(1), level(2), u8::MAX])
        })
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Left, top, width and height in pixels of the scene; it may reach over the scene's edge by a part of the picture's last pixel.
    pub fn extent(&self) -> [f64; 4] {
        self.extent
    }

    /// Red, green, blue and opacity of each pixel, row by row.
    pub fn rgba(&self) -> &[u8] {
        &self.rgba
    }

    /// Gives every pixel the colour that `color` returns for its index; `None` leaves it as it is.
    pub fn paint(mut self, color: impl Fn(usize) -> Option<[u8; RGBA]>) -> Self {
        for (index, pixel) in self.rgba.chunks_exact_mut(RGBA).enumerate() {
            if let Some(color) = color(index) {
                pixel.copy_from_slice(&color);
            }
        }
        self
    }

    /// Lowers the opacity of the pixels for which `is_faded` is true; it takes their index.
    pub fn fade(mut self, opacity: u8, is_faded: impl Fn(usize) -> bool) -> Self {
        for (index, pixel) in self.rgba.chunks_exact_mut(RGBA).enumerate() {
            if let [.., alpha] = pixel
                && is_faded(index)
            {
                *alpha = opacity.min(*alpha);
            }
        }
        self
    }
}

/// The values below which a share of the valid pixels lies, in percent from 0 (the lowest) to 100 (the highest); `None` if none is valid.
/// `values` and `valid` are one to one.
pub fn percentiles<const N: usize>(values: &[f32], valid: &[bool], percents: [f64; N]) -> Option<[f32; N]> {
    let pairs = values.iter().zip(valid);
    let mut sorted: Vec<f32> = pairs.filter(|(_, valid)| **valid).map(|(value, _)| *value).collect();
    let last = sorted.len().checked_sub(1)?;
    Some(percents.map(|percent| {
        let rank = (percent / 100.0 * last as f64).round() as usize;
        let (_, value, _) = sorted.select_nth_unstable_by(rank.min(last), f32::total_cmp);
        *value
    }))
}

/// How a band's values become levels of a colour: from black at one value to full at another.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stretch {
    low: f32,
    high: f32,
}

impl Stretch {
    /// The percentiles of a band that are usually drawn black and full.
    pub const USUAL: [f64; 2] = [2.0, 98.0];

    /// From one percentile of the band's valid pixels to another; `values` and `valid` are one to one.
    pub fn of(values: &[f32], valid: &[bool], percents: [f64; 2]) -> Self {
        let [low, high] = percentiles(values, valid, percents).unwrap_or_default();
        Self { low, high }
    }

    /// The level of a value; a constant band becomes middle grey.
    pub fn level(self, value: f32) -> u8 {
        let range = self.high - self.low;
        if range > 0.0 {
            (255.0 * (value - self.low) / range).clamp(0.0, 255.0) as u8
        } else {
            128
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_runs_from_one_percentile_to_another() {
        let values: Vec<f32> = (0..=100u8).map(f32::from).rev().collect();
        let stretch = Stretch::of(&values, &[true; 101], Stretch::USUAL);
        assert_eq!(stretch, Stretch { low: 2.0, high: 98.0 });
        assert_eq!(
            [0.0, 2.0, 50.0, 98.0, 1000.0].map(|value| stretch.level(value)),
            [0, 0, 127, 255, 255]
        );
        assert_eq!(
            Stretch::of(&values, &[true; 101], [0.0, 95.0]),
            Stretch { low: 0.0, high: 95.0 }
        );
        assert_eq!(
            percentiles(&values, &[true; 101], [0.0, 25.0, 50.0, 100.0]),
            Some([0.0, 25.0, 50.0, 100.0])
        );
        assert_eq!(percentiles(&values, &[false; 101], [50.0]), None);
    }

    #[test]
    fn pixels_without_data_do_not_stretch_a_band() {
        let stretch = Stretch::of(&[1.0, 2.0, 9999.0, 3.0], &[true, true, false, true], Stretch::USUAL);
        assert_eq!(stretch, Stretch { low: 1.0, high: 3.0 });
    }

    #[test]
    fn a_constant_band_is_grey_and_so_is_one_without_data() {
        assert_eq!(Stretch::of(&[7.0; 5], &[true; 5], Stretch::USUAL).level(7.0), 128);
        assert_eq!(Stretch::of(&[7.0; 5], &[false; 5], Stretch::USUAL).level(7.0), 128);
        assert_eq!(Stretch::of(&[], &[], Stretch::USUAL).level(0.0), 128);
    }

    #[test]
    fn bands_become_red_green_and_blue_and_no_data_stays_transparent() {
        let samples = Samples {
            bands: 3,
            height: 1,
            width: 2,
            values: vec![10.0, 0.0, 20.0, 0.0, 30.0, 0.0],
            valid: vec![true, false],
        };
        let stretch = Stretch { low: 10.0, high: 30.0 };
        let picture = Picture::of_samples(&samples, [stretch; 3], [0.0, 0.0, 2.0, 1.0]);
        assert_eq!((picture.width(), picture.height()), (2, 1));
        assert_eq!(picture.rgba(), [0, 127, 255, 255, 0, 0, 0, 0]);
    }

    #[test]
    fn fading_lowers_opacity_and_never_raises_it() {
        let picture = Picture::new(3, 1, [0.0, 0.0, 3.0, 1.0]).paint(|index| (index > 0).then_some([9, 9, 9, 255]));
        let opacity: Vec<u8> = picture
            .fade(90, |index| index < 2)
            .rgba()
            .iter()
            .skip(3)
            .step_by(4)
            .copied()
            .collect();
        assert_eq!(opacity, [0, 90, 255]);
    }
}
