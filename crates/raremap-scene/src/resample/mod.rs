//! Shows a scene on another grid: windows are resampled when they are read.

mod weights;

use crate::error::{Misuse, SceneError};
use crate::scene::{Scene, SceneInfo};
use raremap_geo::Affine;
use raremap_io::checked_len;
use raremap_tiff::Limits;
use raremap_tiff::Samples;
use raremap_tiff::Window;
use weights::{Weights, apply};

/// At most this many samples of the source are held at a time, unless one pixel of the result needs more: 16 MB.
const MAX_SOURCE_SAMPLES: u64 = 4 << 20;
/// A pixel of the result is valid if at least this share of its area is.
const LEAST_VALID_SHARE: f32 = 0.5;
/// Sums of 32-bit weights are exact to this.
const WEIGHT_ERROR: f32 = 1e-4;

/// How values between the source's pixels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// The mean of the source's area below the pixel, for coarser grids.
    Area,
    /// Linear between the two nearest pixel centres of each axis, for finer grids; it stays within the measured values.
    Bilinear,
    /// Cubic convolution (Keys 1981, a = -1/2) of the four nearest pixel centres of each axis, for finer grids; it keeps edges sharp. It is
    /// bilinear where one of these has no data.
    Cubic,
}

/// How the pixels of one axis lie on those of the source: pixel `i` covers `offset_px + i * ratio` to `offset_px + (i + 1) * ratio`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AxisGrid {
    /// How many pixels.
    pub count: u32,
    /// Where the first pixel begins, in source pixels.
    pub offset_px: f64,
    /// Source pixels per pixel: above 1 on a coarser grid.
    pub ratio: f64,
}

impl AxisGrid {
    /// The same extent as that of `size` source pixels, in `count` pixels.
    pub fn stretched(size: u32, count: u32) -> Self {
        Self {
            count,
            offset_px: 0.0,
            ratio: f64::from(size) / f64::from(count.max(1)),
        }
    }

    /// Pixels of `ratio` source pixels, as many as needed to cover `size` of them; the last may reach over the edge.
    pub fn of_ratio(size: u32, ratio: f64) -> Self {
        // Rounding errors of the ratio are no reason for one more pixel; `as` saturates.
        let count = ((f64::from(size) / ratio - 1e-6).ceil() as u32).max(1);
        Self {
            count,
            offset_px: 0.0,
            ratio,
        }
    }

    fn is_identity(&self, size: u32) -> bool {
        self.count == size && self.offset_px == 0.0 && self.ratio == 1.0
    }

    fn kernel(&self, fine: Kernel) -> Kernel {
        if self.ratio > 1.0 { Kernel::Area } else { fine }
    }
}

/// A scene on another grid. Reading a window reads what it needs of the source in bounded pieces; nothing is kept.
///
/// A pixel is valid if at least half of its area is valid in the source; parts beyond the source's edge are not. If only a part is valid,
/// only that part makes the value.
#[derive(Debug)]
pub struct Resampled<S> {
    source: S,
    info: SceneInfo,
    rows: AxisGrid,
    columns: AxisGrid,
    fine: Kernel,
    /// Largest size of the result of one read, in bytes.
    max_window_bytes: u64,
}

impl<S: Scene> Resampled<S> {
    /// Puts the source on the grid of these rows and columns. `fine` is the kernel of axes that are not coarser than the source's; coarser
    /// ones are averaged by area.
    ///
    /// # Errors
    /// [`Misuse::BadGrid`] for a grid without pixels and for a ratio that is not positive and finite.
    pub fn new(source: S, rows: AxisGrid, columns: AxisGrid, fine: Kernel) -> Result<Self, SceneError> {
        for axis in [rows, columns] {
            let is_sound = axis.count > 0 && axis.ratio > 0.0 && axis.ratio.is_finite() && axis.offset_px.is_finite();
            if !is_sound {
                return Err(Misuse::BadGrid {
                    count: axis.count,
                    ratio: axis.ratio,
                }
                .into());
            }
        }
        let old = source.scene_info();
        let georeference = old.georeference.as_ref().and_then(|place| {
            let Affine { a, b, d, e, .. } = place.model_from_pixel;
            let (c, f) = place.model_from_pixel.apply(columns.offset_px, rows.offset_px);
            place.with_model_from_pixel(Affine {
                a: a * columns.ratio,
                b: b * rows.ratio,
                c,
                d: d * columns.ratio,
                e: e * rows.ratio,
                f,
            })
        });
        let info = SceneInfo {
            width: columns.count,
            height: rows.count,
            georeference,
            ..old.clone()
        };
        Ok(Self {
            source,
            info,
            rows,
            columns,
            fine,
            max_window_bytes: Limits::default().max_window_bytes,
        })
    }

    /// Sets other limits than the default ones.
    #[must_use]
    pub fn with_limits(self, limits: &Limits) -> Self {
        Self {
            max_window_bytes: limits.max_window_bytes,
            ..self
        }
    }

    /// The original scene.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// How the rows lie on the source's.
    pub fn rows(&self) -> AxisGrid {
        self.rows
    }

    /// How the columns lie on the source's.
    pub fn columns(&self) -> AxisGrid {
        self.columns
    }

    /// Reads a part of a window that needs few enough source samples, and puts it into its place in the result.
    async fn read_part(&self, part: Part, bands: &[usize], out: &mut Samples) -> Result<(), SceneError> {
        let source = self.source.scene_info();
        let along_rows = |kernel| Weights::new(self.rows, kernel, part.y, part.height, source.height);
        let along_columns = |kernel| Weights::new(self.columns, kernel, part.x, part.width, source.width);
        let both = |fine| {
            (
                along_rows(self.rows.kernel(fine)),
                along_columns(self.columns.kernel(fine)),
            )
        };
        let value = both(self.fine);
        let shares = (
            Weights::shares(self.rows, part.y, part.height, source.height),
            Weights::shares(self.columns, part.x, part.width, source.width),
        );
        let (top, bottom) = value.0.span().join(shares.0.span());
        let (left, right) = value.1.span().join(shares.1.span());
        let window = Window {
            x: left,
            y: top,
            width: right - left,
            height: bottom - top,
        };
        let mut read = self.source.read_window(window, bands).await?;
        let size = [window.height as usize, window.width as usize];
        let weigh =
            |plane: &[f32], (rows, columns): &(Weights, Weights)| apply(plane, size, [top, left], rows, columns);
        let is_whole = read.valid.iter().all(|valid| *valid);
        // This is the share of each pixel's area that has data.
        let ones: Vec<f32> = read.valid.iter().map(|valid| f32::from(u8::from(*valid))).collect();
        let valid = weigh(&ones, &shares).into_iter();
        let valid: Vec<bool> = valid.map(|share| share >= LEAST_VALID_SHARE - WEIGHT_ERROR).collect();
        let width = out.width;
        part.put(&valid, &mut out.valid, width);
        let careful = (!is_whole).then(|| {
            let fine = if self.fine == Kernel::Cubic {
                Kernel::Bilinear
            } else {
                self.fine
            };
            let weights = both(fine);
            let sum = weigh(&ones, &weights);
            (weights, sum)
        });
        let support =
            (!is_whole && self.fine == Kernel::Cubic).then(|| weigh(&ones, &(value.0.support(), value.1.support())));
        let pixels = out.valid.len().max(1);
        let planes = read.values.chunks_exact_mut(ones.len().max(1));
        for (source, target) in planes.zip(out.values.chunks_exact_mut(pixels)) {
            let Some((weights, sum)) = &careful else {
                part.put(&weigh(source, &value), target, width);
                continue;
            };
            for (value, one) in source.iter_mut().zip(&ones) {
                *value = if *one > 0.0 { *value } else { 0.0 };
            }
            let mut values = weigh(source, weights);
            for (value, sum) in values.iter_mut().zip(sum) {
                *value = if *sum > WEIGHT_ERROR { *value / sum } else { 0.0 };
            }
            if let Some(support) = &support {
                let sharp = weigh(source, &value);
                for ((value, sharp), support) in values.iter_mut().zip(&sharp).zip(support) {
                    if *support >= 1.0 - WEIGHT_ERROR {
                        *value = *sharp;
                    }
                }
            }
            part.put(&values, target, width);
        }
        Ok(())
    }

    /// Number of source samples that a part needs.
    fn needed(&self, part: &Part, bands: usize) -> u64 {
        let span = |axis: AxisGrid, count: u32| (f64::from(count) * axis.ratio).ceil() as u64 + 4;
        span(self.rows, part.height)
            .saturating_mul(span(self.columns, part.width))
            .saturating_mul(bands as u64)
    }
}

/// A rectangle of the grid, and where it goes in the result.
#[derive(Debug, Clone, Copy)]
struct Part {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    row: usize,
    column: usize,
}

impl Part {
    /// Writes the part's values into a plane of the result of `width` columns.
    fn put<T: Copy>(&self, values: &[T], plane: &mut [T], width: usize) {
        for (row, values) in values.chunks_exact(self.width.max(1) as usize).enumerate() {
            let start = (self.row + row) * width + self.column;
            if let Some(target) = plane.get_mut(start..start + values.len()) {
                target.copy_from_slice(values);
            }
        }
    }

    /// Splits into two halves: by rows if there are several, because most files are stored in rows.
    fn split(self) -> [Self; 2] {
        if self.height > 1 {
            let upper = self.height / 2;
            let lower = Self {
                y: self.y + upper,
                height: self.height - upper,
                row: self.row + upper as usize,
                ..self
            };
            return [Self { height: upper, ..self }, lower];
        }
        let left = self.width / 2;
        let right = Self {
            x: self.x + left,
            width: self.width - left,
            column: self.column + left as usize,
            ..self
        };
        [Self { width: left, ..self }, right]
    }
}

impl<S: Scene> Scene for Resampled<S> {
    fn scene_info(&self) -> &SceneInfo {
        &self.info
    }

    async fn read_window(&self, window: Window, bands: &[usize]) -> Result<Samples, SceneError> {
        let old = self.source.scene_info();
        if self.rows.is_identity(old.height) && self.columns.is_identity(old.width) {
            return self.source.read_window(window, bands).await;
        }
        let Window { x, y, width, height } = window;
        window.check_inside(self.info.width, self.info.height)?;
        let pixels = u64::from(width) * u64::from(height);
        checked_len(
            "the result of a read",
            pixels.saturating_mul((bands.len() * size_of::<f32>() + 1) as u64),
            self.max_window_bytes,
        )?;
        let mut out = Samples::new(bands.len(), height as usize, width as usize);
        let mut parts = vec![Part {
            x,
            y,
            width,
            height,
            row: 0,
            column: 0,
        }];
        while let Some(part) = parts.pop() {
            if self.needed(&part, bands.len()) > MAX_SOURCE_SAMPLES && (part.width > 1 || part.height > 1) {
                // The last one is taken next, so that upper rows come before lower ones.
                let [first, second] = part.split();
                parts.extend([second, first]);
            } else {
                self.read_part(part, bands, &mut out).await?;
            }
        }
        Ok(out)
    }

    /// The source's own preview: both show the same ground, except for what the last pixels reach over the edge.
    async fn read_preview(&self, max_px: u32, bands: &[usize]) -> Result<Samples, SceneError> {
        self.source.read_preview(max_px, bands).await
    }
}

#[cfg(test)]
mod tests;
