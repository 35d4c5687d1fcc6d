//! An open file, and what the page says about it.

use std::cell::Cell;

use raremap_geo::{Affine, Crs, CrsKind};
use raremap_infer::{Certainty, MatchMode, Opacity, Warning, compare_statistics, guess_bands, match_statistics};
use raremap_model::Card;
use raremap_output::SceneName;
use raremap_scene::{Scene as _, SceneInfo};
use raremap_tiff::{SampleType, Samples, Window};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::error::SessionError;
use crate::picture::{Picture, Stretch, paint_samples};
use crate::source::SceneImage;

/// A scene that has been opened.
pub struct Scene {
    /// The name of its file, folder or archive.
    pub name: SceneName,
    /// Its pixels.
    pub image: SceneImage,
    /// What could not be done with its numbers.
    pub doubts: Vec<Warning>,
    /// How it was last drawn.
    shown: Cell<Option<Shown>>,
}

/// Bands for red, green and blue, and how their values become levels.
#[derive(Debug, Clone, Copy)]
struct Shown {
    bands: [usize; 3],
    stretches: [Stretch; 3],
    opacity: Opacity,
}

/// The scene as the page shows it before the run.
#[wasm_bindgen]
pub struct Preview {
    picture: Cell<Option<Picture>>,
    note: String,
    warnings: String,
    matching: Option<String>,
}

#[wasm_bindgen]
impl Preview {
    /// The picture; nothing the second time.
    #[wasm_bindgen(js_name = takePicture)]
    pub fn take_picture(&self) -> Option<Picture> {
        self.picture.take()
    }

    /// How its colours came about, in words.
    #[wasm_bindgen(getter)]
    pub fn note(&self) -> String {
        self.note.clone()
    }

    /// How the values could be made like those of training, in words; nothing if they need not be.
    #[wasm_bindgen(getter)]
    pub fn matching(&self) -> Option<String> {
        self.matching.clone()
    }

    /// What does not fit the model's training data, as a JSON list of `{code, message}`.
    #[wasm_bindgen(getter)]
    pub fn warnings(&self) -> String {
        self.warnings.clone()
    }
}

/// The facts that the page lists.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SceneFacts {
    name: String,
    width: u32,
    height: u32,
    bands: Vec<SceneBand>,
    sample_type: &'static str,
    crs: Option<String>,
    resolution: Option<String>,
}

#[derive(Serialize)]
struct SceneBand {
    index: usize,
    name: Option<String>,
}

impl Scene {
    /// Of what was opened.
    pub fn new(name: SceneName, image: SceneImage, doubts: Vec<Warning>) -> Self {
        Self {
            name,
            image,
            doubts,
            shown: Cell::new(None),
        }
    }

    /// What there is to say before the run.
    pub fn facts(&self) -> SceneFacts {
        let info = self.image.scene_info();
        let names = info.band_names.iter().enumerate();
        SceneFacts {
            name: self.name.name(),
            width: info.width,
            height: info.height,
            bands: names
                .map(|(index, name)| SceneBand {
                    index,
                    name: name.clone(),
                })
                .collect(),
            sample_type: sample_type_name(info.sample_type),
            crs: info.georeference.as_ref().map(|place| crs_name(&place.crs)),
            resolution: resolution_text(info),
        }
    }

    /// Draws the whole scene with no side longer than `max_px`; `bands` (0-based) stand for the scene bands of `card`, in its order.
    ///
    /// # Errors
    /// Damaged blocks, a band that does not exist, or a file that changed.
    pub async fn preview(&self, card: &Card, bands: &[usize], max_px: u32) -> Result<Preview, SessionError> {
        let needed = card.scene_bands();
        if bands.len() != needed.len() {
            return Err(SessionError::misuse(format!(
                "{} bands are assigned, but the model needs {}",
                bands.len(),
                needed.len()
            )));
        }
        let (shown, note) = self.choose_colors(&needed, bands);
        let opacity = Opacity::of(&self.image, bands).await?;
        let read = opacity.bands_to_read(&[bands, &shown].concat());
        let mut samples = self.image.read_preview(max_px, &read).await?;
        opacity.apply(&mut samples, bands.len());
        let pixels = samples.width * samples.height;
        let colors = samples.values.split_off(bands.len() * pixels);
        samples.bands = bands.len();
        let warnings = compare_statistics(&samples, card);
        let matching = match_statistics(&samples, card, MatchMode::Auto).map(|matching| matching.message);
        samples.values = colors;
        samples.bands = shown.len();
        let mut planes = samples.values.chunks_exact(pixels.max(1));
        let stretches = [(); 3].map(|()| Stretch::of(planes.next().unwrap_or_default(), &samples.valid));
        self.shown.set(Some(Shown {
            bands: shown,
            stretches,
            opacity,
        }));
        let picture = Picture::with_extent(samples.width, samples.height, self.preview_extent(&samples));
        Ok(Preview {
            picture: Cell::new(Some(paint_samples(picture, &samples, stretches))),
            note,
            warnings: serde_json::to_string(&warnings)?,
            matching,
        })
    }

    /// Draws a part of the scene, pixel by pixel, in the colours of the last preview.
    ///
    /// # Errors
    /// As [`Scene::preview`], and if there was no preview yet.
    pub async fn detail(&self, x: u32, y: u32, width: u32, height: u32) -> Result<Picture, SessionError> {
        let shown = self
            .shown
            .get()
            .ok_or_else(|| SessionError::misuse("the scene has not been drawn yet"))?;
        let read = shown.opacity.bands_to_read(&shown.bands);
        let mut samples = self.image.read_window(Window { x, y, width, height }, &read).await?;
        shown.opacity.apply(&mut samples, shown.bands.len());
        let extent = [x, y, width, height].map(f64::from);
        let picture = Picture::with_extent(samples.width, samples.height, extent);
        Ok(paint_samples(picture, &samples, shown.stretches))
    }

    /// Natural colours if the file says which band is blue; otherwise near infrared as red, red as green and green as blue.
    fn choose_colors(&self, needed: &[&str], bands: &[usize]) -> ([usize; 3], String) {
        let assigned = |name: &str| {
            needed
                .iter()
                .position(|needed| *needed == name)
                .and_then(|at| bands.get(at))
                .copied()
        };
        let named = guess_bands(self.image.scene_info().into(), &["blue"]).ok();
        let blue = named
            .filter(|guess| guess.certainty == Certainty::Named)
            .and_then(|guess| guess.bands.first().copied())
            .filter(|blue| !bands.contains(blue));
        match (
            assigned("red"),
            assigned("green"),
            blue.or(assigned("blue")),
            assigned("nir"),
        ) {
            (Some(red), Some(green), Some(blue), _) => {
                ([red, green, blue], "The scene is shown in natural colours.".into())
            }
            (Some(red), Some(green), None, Some(nir)) => {
                let note = "Near infrared is shown as red, red as green, and green as blue, so plants look red.";
                ([nir, red, green], note.into())
            }
            _ => {
                let band = |at: usize| bands.get(at).or(bands.last()).copied().unwrap_or(0);
                let shown = [0, 1, 2].map(band);
                (
                    shown,
                    format!(
                        "Bands {}, {} and {} are shown as red, green and blue.",
                        shown[0] + 1,
                        shown[1] + 1,
                        shown[2] + 1
                    ),
                )
            }
        }
    }

    /// Every n-th pixel is read, the middle one of its block; for an overview, the exact blocks are not known.
    fn preview_extent(&self, samples: &Samples) -> [f64; 4] {
        let info = self.image.scene_info();
        let (width, height) = (info.width as usize, info.height as usize);
        let step = width.div_ceil(samples.width.max(1)).max(1);
        let is_decimated = width.div_ceil(step) == samples.width && height.div_ceil(step) == samples.height;
        let size = if is_decimated {
            [samples.width * step, samples.height * step]
        } else {
            [width, height]
        };
        [0.0, 0.0, size[0] as f64, size[1] as f64]
    }
}

fn sample_type_name(sample_type: SampleType) -> &'static str {
    match sample_type {
        SampleType::U8 => "8-bit",
        SampleType::I8 => "8-bit signed",
        SampleType::U16 => "16-bit",
        SampleType::I16 => "16-bit signed",
        SampleType::U32 => "32-bit",
        SampleType::I32 => "32-bit signed",
        SampleType::U64 => "64-bit",
        SampleType::I64 => "64-bit signed",
        SampleType::F16 => "16-bit float",
        SampleType::F32 => "32-bit float",
        SampleType::F64 => "64-bit float",
    }
}

fn crs_name(crs: &Crs) -> String {
    match (crs.epsg, &crs.name) {
        (Some(epsg), Some(name)) => format!("EPSG:{epsg}, {name}"),
        (Some(epsg), None) => format!("EPSG:{epsg}"),
        (None, Some(name)) => name.clone(),
        (None, None) => "not named".into(),
    }
}

/// The size of a pixel in the units of the map, and in metres if those are degrees.
fn resolution_text(info: &SceneInfo) -> Option<String> {
    let place = info.georeference.as_ref()?;
    let Affine { a, b, d, e, .. } = place.model_from_pixel;
    let (across, down) = (a.hypot(d), b.hypot(e));
    let size = |across: f64, down: f64, unit: &str| {
        if (across - down).abs() < 0.005 * across.max(down) {
            format!("{} {unit}", short(across))
        } else {
            format!("{} x {} {unit}", short(across), short(down))
        }
    };
    match place.crs.kind {
        CrsKind::Projected => {
            let unit_m = place.crs.linear_unit_m.unwrap_or(1.0);
            Some(size(across * unit_m, down * unit_m, "m"))
        }
        CrsKind::Geographic => {
            let (_, latitude) = place
                .model_from_pixel
                .apply(0.5 * f64::from(info.width), 0.5 * f64::from(info.height));
            let radians = place.crs.angular_unit_rad.unwrap_or(1f64.to_radians());
            let unit_m = place.crs.semi_major_axis_m * radians;
            let metres = size(across * unit_m * (latitude * radians).cos(), down * unit_m, "m");
            Some(format!("{}, about {metres}", size(across, down, "degrees")))
        }
        CrsKind::Geocentric | CrsKind::Unknown => Some(size(across, down, "map units")),
    }
}

/// Three significant digits, without trailing zeros.
fn short(value: f64) -> String {
    let digits = if value > 0.0 {
        (2 - value.log10().floor() as i32).clamp(0, 12) as usize
    } else {
        0
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
