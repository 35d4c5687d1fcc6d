//! From a scene's file to its logits.

use std::future::Future;
use std::ops::ControlFlow;

use raremap_model::Card;
use raremap_raster::{CrsKind, GeoReference, GeoTiff, RangeSource, Samples, Window};

use crate::areas::{Ellipsoid, Ground, PixelAreas};
use crate::error::InferError;
use crate::logits::SceneLogits;
use crate::memory::SceneInMemory;
use crate::network::TileModel;
use crate::normalize::Normalizer;
use crate::opacity::Opacity;
use crate::plan::{Tile, TilePlan, Tiling, reflect};

/// Samples that are read and normalized at a time, at most: about 64 MB. A tile is always read whole.
const STRIP_SAMPLES: usize = 16 << 20;

/// How to run a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOptions {
    /// Tile size and overlap.
    pub tiling: Tiling,
    /// Scene band, from 0, of each of the card's scene bands, in its order.
    pub bands: Vec<usize>,
    /// Most bytes that the logits may take.
    pub max_bytes: u64,
}

impl RunOptions {
    /// Default tiling, at most 1.5 GiB of logits: what fits into a browser's 32-bit memory beside the rest.
    pub fn new(bands: Vec<usize>) -> Self {
        Self {
            tiling: Tiling::default(),
            bands,
            max_bytes: 3 << 29,
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Tiles run.
    pub done: usize,
    /// Tiles in all.
    pub total: usize,
    /// The last tile run.
    pub tile: Tile,
}

/// What a run calls between tiles.
pub trait RunHooks {
    /// Called after each tile, with all that is known so far. The future may wait, as a worker does that reads its messages;
    /// `Break` ends the run.
    fn after_tile(&mut self, progress: Progress, partial: &SceneLogits) -> impl Future<Output = ControlFlow<()>>;
}

/// For callers that want neither progress nor cancelling.
impl RunHooks for () {
    async fn after_tile(&mut self, _: Progress, _: &SceneLogits) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Runs a network over a scene, tile by tile. A run that the hooks end gives what is there: see [`SceneLogits::is_complete`].
///
/// # Errors
/// [`InferError`] for a scene that cannot be read, is too large or has too few bands, and for a network that fails.
pub async fn run_scene<S: RangeSource>(
    scene: &GeoTiff<S>,
    model: &impl TileModel,
    card: &Card,
    options: &RunOptions,
    hooks: &mut impl RunHooks,
) -> Result<SceneLogits, InferError> {
    let info = scene.info();
    let size = [info.height as usize, info.width as usize];
    let plan = plan(size, card, options)?;
    let opacity = Opacity::of(scene, &options.bands).await?;
    let source = FileWindows {
        scene,
        bands: opacity.bands_to_read(&options.bands),
        opacity,
        judged: options.bands.len(),
    };
    let areas = pixel_areas(info.georeference.as_ref());
    run_windows(&source, &plan, model, card, areas, hooks).await
}

/// Runs a network over a scene that is in memory, as [`run_scene`] does over a file's. Areas are unknown.
///
/// # Errors
/// As [`run_scene`], and [`InferError::Misuse`] for a scene whose lengths do not agree.
pub async fn run_in_memory(
    scene: &SceneInMemory<'_>,
    model: &impl TileModel,
    card: &Card,
    options: &RunOptions,
    hooks: &mut impl RunHooks,
) -> Result<SceneLogits, InferError> {
    scene.check(&options.bands, &card.scene_bands())?;
    let plan = plan(scene.size, card, options)?;
    let source = MemoryWindows {
        scene,
        bands: &options.bands,
    };
    run_windows(&source, &plan, model, card, PixelAreas::Unknown, hooks).await
}

/// The windows of a scene of `size`, once the options are known to fit it and the card.
fn plan(size: [usize; 2], card: &Card, options: &RunOptions) -> Result<TilePlan, InferError> {
    let plan = TilePlan::new(size, options.tiling, card.architecture.cell_px())?;
    let needed_bytes = SceneLogits::needed_bytes(&plan, card);
    if needed_bytes > options.max_bytes {
        let [height, width] = size;
        return Err(InferError::Limit {
            width,
            height,
            needed_bytes,
            limit_bytes: options.max_bytes,
        });
    }
    let needed = card.scene_bands();
    if options.bands.len() != needed.len() {
        let (given, needed) = (options.bands.len(), needed.join(", "));
        return Err(InferError::Misuse(format!(
            "{given} bands were assigned, the model needs {needed}"
        )));
    }
    Ok(plan)
}

async fn run_windows(
    source: &impl Windows,
    plan: &TilePlan,
    model: &impl TileModel,
    card: &Card,
    areas: PixelAreas,
    hooks: &mut impl RunHooks,
) -> Result<SceneLogits, InferError> {
    let reader = StripReader {
        source,
        normalizer: Normalizer::new(&card.bands)?,
        size: plan.scene,
    };
    let mut logits = SceneLogits::new(plan, card, areas)?;
    let mut done = 0;
    for &y in &plan.row_origins {
        for origins in column_groups(plan, source.bands().max(reader.normalizer.channels())) {
            let strip = reader.read(plan, y, origins, &mut logits).await?;
            for &x in origins {
                let tile = plan.tile_at(y, x);
                let output = model.forward_tile(strip.cut(tile), tile.height, tile.width).await?;
                logits.add_tile(tile, &output.main, &output.auxiliary)?;
                done += 1;
                let progress = Progress {
                    done,
                    total: plan.len(),
                    tile,
                };
                if hooks.after_tile(progress, &logits).await.is_break() {
                    return Ok(logits);
                }
            }
        }
    }
    Ok(logits)
}

/// Pixel areas of a scene: of its own ellipsoid and units, unknown where the file leaves them open.
pub fn pixel_areas(georeference: Option<&GeoReference>) -> PixelAreas {
    let Some(GeoReference {
        model_from_pixel: m,
        crs,
        ..
    }) = georeference
    else {
        return PixelAreas::Unknown;
    };
    let ground = match (crs.kind, crs.epsg) {
        (CrsKind::Projected, Some(3857)) => Some(Ground::WebMercator),
        (CrsKind::Projected, _) => crs.linear_unit_m.map(|unit_m| Ground::Projected { unit_m }),
        (CrsKind::Geographic, _) => crs.angular_unit_rad.map(|unit_rad| Ground::Geographic {
            unit_rad,
            ellipsoid: Ellipsoid {
                semi_major_axis_m: crs.semi_major_axis_m,
                inverse_flattening: crs.inverse_flattening,
            },
        }),
        (CrsKind::Geocentric | CrsKind::Unknown, _) => None,
    };
    ground.map_or(PixelAreas::Unknown, |ground| {
        PixelAreas::new([m.a, m.b, m.c, m.d, m.e, m.f], ground)
    })
}

/// Splits a row of windows into runs whose strip stays within [`STRIP_SAMPLES`].
///
/// Whole rows are read at once where they fit: files in strips would otherwise be decoded once per window.
fn column_groups(plan: &TilePlan, channels: usize) -> impl Iterator<Item = &[usize]> {
    let [height, width] = plan.tile;
    let most_columns = (STRIP_SAMPLES / (height * channels.max(1))).max(width);
    let mut rest = plan.column_origins.as_slice();
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        let count = rest
            .iter()
            .take_while(|origin| *origin + width - first <= most_columns)
            .count()
            .max(1);
        let (group, after) = rest.split_at(count);
        rest = after;
        Some(group)
    })
}

/// Where a run's windows come from.
trait Windows {
    /// Bands that are read at a time.
    fn bands(&self) -> usize;

    /// The card's scene bands, in its order, of a window inside the scene.
    async fn read(&self, window: Window) -> Result<Samples, InferError>;
}

struct FileWindows<'a, S> {
    scene: &'a GeoTiff<S>,
    bands: Vec<usize>,
    opacity: Opacity,
    /// Bands that a nodata value of 0 is judged by.
    judged: usize,
}

impl<S: RangeSource> Windows for FileWindows<'_, S> {
    fn bands(&self) -> usize {
        self.bands.len()
    }

    async fn read(&self, window: Window) -> Result<Samples, InferError> {
        let mut samples = self.scene.read_window(window, &self.bands).await?;
        self.opacity.apply(&mut samples, self.judged);
        Ok(samples)
    }
}

struct MemoryWindows<'a> {
    scene: &'a SceneInMemory<'a>,
    bands: &'a [usize],
}

impl Windows for MemoryWindows<'_> {
    fn bands(&self) -> usize {
        self.bands.len()
    }

    async fn read(&self, window: Window) -> Result<Samples, InferError> {
        Ok(self.scene.read_window(window, self.bands))
    }
}

struct StripReader<'a, W> {
    source: &'a W,
    normalizer: Normalizer,
    size: [usize; 2],
}

impl<W: Windows> StripReader<'_, W> {
    /// Reads and normalizes the part of a row of windows that lies inside the scene, and notes which pixels are valid.
    async fn read(
        &self,
        plan: &TilePlan,
        y: usize,
        origins: &[usize],
        logits: &mut SceneLogits,
    ) -> Result<Strip, InferError> {
        let [height, width] = self.size;
        let (first, last) = (
            origins.first().copied().unwrap_or(0),
            origins.last().copied().unwrap_or(0),
        );
        let rows = plan.tile[0].min(height - y);
        let columns = (last + plan.tile[1]).min(width) - first;
        // Sizes come from the file's u32 fields.
        let window = Window {
            x: first as u32,
            y: y as u32,
            width: columns as u32,
            height: rows as u32,
        };
        let Samples { values, valid, .. } = self.source.read(window).await?;
        for (index, _) in valid.iter().enumerate().filter(|(_, valid)| **valid) {
            logits.validity.insert(y + index / columns, first + index % columns);
        }
        let values = self.normalizer.normalize(&values, &valid)?;
        Ok(Strip {
            values,
            origin: [y, first],
            size: [rows, columns],
        })
    }
}

/// Normalized channels of a part of the scene.
struct Strip {
    /// `[channels, rows, columns]`
    values: Vec<f32>,
    origin: [usize; 2],
    size: [usize; 2],
}

impl Strip {
    /// A window's channels, reflected where it reaches over the strip: that is where the scene ends.
    fn cut(&self, tile: Tile) -> Vec<f32> {
        let [rows, columns] = self.size;
        let source = |first: usize, count: usize, limit: usize| -> Vec<usize> {
            let inside = (limit - first).min(count);
            (0..count).map(|index| first + reflect(index, inside)).collect()
        };
        let from_rows = source(tile.y - self.origin[0], tile.height, rows);
        let from_columns = source(tile.x - self.origin[1], tile.width, columns);
        let mut output = Vec::with_capacity(self.values.len() / (rows * columns) * tile.width * tile.height);
        for plane in self.values.chunks_exact(rows * columns) {
            for row in &from_rows {
                let row = &plane[row * columns..][..columns];
                output.extend(from_columns.iter().map(|column| row[*column]));
            }
        }
        output
    }
}
