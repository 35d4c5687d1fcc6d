//! Opening a GeoTIFF and reading windows of it.

use std::sync::Mutex;

use crate::blocks::BlockCache;
use crate::directory::Directory;
use crate::error::{Misuse, RasterError};
use crate::grid::{Axis, GridRead};
use crate::header::{Header, read_header};
use crate::info::RasterInfo;
use crate::layout::Layout;
use crate::limits::Limits;
use crate::metadata_reader::MetadataReader;
use crate::samples::{SampleValue, Samples};
use crate::source::RangeSource;
use crate::tags;

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Left column.
    pub x: u32,
    /// Top row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// An open GeoTIFF: the first image of a file, read window by window.
///
/// Only the blocks that a window touches are fetched, and decoded ones are kept for the windows next to it.
pub struct GeoTiff<S> {
    source: S,
    limits: Limits,
    header: Header,
    info: RasterInfo,
    layout: Layout,
    next_directory: u64,
    /// What `nodata` is in the file's own sample type, NaN without nodata.
    stored_nodata: f64,
    cache: Mutex<BlockCache>,
}

/// Shows what the file says about its image, not the source and the cache.
impl<S> std::fmt::Debug for GeoTiff<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GeoTiff")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl<S: RangeSource> GeoTiff<S> {
    /// Reads the header and the first directory; no pixels yet.
    pub async fn open(source: S, limits: Limits) -> Result<Self, RasterError> {
        let mut reader = MetadataReader::new(&source);
        let header = read_header(&mut reader).await?;
        let directory = Directory::read(&mut reader, header, header.first_directory, &limits).await?;
        let layout = Layout::read(&mut reader, header, &directory, &limits).await?;
        let info = RasterInfo::read(&mut reader, header, &directory, &layout, &limits).await?;
        let next_directory = directory.next;
        let stored_nodata = info.nodata.map_or(f64::NAN, |nodata| {
            crate::nodata::stored_nodata(nodata, layout.sample_type)
        });
        let cache = Mutex::new(BlockCache::default());
        Ok(Self {
            source,
            limits,
            header,
            info,
            layout,
            next_directory,
            stored_nodata,
            cache,
        })
    }

    /// What the file says about its image.
    pub fn info(&self) -> &RasterInfo {
        &self.info
    }

    /// Reads `bands` (0-based, in any order) of a window that lies inside the image.
    pub async fn read_window(&self, window: Window, bands: &[usize]) -> Result<Samples, RasterError> {
        self.read_window_as(window, bands).await
    }

    /// As [`GeoTiff::read_window`], into another type: `f64` holds every stored value exactly.
    pub async fn read_window_as<T: SampleValue>(
        &self,
        window: Window,
        bands: &[usize],
    ) -> Result<Samples<T>, RasterError> {
        let Window { x, y, width, height } = window;
        let inside =
            |start: u32, length: u32, size: u32| length > 0 && start.checked_add(length).is_some_and(|end| end <= size);
        if !inside(x, width, self.layout.width) || !inside(y, height, self.layout.height) {
            let (image_width, image_height) = (self.layout.width, self.layout.height);
            return Err(Misuse::WindowOutsideImage {
                x,
                y,
                width,
                height,
                image_width,
                image_height,
            }
            .into());
        }
        let rows = Axis {
            start: y,
            step: 1,
            count: height,
        };
        let columns = Axis {
            start: x,
            step: 1,
            count: width,
        };
        self.grid(&self.layout, &self.cache, rows, columns, bands).read().await
    }

    /// Reads the whole image, decimated so that neither side is longer than `max_px`: every n-th pixel of the image, or
    /// of the smallest overview that is large enough.
    ///
    /// Memory stays bounded by the result and a few blocks, whatever the size of the image.
    pub async fn read_preview(&self, max_px: u32, bands: &[usize]) -> Result<Samples, RasterError> {
        let max_px = max_px.max(1);
        let overview = self.find_overview(max_px).await;
        let overview_cache = Mutex::new(BlockCache::default());
        let (layout, cache) = match &overview {
            Some(layout) => (layout, &overview_cache),
            None => (&self.layout, &self.cache),
        };
        let step = layout.width.max(layout.height).div_ceil(max_px);
        let axis = |size: u32| {
            let count = size.div_ceil(step);
            // The middle of each cell, but inside the image where the last cell is cut.
            let start = (step / 2).min(size - 1 - (count - 1) * step);
            Axis { start, step, count }
        };
        self.grid(layout, cache, axis(layout.height), axis(layout.width), bands)
            .read()
            .await
    }

    /// The smallest reduced image of the same kind that still has `max_px` on its longer side.
    ///
    /// Overviews are an optimization: a directory that cannot be read ends the search and is no error.
    async fn find_overview(&self, max_px: u32) -> Option<Layout> {
        let mut reader = MetadataReader::new(&self.source);
        let mut visited = vec![self.header.first_directory];
        let mut best: Option<Layout> = None;
        let mut next = self.next_directory;
        while next != 0 && !visited.contains(&next) && visited.len() < self.limits.max_directories {
            visited.push(next);
            let directory = Directory::read(&mut reader, self.header, next, &self.limits)
                .await
                .ok()?;
            next = directory.next;
            let subfile = directory
                .first_unsigned(&mut reader, tags::NEW_SUBFILE_TYPE, 0, &self.limits)
                .await;
            // Bit 0 is a reduced image, bit 2 a mask.
            if !matches!(subfile, Ok(kind) if kind & 0b101 == 1) {
                continue;
            }
            let Ok(layout) = Layout::read(&mut reader, self.header, &directory, &self.limits).await else {
                continue;
            };
            let longer = layout.width.max(layout.height);
            let is_same_kind = layout.band_count == self.layout.band_count
                && layout.sample_type == self.layout.sample_type
                && longer < self.layout.width.max(self.layout.height);
            let is_better = best.as_ref().is_none_or(|best| longer < best.width.max(best.height));
            if is_same_kind && longer >= max_px && is_better {
                best = Some(layout);
            }
        }
        best
    }

    fn grid<'a>(
        &'a self,
        layout: &'a Layout,
        cache: &'a Mutex<BlockCache>,
        rows: Axis,
        columns: Axis,
        bands: &'a [usize],
    ) -> GridRead<'a, S> {
        let (source, limits, stored_nodata) = (&self.source, &self.limits, self.stored_nodata);
        GridRead {
            source,
            limits,
            layout,
            cache,
            rows,
            columns,
            bands,
            stored_nodata,
        }
    }
}
