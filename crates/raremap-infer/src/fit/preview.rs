//! Shows a scene before the run: in which colours it is drawn, and what does not fit the model.

use raremap_model::Card;
use raremap_scene::{Picture, Scene, SceneInfo, Stretch};
use raremap_tiff::{ColorInterpretation, Samples, Window};

use super::bands::guess_bands;
use super::certainty::Certainty;
use super::matching::{MatchMode, match_statistics};
use super::opacity::Opacity;
use super::sampled::SampledStatistics;
use super::statistics::{BANDS_SWAPPED, Warning, compare_statistics};
use crate::error::InferError;

/// How a scene is drawn: its bands for red, green and blue, and how their values become levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Display {
    bands: [usize; 3],
    stretches: [Stretch; 3],
    opacity: Opacity,
}

/// The bands of a picture of the whole scene, reduced to its size.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduced {
    bands: [usize; 3],
    max_px: u32,
    samples: Samples,
    extent: [f64; 4],
}

/// A scene as it is shown before the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The picture of the whole scene.
    pub picture: Picture,
    /// How its colours came about, in one sentence for people.
    pub note: String,
    /// How the values could be made like those of training, in words; `None` if they need not be.
    pub matching: Option<String>,
    /// What does not fit the model's training data.
    pub warnings: Vec<Warning>,
    /// How parts of the scene are drawn in the same colours.
    pub display: Display,
    /// What the picture shows.
    pub reduced: Reduced,
}

/// What the values of a scene say before the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// How the values could be made like those of training, in words; `None` if they need not be.
    pub matching: Option<String>,
    /// What does not fit the model's training data.
    pub warnings: Vec<Warning>,
    /// How the values are distributed.
    pub statistics: SampledStatistics,
}

impl Preview {
    /// Reads the whole scene, reduced so that no side is longer than `max_px`. `bands` (0-based) stand for the scene bands of `card`, in
    /// its order; without any, as long as some are not assigned, the scene is shown in its own colours and compared with nothing.
    ///
    /// # Errors
    /// [`InferError::Misuse`] if the number of bands is not the card's, and errors of reading the scene.
    pub async fn of(scene: &impl Scene, card: &Card, bands: &[usize], max_px: u32) -> Result<Self, InferError> {
        let needed = needed_bands(card, bands)?;
        let info = scene.scene_info();
        let is_assigned = !bands.is_empty();
        let (colors, note) = if is_assigned {
            choose_colors(info, &needed, bands)
        } else {
            own_colors(info)
        };
        let opacity = Opacity::of(scene, bands).await?;
        let read = opacity.bands_to_read(&[bands, &colors].concat());
        let mut samples = scene.read_preview(max_px, &read).await?;
        opacity.apply(&mut samples, if is_assigned { bands.len() } else { colors.len() });
        let color_values = samples.values.split_off(bands.len() * samples.valid.len());
        samples.bands = bands.len();
        let (warnings, matching) = compare(&samples, card, bands);
        samples.values = color_values;
        let reduced = Reduced::of(info, colors, max_px, samples);
        let display = Display {
            bands: colors,
            stretches: reduced.stretches(Stretch::USUAL),
            opacity,
        };
        Ok(Self {
            picture: reduced.draw(&display),
            note,
            matching,
            warnings,
            display,
            reduced,
        })
    }
}

impl Look {
    /// Reads the scene as [`Preview::of`] does, and draws nothing. Without `bands`, the statistics are of those that its own colours show.
    ///
    /// # Errors
    /// Those of [`Preview::of`].
    pub async fn at(scene: &impl Scene, card: &Card, bands: &[usize], max_px: u32) -> Result<Self, InferError> {
        needed_bands(card, bands)?;
        let mut looked = bands.to_vec();
        if bands.is_empty() {
            looked.extend(own_colors(scene.scene_info()).0);
            looked.dedup();
        }
        let opacity = Opacity::of(scene, &looked).await?;
        let mut samples = scene.read_preview(max_px, &opacity.bands_to_read(&looked)).await?;
        opacity.apply(&mut samples, looked.len());
        let (warnings, matching) = compare(&samples, card, bands);
        Ok(Self {
            matching,
            warnings,
            statistics: SampledStatistics::of(&samples, &looked),
        })
    }
}

impl Reduced {
    fn of(info: &SceneInfo, bands: [usize; 3], max_px: u32, mut samples: Samples) -> Self {
        samples.bands = bands.len();
        Self {
            bands,
            max_px,
            extent: preview_extent(info, &samples),
            samples,
        }
    }

    /// Whether it is of these bands and this size.
    pub fn shows(&self, bands: [usize; 3], max_px: u32) -> bool {
        (self.bands, self.max_px) == (bands, max_px)
    }

    fn stretches(&self, percents: [f64; 2]) -> [Stretch; 3] {
        let mut planes = self.samples.values.chunks_exact(self.samples.valid.len().max(1));
        [(); 3].map(|()| Stretch::of(planes.next().unwrap_or_default(), &self.samples.valid, percents))
    }

    /// The picture of the whole scene; `display` is of the same bands.
    pub fn draw(&self, display: &Display) -> Picture {
        Picture::of_samples(&self.samples, display.stretches, self.extent)
    }
}

impl Display {
    /// Its bands for red, green and blue, from 0.
    pub fn bands(&self) -> [usize; 3] {
        self.bands
    }

    /// Reads the whole scene for a picture in other bands, reduced so that no side is longer than `max_px`.
    ///
    /// # Errors
    /// Those of reading the scene.
    pub async fn reduce(&self, scene: &impl Scene, bands: [usize; 3], max_px: u32) -> Result<Reduced, InferError> {
        let mut samples = scene.read_preview(max_px, &self.opacity.bands_to_read(&bands)).await?;
        self.opacity.apply(&mut samples, bands.len());
        Ok(Reduced::of(scene.scene_info(), bands, max_px, samples))
    }

    /// The display of the bands of `reduced`, each from one percentile of its values to another.
    pub fn stretched(&self, reduced: &Reduced, percents: [f64; 2]) -> Self {
        Self {
            bands: reduced.bands,
            stretches: reduced.stretches(percents),
            opacity: self.opacity,
        }
    }

    /// Draws a part of the scene, pixel by pixel.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a window outside the scene, and errors of reading it.
    pub async fn draw(&self, scene: &impl Scene, window: Window) -> Result<Picture, InferError> {
        let read = self.opacity.bands_to_read(&self.bands);
        let mut samples = scene.read_window(window, &read).await?;
        self.opacity.apply(&mut samples, self.bands.len());
        let Window { x, y, width, height } = window;
        let extent = [x, y, width, height].map(f64::from);
        Ok(Picture::of_samples(&samples, self.stretches, extent))
    }
}

/// The names of the bands that a model needs, or a complaint about another number of assigned ones.
fn needed_bands<'c>(card: &'c Card, bands: &[usize]) -> Result<Vec<&'c str>, InferError> {
    let needed = card.scene_bands();
    if bands.is_empty() || bands.len() == needed.len() {
        return Ok(needed);
    }
    Err(InferError::Misuse(format!(
        "{} bands are assigned, but the model needs {}",
        bands.len(),
        needed.len()
    )))
}

/// Compares the values of assigned bands with those of training, as they are and as they would be matched: a picture of 8 bits whose bands are
/// exchanged shows that only then. Without bands, nothing is said.
fn compare(samples: &Samples, card: &Card, bands: &[usize]) -> (Vec<Warning>, Option<String>) {
    if bands.is_empty() {
        return (Vec::new(), None);
    }
    let mut warnings = compare_statistics(samples, card);
    let Some(matching) = match_statistics(samples, card, MatchMode::Auto) else {
        return (warnings, None);
    };
    let mut matched = samples.clone();
    matching.apply(&mut matched);
    let swapped = compare_statistics(&matched, card).into_iter();
    warnings.extend(swapped.filter(|warning| warning.code == BANDS_SWAPPED));
    (warnings, Some(matching.message))
}

/// Natural colours if the file says which band is blue; otherwise near infrared as red, red as green and green as blue.
fn choose_colors(info: &SceneInfo, needed: &[&str], bands: &[usize]) -> ([usize; 3], String) {
    let assigned = |name: &str| {
        let at = needed.iter().position(|needed| *needed == name)?;
        bands.get(at).copied()
    };
    let named = guess_bands(info.into(), &["blue"]).ok();
    let blue = named
        .filter(|guess| guess.certainty == Certainty::Named)
        .and_then(|guess| guess.bands.first().copied().flatten())
        .filter(|blue| !bands.contains(blue));
    let blue = blue.or(assigned("blue"));
    match (assigned("red"), assigned("green"), blue, assigned("nir")) {
        (Some(red), Some(green), Some(blue), _) => {
            ([red, green, blue], "The scene is shown in natural colours.".into())
        }
        (Some(red), Some(green), None, Some(nir)) => {
            let note = "Near infrared is shown as red, red as green, and green as blue, so plants look red.";
            ([nir, red, green], note.into())
        }
        _ => {
            let band = |at: usize| bands.get(at).or(bands.last()).copied().unwrap_or(0);
            let colors = [0, 1, 2].map(band);
            let [red, green, blue] = colors.map(|band| band + 1);
            let note = format!("Bands {red}, {green} and {blue} are shown as red, green and blue.");
            (colors, note)
        }
    }
}

/// What the file calls red, green and blue, otherwise its first three bands.
fn own_colors(info: &SceneInfo) -> ([usize; 3], String) {
    let last = info.band_count().saturating_sub(1);
    let colors = [
        ColorInterpretation::Red,
        ColorInterpretation::Green,
        ColorInterpretation::Blue,
    ];
    let band_of = |color| info.color_interpretations.iter().position(|found| *found == color);
    let shown = match colors.map(band_of) {
        [Some(red), Some(green), Some(blue)] => [red, green, blue],
        _ => [0, 1, 2].map(|band| band.min(last)),
    };
    (
        shown,
        "The scene is shown as it is, because a band that the model needs is not assigned.".into(),
    )
}

/// Every n-th pixel is read, the middle one of its block; for an overview, the exact blocks are not known.
fn preview_extent(info: &SceneInfo, samples: &Samples) -> [f64; 4] {
    let (width, height) = (info.width as usize, info.height as usize);
    let step = width.div_ceil(samples.width.max(1)).max(1);
    let is_decimated = width.div_ceil(step) == samples.width && height.div_ceil(step) == samples.height;
    let [width, height] = if is_decimated {
        [samples.width * step, samples.height * step]
    } else {
        [width, height]
    };
    [0.0, 0.0, width as f64, height as f64]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::statistics::tests::card;

    /// The steps of a picture of 8 bits, of bands of these means and deviations.
    fn picture(like: [(f32, f32); 3]) -> Samples {
        let spread = [-1.4f32, -0.9, -0.6, -0.3, 0.0, 0.2, 0.4, 0.7, 1.0, 1.6];
        let step = |(mean, std): (f32, f32)| spread.map(|z| ((mean + std * z) * 0.05).clamp(0.0, 255.0).round());
        Samples {
            bands: 3,
            height: 1,
            width: 10,
            values: like.into_iter().flat_map(step).collect(),
            valid: vec![true; 10],
        }
    }

    #[test]
    fn exchanged_bands_of_a_picture_are_told_before_it_is_matched() {
        let [green, red, nir] = [(700.0, 300.0), (650.0, 400.0), (2600.0, 900.0)];
        let codes = |like| {
            let (warnings, matching) = compare(&picture(like), &card(), &[0, 1, 2]);
            assert!(matching.is_some());
            warnings.into_iter().map(|warning| warning.code).collect::<Vec<_>>()
        };
        assert_eq!(codes([green, red, nir]), ["values_8_bit"]);
        assert_eq!(codes([nir, green, red]), ["values_8_bit", BANDS_SWAPPED]);
    }
}
