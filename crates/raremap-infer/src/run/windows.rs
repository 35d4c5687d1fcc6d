//! Where the windows of a run come from.

use raremap_scene::Scene;
use raremap_tiff::{Samples, Window};

use crate::error::InferError;
use crate::run::logits::SceneLogits;
use crate::run::memory::SceneInMemory;

/// Number of samples that are read at a time for their validity alone.
const VALIDITY_SAMPLES: usize = 3 << 20;

/// Where a run's windows come from.
pub(crate) trait Windows {
    /// Number of bands that are read at a time.
    fn bands(&self) -> usize;

    /// Reads the card's scene bands, in its order, of a window inside the scene.
    async fn read(&self, window: Window) -> Result<Samples, InferError>;

    /// Whether the windows' validity is that of the results.
    fn keeps_validity(&self) -> bool {
        true
    }

    /// Records the validity of the scene's own rows from `first` on that lie above row `end` of the windows' grid; returns the next row.
    async fn find_validity(&self, first: usize, _end: usize, _logits: &mut SceneLogits) -> Result<usize, InferError> {
        Ok(first)
    }
}

/// Windows of a scene on its own grid.
pub(crate) struct SceneWindows<'a, S> {
    pub(crate) scene: &'a S,
    pub(crate) bands: &'a [usize],
}

impl<S: Scene> Windows for SceneWindows<'_, S> {
    fn bands(&self) -> usize {
        self.bands.len()
    }

    async fn read(&self, window: Window) -> Result<Samples, InferError> {
        Ok(self.scene.read_window(window, self.bands).await?)
    }
}

/// Windows of a scene on another grid; the scene's own pixels decide which are valid.
pub(crate) struct ResampledWindows<'a, S, O> {
    pub(crate) seen: SceneWindows<'a, S>,
    pub(crate) own: &'a O,
    pub(crate) own_size: [usize; 2],
    /// Rows of the scene per row of the grid.
    pub(crate) rows_per_row: f64,
}

impl<S: Scene, O: Scene> Windows for ResampledWindows<'_, S, O> {
    fn bands(&self) -> usize {
        self.seen.bands()
    }

    async fn read(&self, window: Window) -> Result<Samples, InferError> {
        self.seen.read(window).await
    }

    fn keeps_validity(&self) -> bool {
        false
    }

    async fn find_validity(&self, first: usize, end: usize, logits: &mut SceneLogits) -> Result<usize, InferError> {
        let [height, width] = self.own_size;
        let bands = self.seen.bands;
        // `as` saturates.
        let end = ((end as f64 * self.rows_per_row).ceil() as usize).min(height);
        let columns = (VALIDITY_SAMPLES / bands.len().max(1)).clamp(1, width);
        let rows = (VALIDITY_SAMPLES / (columns * bands.len().max(1))).max(1);
        for y in (first..end).step_by(rows) {
            for x in (0..width).step_by(columns) {
                let (columns, rows) = (columns.min(width - x), rows.min(end - y));
                // Sizes come from the file's u32 fields.
                let window = Window {
                    x: x as u32,
                    y: y as u32,
                    width: columns as u32,
                    height: rows as u32,
                };
                let Samples { valid, .. } = self.own.read_window(window, bands).await?;
                for (index, _) in valid.iter().enumerate().filter(|(_, valid)| **valid) {
                    logits.validity.insert(y + index / columns, x + index % columns);
                }
            }
        }
        Ok(end.max(first))
    }
}

/// Windows of a scene in memory.
pub(crate) struct MemoryWindows<'a> {
    pub(crate) scene: &'a SceneInMemory<'a>,
    pub(crate) bands: &'a [usize],
}

impl Windows for MemoryWindows<'_> {
    fn bands(&self) -> usize {
        self.bands.len()
    }

    async fn read(&self, window: Window) -> Result<Samples, InferError> {
        Ok(self.scene.read_window(window, self.bands))
    }
}
