//! Shows a scene before the run: in which colours it is drawn, and what does not fit the model.

use raremap_model::Card;
use raremap_scene::{Picture, Scene, SceneInfo, Stretch};
use raremap_tiff::{ColorInterpretation, Samples, Window};

use super::bands::guess_bands;
use super::certainty::Certainty;
use super::matching::{MatchMode, match_statistics};
use super::opacity::Opacity;
use super::statistics::{Warning, compare_statistics};
use crate::error::InferError;

/// How a scene is drawn: its bands for red, green and blue, and how their values become levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Display {
    bands: [usize; 3],
    stretches: [Stretch; 3],
    opacity: Opacity,
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
}

impl Preview {
    /// Reads the whole scene, reduced so that no side is longer than `max_px`. `bands` (0-based) stand for the scene bands of `card`, in
    /// its order; without any, as long as some are not assigned, the scene is shown in its own colours and compared with nothing.
    ///
    /// # Errors
    /// [`InferError::Misuse`] if the number of bands is not the card's, and errors of reading the scene.
    pub async fn of(scene: &impl Scene, card: &Card, bands: &[usize], max_px: u32) -> Result<Self, InferError> {
        let needed = card.scene_bands();
        let is_assigned = !bands.is_empty();
        if is_assigned && bands.len() != needed.len() {
            return Err(InferError::Misuse(format!(
                "{} bands are assigned, but the model needs {}",
                bands.len(),
                needed.len()
            )));
        }
        let info = scene.scene_info();
        let (colors, note) = if is_assigned {
            choose_colors(info, &needed, bands)
        } else {
            own_colors(info)
        };
        let opacity = Opacity::of(scene, bands).await?;
        let read = opacity.bands_to_read(&[bands, &colors].concat());
        let mut samples = scene.read_preview(max_px, &read).await?;
        opacity.apply(&mut samples, if is_assigned { bands.len() } else { colors.len() });
        let pixels = samples.width * samples.height;
        let color_values = samples.values.split_off(bands.len() * pixels);
        samples.bands = bands.len();
        let (warnings, matching) = if is_assigned {
            let matching = match_statistics(&samples, card, MatchMode::Auto).map(|matching| matching.message);
            (compare_statistics(&samples, card), matching)
        } else {
            (Vec::new(), None)
        };
        samples.values = color_values;
        samples.bands = colors.len();
        let mut planes = samples.values.chunks_exact(pixels.max(1));
        let stretches = [(); 3].map(|()| Stretch::of(planes.next().unwrap_or_default(), &samples.valid));
        let extent = preview_extent(info, &samples);
        Ok(Self {
            picture: Picture::of_samples(&samples, stretches, extent),
            note,
            matching,
            warnings,
            display: Display {
                bands: colors,
                stretches,
                opacity,
            },
        })
    }
}

impl Display {
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
