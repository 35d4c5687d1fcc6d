//! Finds an empty border that nothing marks: pixels that are 0 in all bands and connected to the edge of the scene, as warping leaves them.

mod cells;
mod runs;

use crate::error::SceneError;
use crate::scene::{Scene, SceneInfo};
use cells::Cells;
use raremap_tiff::Window;
use raremap_tiff::{SampleType, Samples};
use runs::Runs;

/// Scenes of at most this many pixels are read completely. Larger ones are first sampled along their edges, and then looked at as a preview:
/// reading 2 GB for their border would take longer than everything else that opening does.
const SMALL_PX: u64 = 4 << 20;
/// Places that are sampled along the left and the right edge of a large scene.
const EDGE_PLACES: u32 = 64;
/// Samples that are read at a time.
const READ_SAMPLES: usize = 3 << 20;

/// The empty border of a scene.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Collar {
    /// To the pixel.
    Runs(Runs),
    /// Where pixels of 0 count as border.
    Cells(Cells),
}

impl Collar {
    /// Finds the border of a scene; `None` if it has none.
    pub(super) async fn find(scene: &impl Scene) -> Result<Option<Self>, SceneError> {
        let info = scene.scene_info();
        let judge = Judge::new(info);
        if u64::from(info.width) * u64::from(info.height) <= SMALL_PX {
            return Ok(Runs::find(scene, &judge).await?.map(Collar::Runs));
        }
        if !has_zero_at_edge(scene, &judge).await? {
            return Ok(None);
        }
        Ok(Some(Collar::Cells(Cells::find(scene, judge).await?)))
    }

    /// How large the border is, as the start of a sentence.
    pub(super) fn extent(&self) -> String {
        match self {
            Collar::Runs(runs) => format!("{} pixels along the edge of the scene are", runs.pixels),
            Collar::Cells(cells) if cells.percent >= 0.1 => {
                format!("About {:.1}% of the scene, along its edge, is", cells.percent)
            }
            Collar::Cells(_) => "A narrow part of the scene, along its edge, is".to_owned(),
        }
    }

    /// Marks the samples of a window that lie in the border as invalid; `bands` are those of the samples.
    pub(super) fn apply(&self, window: Window, bands: &[usize], samples: &mut Samples) {
        match self {
            Collar::Runs(runs) => runs.apply(window, samples),
            Collar::Cells(cells) => cells.apply(window, bands, samples),
        }
    }

    /// Does the same for a preview, each of whose pixels stands for many, of which one was read.
    pub(super) fn apply_to_preview(&self, bands: &[usize], samples: &mut Samples) {
        match self {
            Collar::Runs(runs) => runs.apply_to_preview(samples),
            Collar::Cells(cells) => cells.apply_to_preview(bands, samples),
        }
    }
}

/// What makes a pixel empty.
#[derive(Debug, Clone, PartialEq)]
struct Judge {
    bands: Vec<usize>,
    /// Position of the opacity band, if there is one, and its value for full opacity: a border may be opaque, too.
    opaque: Option<(usize, f32)>,
}

impl Judge {
    fn new(info: &SceneInfo) -> Self {
        let full = match info.sample_type {
            SampleType::U8 | SampleType::U16 => 2f32.powi(i32::from(info.bits_per_sample)) - 1.0,
            _ => 1.0,
        };
        Self {
            bands: (0..info.band_count()).collect(),
            opaque: info
                .alpha_band
                .filter(|_| info.band_count() > 1)
                .map(|alpha| (alpha, full)),
        }
    }

    /// Which pixels of samples are empty; `bands` are those of the samples.
    fn empty(&self, bands: &[usize], samples: &Samples) -> Vec<bool> {
        let pixels = samples.valid.len();
        let mut empty = vec![true; pixels];
        for (band, plane) in bands.iter().zip(samples.values.chunks_exact(pixels.max(1))) {
            let full = self.opaque.filter(|(alpha, _)| alpha == band).map(|(_, full)| full);
            for (empty, value) in empty.iter_mut().zip(plane) {
                *empty &= *value == 0.0 || Some(*value) == full;
            }
        }
        empty
    }
}

/// Samples the first and the last row, and places along the sides.
async fn has_zero_at_edge(scene: &impl Scene, judge: &Judge) -> Result<bool, SceneError> {
    let info = scene.scene_info();
    let (width, height) = (info.width, info.height);
    let columns = (READ_SAMPLES / judge.bands.len().max(1)).clamp(1, width as usize) as u32;
    let along = |y: u32| {
        (0..width).step_by(columns as usize).map(move |x| Window {
            x,
            y,
            width: columns.min(width - x),
            height: 1,
        })
    };
    let places = (0..EDGE_PLACES)
        .map(|place| ((2 * u64::from(place) + 1) * u64::from(height) / (2 * u64::from(EDGE_PLACES))) as u32);
    let sides = places.flat_map(|y| {
        [0, width - 1].map(|x| Window {
            x,
            y,
            width: 1,
            height: 1,
        })
    });
    for window in along(0).chain(along(height - 1)).chain(sides) {
        let samples = scene.read_window(window, &judge.bands).await?;
        if judge.empty(&judge.bands, &samples).contains(&true) {
            return Ok(true);
        }
    }
    Ok(false)
}
