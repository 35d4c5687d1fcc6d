//! Turns samples into RGBA pixels for a screen.

use raremap_tiff::Samples;

/// Bytes of one pixel.
const RGBA: usize = 4;

/// This share of a band's pixels is drawn black at the dark end, and as many at full level at the bright end.
const STRETCH_TAIL: f64 = 0.02;

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

/// How a band's values become levels of a colour: the 2nd percentile is black, and the 98th is full.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stretch {
    low: f32,
    high: f32,
}

impl Stretch {
    /// Computes the stretch from the band's valid pixels; `values` and `valid` are one to one.
    pub fn of(values: &[f32], valid: &[bool]) -> Self {
        let pairs = values.iter().zip(valid);
        let mut sorted: Vec<f32> = pairs.filter(|(_, valid)| **valid).map(|(value, _)| *value).collect();
        let Some(last) = sorted.len().checked_sub(1) else {
            return Self::default();
        };
        let mut percentile = |share: f64| {
            let (_, value, _) = sorted.select_nth_unstable_by((share * last as f64).round() as usize, f32::total_cmp);
            *value
        };
        Self {
            low: percentile(STRETCH_TAIL),
            high: percentile(1.0 - STRETCH_TAIL),
        }
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
    fn the_stretch_runs_from_the_2nd_to_the_98th_percentile() {
        let values: Vec<f32> = (0..=100u8).map(f32::from).rev().collect();
        let stretch = Stretch::of(&values, &[true; 101]);
        assert_eq!(stretch, Stretch { low: 2.0, high: 98.0 });
        assert_eq!(
            [0.0, 2.0, 50.0, 98.0, 1000.0].map(|value| stretch.level(value)),
            [0, 0, 127, 255, 255]
        );
    }

    #[test]
    fn pixels_without_data_do_not_stretch_a_band() {
        let stretch = Stretch::of(&[1.0, 2.0, 9999.0, 3.0], &[true, true, false, true]);
        assert_eq!(stretch, Stretch { low: 1.0, high: 3.0 });
    }

    #[test]
    fn a_constant_band_is_grey_and_so_is_one_without_data() {
        assert_eq!(Stretch::of(&[7.0; 5], &[true; 5]).level(7.0), 128);
        assert_eq!(Stretch::of(&[7.0; 5], &[false; 5]).level(7.0), 128);
        assert_eq!(Stretch::of(&[], &[]).level(0.0), 128);
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
