//! Turns a scene into its logits.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use raremap_geo::{PixelAreas, pixel_areas, pixel_metres};
use raremap_io::{MemoryScratch, Scratch};
use raremap_model::{Card, TileError, TileLogits, TileModel};
use raremap_scene::{AxisGrid, Kernel, Notice, Resampled, Scene};
use raremap_tiff::{Samples, Window};

use crate::error::InferError;
use crate::fit::matching::Matching;
use crate::fit::opacity::{Opacity, Opaque};
use crate::fit::optional::about_missing;
use crate::fit::scaling::RATIOS;
use crate::run::logits::SceneLogits;
use crate::run::memory::SceneInMemory;
use crate::run::normalize::{Normalizer, SceneTraits};
use crate::run::plan::{Tile, TilePlan, Tiling, reflect};
use crate::run::windows::{MemoryWindows, ResampledWindows, SceneWindows, Windows};

/// At most this many samples are read and normalized at a time, with 4 bytes each before and 4 after. A tile is always read whole.
const STRIP_SAMPLES: usize = 3 << 20;

/// How to run a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOptions {
    /// Tile size and overlap.
    pub tiling: Tiling,
    /// Scene band, from 0, of each of the card's scene bands, in its order.
    pub bands: Vec<usize>,
    /// Most bytes of logits that are kept in memory: more go to the [scratch of the hooks](RunHooks::scratch).
    pub max_logit_bytes_in_memory: u64,
    /// Scene pixels per pixel of the grid that the network runs on, along columns and along rows of pixels; `None` runs it on the scene's
    /// own grid. Results are on the scene's own grid in any case.
    pub resample: Option<[f64; 2]>,
    /// How values are changed before the network sees them.
    pub matching: Option<Matching>,
    /// Metres per pixel, instead of those that the scene's place says. A network may be told them.
    pub ground_resolution_m: Option<f64>,
}

impl RunOptions {
    /// Default tiling, and at most 1.5 GiB of logits in memory, which fits into a browser's 32-bit memory beside everything else.
    pub fn new(bands: Vec<usize>) -> Self {
        Self {
            tiling: Tiling::default(),
            bands,
            max_logit_bytes_in_memory: 3 << 29,
            resample: None,
            matching: None,
            ground_resolution_m: None,
        }
    }

    /// Metres per pixel of a scene with these areas and of `[height, width]` pixels.
    fn metres(&self, areas: &PixelAreas, [height, width]: [usize; 2]) -> Option<f64> {
        self.ground_resolution_m
            .or_else(|| areas.pixel_ha(height / 2, width / 2).map(pixel_metres))
    }

    /// What the run does to the scene, for people and for the metadata of files.
    pub fn notices(&self, card: &Card) -> Vec<Notice> {
        let resampled = self.resample.map(|[rows, columns]| Notice {
            code: "scene_resampled",
            message: format!(
                "The scene is run at the model's resolution of {} m, where {columns:.3} x {rows:.3} of its pixels are one. Results are on the scene's own grid.",
                card.ground_resolution_m
            ),
        });
        let matched = self.matching.as_ref().map(|matching| Notice {
            code: "values_matched",
            message: matching.message.clone(),
        });
        let missing = about_missing(card);
        resampled.into_iter().chain(matched).chain(missing).collect()
    }
}

/// Longer side of the preview that statistics are taken from.
const PREVIEW_PX: u32 = 512;

/// Reads the whole scene at a small size: `bands` in their order, for [`crate::compare_statistics`] and [`crate::match_statistics`].
///
/// # Errors
/// As [`Scene::read_preview`].
pub async fn preview_for_statistics(scene: &impl Scene, bands: &[usize]) -> Result<Samples, InferError> {
    let opacity = Opacity::of(scene, bands).await?;
    let mut preview = scene.read_preview(PREVIEW_PX, &opacity.bands_to_read(bands)).await?;
    opacity.apply(&mut preview, bands.len());
    Ok(preview)
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Number of tiles that were run.
    pub done: usize,
    /// Number of all tiles.
    pub total: usize,
    /// The tile that was run last.
    pub tile: Tile,
}

/// What a run calls between tiles.
pub trait RunHooks {
    /// Called after each tile, with all results so far. The future may wait, as in a worker that reads its messages; `Break` ends the run.
    fn after_tile(&mut self, progress: Progress, partial: &SceneLogits) -> impl Future<Output = ControlFlow<()>>;

    /// Returns an empty scratch for the logits of a scene that take `needed_bytes`, more than [`RunOptions::max_logit_bytes_in_memory`]. Without one, the
    /// scene is refused, which is the default.
    fn scratch(&mut self, needed_bytes: u64) -> impl Future<Output = Result<Option<Box<dyn Scratch>>, InferError>> {
        let _ = needed_bytes;
        async { Ok(None) }
    }
}

/// For callers that need neither progress nor cancelling.
impl RunHooks for () {
    async fn after_tile(&mut self, _: Progress, _: &SceneLogits) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Runs a network over a scene, tile by tile. If the hooks end the run, it returns what is there: see [`SceneLogits::is_complete`].
///
/// # Errors
/// [`InferError`] for a scene that cannot be read, is too large or has too few bands, and for a network or a scratch that fails.
pub async fn run_scene(
    scene: &impl Scene,
    model: &impl TileModel,
    card: &Card,
    options: &RunOptions,
    hooks: &mut impl RunHooks,
) -> Result<SceneLogits, InferError> {
    let info = scene.scene_info();
    let size = [info.height, info.width];
    let own_size = size.map(|size| size as usize);
    let bands = &options.bands;
    let Some(ratios) = options.resample else {
        let plan = plan(own_size, card, options)?;
        return run_plan(scene, &plan, model, card, options, hooks).await;
    };
    let areas = pixel_areas(info.georeference.as_ref(), size);
    let [along_rows, along_columns] = ratios;
    let metres = options
        .metres(&areas, own_size)
        .map(|metres| metres * (along_rows * along_columns).sqrt());
    let values = Values::of(card, options, metres);
    let seen = Opaque {
        scene,
        opacity: Opacity::of(scene, bands).await?,
    };
    if !ratios.iter().all(|ratio| RATIOS.contains(ratio)) {
        let (finest, coarsest) = (RATIOS.start(), RATIOS.end());
        return Err(InferError::Misuse(format!(
            "the scene cannot be resampled by {ratios:?}: from {finest} to {coarsest} of its pixels can become one"
        )));
    }
    let [rows, columns] = [0, 1].map(|axis| AxisGrid::of_ratio(size[axis], ratios[axis]));
    let resampled = Resampled::new(&seen, rows, columns, Kernel::Cubic)?;
    let plan = plan([rows.count as usize, columns.count as usize], card, options)?;
    let scratch = scratch(&plan, card, options, hooks).await?;
    let logits = SceneLogits::new(&plan, card, areas, scratch)?.on_grid(own_size, ratios);
    let source = ResampledWindows {
        seen: SceneWindows {
            scene: &resampled,
            bands,
        },
        own: &seen,
        own_size,
        rows_per_row: ratios[0],
    };
    run_windows(&source, &plan, model, card, values, logits, hooks).await
}

/// Runs the windows of a plan over a scene of its size, on the scene's own grid. With the plan of [`TilePlan::part`] and a scene that consists
/// of that part's pixels, a block of a larger scene comes out as it does when all of the scene is run.
///
/// # Errors
/// Those of [`run_scene`], and [`InferError::Misuse`] for a plan of another size.
pub async fn run_plan(
    scene: &impl Scene,
    plan: &TilePlan,
    model: &impl TileModel,
    card: &Card,
    options: &RunOptions,
    hooks: &mut impl RunHooks,
) -> Result<SceneLogits, InferError> {
    let info = scene.scene_info();
    let size = [info.height, info.width];
    if plan.scene != size.map(|size| size as usize) {
        return Err(InferError::Misuse(format!(
            "the plan is for {:?} pixels, but the scene has {size:?}",
            plan.scene
        )));
    }
    let areas = pixel_areas(info.georeference.as_ref(), size);
    let values = Values::of(card, options, options.metres(&areas, plan.scene));
    let seen = Opaque {
        scene,
        opacity: Opacity::of(scene, &options.bands).await?,
    };
    let scratch = scratch(plan, card, options, hooks).await?;
    let logits = SceneLogits::new(plan, card, areas, scratch)?;
    let source = SceneWindows {
        scene: &seen,
        bands: &options.bands,
    };
    run_windows(&source, plan, model, card, values, logits, hooks).await
}

/// Runs a network over a scene in memory, as [`run_scene`] does over one that is read window by window. Areas are unknown.
///
/// # Errors
/// Those of [`run_scene`], and [`InferError::Misuse`] for a scene whose lengths do not agree.
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
    let values = Values::of(card, options, options.ground_resolution_m);
    let scratch = scratch(&plan, card, options, hooks).await?;
    let logits = SceneLogits::new(&plan, card, PixelAreas::Unknown, scratch)?;
    run_windows(&source, &plan, model, card, values, logits, hooks).await
}

/// The windows of a scene of `size`, after a check that the options fit it and the card.
fn plan(size: [usize; 2], card: &Card, options: &RunOptions) -> Result<TilePlan, InferError> {
    let plan = TilePlan::new(size, options.tiling, card.architecture.cell_px())?;
    let needed = card.scene_bands();
    if options.bands.len() != needed.len() {
        let (given, needed) = (options.bands.len(), needed.join(", "));
        return Err(InferError::Misuse(format!(
            "{given} bands were assigned, but the model needs {needed}"
        )));
    }
    Ok(plan)
}

/// Chooses where the logits go: into memory as long as they fit.
async fn scratch(
    plan: &TilePlan,
    card: &Card,
    options: &RunOptions,
    hooks: &mut impl RunHooks,
) -> Result<Box<dyn Scratch>, InferError> {
    let needed_bytes = SceneLogits::scratch_bytes(plan, card);
    if needed_bytes <= options.max_logit_bytes_in_memory {
        return Ok(Box::new(MemoryScratch::with_room(needed_bytes)?));
    }
    let [height, width] = plan.scene;
    hooks.scratch(needed_bytes).await?.ok_or(InferError::Limit {
        width,
        height,
        needed_bytes,
        limit_bytes: options.max_logit_bytes_in_memory,
    })
}

/// How the numbers of a scene become those of the network.
#[derive(Clone, Copy)]
struct Values<'a> {
    matching: Option<&'a Matching>,
    traits: SceneTraits,
}

impl<'a> Values<'a> {
    fn of(card: &Card, options: &'a RunOptions, ground_resolution_m: Option<f64>) -> Self {
        let matching = options.matching.as_ref();
        Self {
            matching,
            traits: SceneTraits::of(card, matching, ground_resolution_m),
        }
    }
}

async fn run_windows(
    source: &impl Windows,
    plan: &TilePlan,
    model: &impl TileModel,
    card: &Card,
    values: Values<'_>,
    mut logits: SceneLogits,
    hooks: &mut impl RunHooks,
) -> Result<SceneLogits, InferError> {
    let reader = StripReader {
        source,
        normalizer: Normalizer::new(&card.bands)?,
        values,
        size: plan.scene,
    };
    let mut running = RunningTiles::new(model, plan.len());
    let mut known_rows = 0;
    for &y in &plan.row_origins {
        if source.keeps_validity() {
            logits.validity.pack(y);
        } else {
            logits.validity.pack(known_rows);
            known_rows = source.find_validity(known_rows, y + plan.tile[0], &mut logits).await?;
        }
        for origins in column_groups(plan, source.bands().max(reader.normalizer.channels())) {
            let strip = reader.read(plan, y, origins, &mut logits).await?;
            for &x in origins {
                let tile = plan.tile_at(y, x);
                // Scenes are often turned in their grids, so that a third of the windows lies beside the swath.
                running.push(tile, logits.has_data(tile).then(|| strip.cut(tile)));
                while running.is_full() {
                    if running.finish_first(&mut logits, hooks).await?.is_break() {
                        return Ok(logits);
                    }
                }
            }
        }
    }
    while !running.is_empty() {
        if running.finish_first(&mut logits, hooks).await?.is_break() {
            break;
        }
    }
    Ok(logits)
}

type TileFuture<'m> = Pin<Box<dyn Future<Output = Result<Option<TileLogits>, TileError>> + 'm>>;

/// A tile, until it is blended.
enum RunningTile<'m> {
    Computing(TileFuture<'m>),
    Computed(Result<Option<TileLogits>, TileError>),
}

impl RunningTile<'_> {
    fn poll(&mut self, context: &mut Context<'_>) {
        if let Self::Computing(future) = self
            && let Poll::Ready(logits) = future.as_mut().poll(context)
        {
            *self = Self::Computed(logits);
        }
    }
}

/// Tiles that the network is computing. They are blended in the order of the plan, whichever is finished first, so that the result is the same
/// bit for bit.
///
/// futures-util has such a queue, but would switch on a feature of futures-core that nothing else needs, and burn be compiled twice.
struct RunningTiles<'m, M> {
    model: &'m M,
    tiles: VecDeque<(Tile, RunningTile<'m>)>,
    done: usize,
    total: usize,
}

impl<'m, M: TileModel> RunningTiles<'m, M> {
    fn new(model: &'m M, total: usize) -> Self {
        Self {
            model,
            tiles: VecDeque::new(),
            done: 0,
            total,
        }
    }

    fn is_empty(&self) -> bool {
        self.tiles.is_empty()
    }

    fn is_full(&self) -> bool {
        self.tiles.len() >= self.model.tiles_at_once().max(1)
    }

    /// Takes the next tile, with its channels if any of its pixels has data.
    fn push(&mut self, tile: Tile, input: Option<Vec<f32>>) {
        let model = self.model;
        let running = match input {
            Some(input) => RunningTile::Computing(Box::pin(async move {
                model.forward_tile(input, tile.height, tile.width).await.map(Some)
            })),
            None => RunningTile::Computed(Ok(None)),
        };
        self.tiles.push_back((tile, running));
    }

    /// Waits for the first tile of those that run, and blends it.
    async fn finish_first(
        &mut self,
        logits: &mut SceneLogits,
        hooks: &mut impl RunHooks,
    ) -> Result<ControlFlow<()>, InferError> {
        let finished = poll_fn(|context| {
            for (_, tile) in &mut self.tiles {
                tile.poll(context);
            }
            let is_first_pending = matches!(self.tiles.front(), Some((_, RunningTile::Computing(_))));
            match is_first_pending {
                true => Poll::Pending,
                false => Poll::Ready(self.tiles.pop_front()),
            }
        });
        let Some((tile, RunningTile::Computed(output))) = finished.await else {
            return Ok(ControlFlow::Continue(()));
        };
        match output? {
            Some(output) => logits.add_tile(tile, &output.main, &output.auxiliary)?,
            None => logits.skip_tile(tile)?,
        }
        self.done += 1;
        let progress = Progress {
            done: self.done,
            total: self.total,
            tile,
        };
        Ok(hooks.after_tile(progress, logits).await)
    }
}

/// Splits a row of windows into groups whose strip stays within [`STRIP_SAMPLES`].
///
/// As many windows as fit are read at once: the blocks of a file in strips are as wide as the scene, and blocks that the reader's cache
/// does not hold are decoded once for each group.
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

struct StripReader<'a, W> {
    source: &'a W,
    normalizer: Normalizer,
    values: Values<'a>,
    size: [usize; 2],
}

impl<W: Windows> StripReader<'_, W> {
    /// Reads and normalizes the part of a row of windows that lies inside the scene, and records which pixels are valid.
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
        let mut samples = self.source.read(window).await?;
        if let Some(matching) = self.values.matching {
            matching.apply(&mut samples);
        }
        let Samples { values, valid, .. } = samples;
        let kept = valid
            .iter()
            .enumerate()
            .filter(|(_, valid)| self.source.keeps_validity() && **valid);
        for (index, _) in kept {
            logits.validity.insert(y + index / columns, first + index % columns);
        }
        let values = self.normalizer.normalize(&values, &valid, &self.values.traits)?;
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
    /// A window's channels, reflected where the window reaches over the strip, which is where the scene ends.
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
