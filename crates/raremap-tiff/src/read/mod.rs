//! Opens a GeoTIFF and reads windows of it.

mod beside;
mod blocks;
pub(crate) mod checksum;
pub(crate) mod color;
mod conversion;
pub(crate) mod gdal_metadata;
mod geo_tags;
mod grid;
pub(crate) mod info;
mod lab;
pub(crate) mod layout;
pub(crate) mod related;
pub(crate) mod summary;

use std::sync::Mutex;

use crate::directory::Directory;
use crate::directory::header::{Header, read_header};
use crate::directory::metadata_reader::MetadataReader;
use crate::error::{Misuse, NotApplied, TiffError};
use crate::limits::Limits;
use crate::read::blocks::BlockCache;
use crate::read::grid::{Axis, GridRead};
use crate::read::info::RasterInfo;
use crate::read::layout::Layout;
use crate::read::related::{Overview, RelatedImages, is_mask_of};
use crate::samples::nodata::StoredNodata;
use crate::samples::{SampleValue, Samples};
use raremap_io::RangeSource;

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

impl Window {
    /// Refuses a window that is empty or reaches over the edge of an image of this size.
    ///
    /// # Errors
    /// [`Misuse::WindowOutsideImage`].
    pub fn check_inside(self, image_width: u32, image_height: u32) -> Result<(), TiffError> {
        let Window { x, y, width, height } = self;
        let inside =
            |start: u32, length: u32, size: u32| length > 0 && start.checked_add(length).is_some_and(|end| end <= size);
        if inside(x, width, image_width) && inside(y, height, image_height) {
            return Ok(());
        }
        Err(Misuse::WindowOutsideImage {
            x,
            y,
            width,
            height,
            image_width,
            image_height,
        }
        .into())
    }
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
    mask: Option<Layout>,
    /// A file beside this one that says which pixels are valid.
    mask_file: Option<Box<GeoTiff<S>>>,
    nodata: StoredNodata,
    cache: Mutex<BlockCache>,
    mask_cache: Mutex<BlockCache>,
}

/// An image of the file with its mask: the first one, or an overview.
struct Masked<'a, S> {
    layout: &'a Layout,
    cache: &'a Mutex<BlockCache>,
    mask: Option<Mask<'a, S>>,
}

/// The mask of valid pixels, in the same file or in one beside it.
struct Mask<'a, S> {
    source: &'a S,
    layout: &'a Layout,
    cache: &'a Mutex<BlockCache>,
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
    /// Reads the header and the directories: what the first image is, and where its mask and overviews are. It reads no pixels yet.
    ///
    /// # Errors
    /// [`TiffError`]: the source fails, the file is no TIFF, contradicts itself, uses something that is not read, or claims more than the limits.
    pub async fn open(source: S, limits: Limits) -> Result<Self, TiffError> {
        let mut reader = MetadataReader::new(&source);
        let header = read_header(&mut reader).await?;
        let directory = Directory::read(&mut reader, header, header.first_directory, &limits).await?;
        let layout = Layout::read(&mut reader, header, &directory, &limits).await?;
        let related = RelatedImages::find(&mut reader, header, &directory, &layout, &limits).await;
        let info = RasterInfo::read(&mut reader, header, &directory, &layout, &related, &limits).await?;
        let nodata = info.stated_nodata.map_or(StoredNodata::NONE, |nodata| {
            StoredNodata::new(nodata, layout.sample_type)
        });
        Ok(Self {
            source,
            limits,
            header,
            info,
            layout,
            mask: related.mask,
            mask_file: None,
            nodata,
            cache: Mutex::default(),
            mask_cache: Mutex::default(),
        })
    }

    /// What the file says about its image.
    pub fn info(&self) -> &RasterInfo {
        &self.info
    }

    /// Uses a file beside this one as its mask, if possible.
    ///
    /// # Errors
    /// [`NotApplied::OwnMask`] or [`NotApplied::OtherSize`].
    pub fn set_mask_file(&mut self, mask: Self) -> Result<(), NotApplied> {
        if self.mask.is_some() {
            return Err(NotApplied::OwnMask);
        }
        if !is_mask_of(&mask.layout, &self.layout) {
            return Err(NotApplied::OtherSize);
        }
        self.mask_file = Some(Box::new(mask));
        self.info.masked = true;
        Ok(())
    }

    /// Sets the value that marks pixels without data, of a file that names none.
    pub(crate) fn set_nodata(&mut self, nodata: f64) {
        self.nodata = StoredNodata::new(nodata, self.layout.sample_type);
        self.info.set_nodata(nodata);
    }

    /// Reads `bands` (0-based, in any order) of a window that lies inside the image.
    ///
    /// # Errors
    /// [`Misuse`](crate::Misuse) for a window or a band that does not exist; otherwise the source's errors, and those of damaged blocks.
    pub async fn read_window(&self, window: Window, bands: &[usize]) -> Result<Samples, TiffError> {
        self.read_window_as(window, bands).await
    }

    /// As [`GeoTiff::read_window`], into another type; `f64` holds every stored value exactly.
    ///
    /// # Errors
    /// As [`GeoTiff::read_window`].
    pub async fn read_window_as<T: SampleValue>(
        &self,
        window: Window,
        bands: &[usize],
    ) -> Result<Samples<T>, TiffError> {
        let Window { x, y, width, height } = window;
        window.check_inside(self.layout.width, self.layout.height)?;
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
        self.read_masked(self.image(), rows, columns, bands).await
    }

    /// Reads the whole image, decimated so that neither side is longer than `max_px`: every n-th pixel of the image, or of the smallest
    /// overview that is large enough.
    ///
    /// Memory stays bounded by the result and a few blocks, whatever the size of the image.
    ///
    /// # Errors
    /// As [`GeoTiff::read_window`].
    pub async fn read_preview(&self, max_px: u32, bands: &[usize]) -> Result<Samples, TiffError> {
        let max_px = max_px.max(1);
        // Overviews know nothing of a mask in another file.
        let best = self.best_overview(max_px).filter(|_| self.mask_file.is_none());
        let overview = match best {
            Some(overview) => self.open_overview(overview).await,
            None => None,
        };
        let (cache, mask_cache) = Default::default();
        let image = match &overview {
            Some((layout, mask)) => Masked {
                layout,
                cache: &cache,
                mask: mask.as_ref().map(|layout| Mask {
                    source: &self.source,
                    layout,
                    cache: &mask_cache,
                }),
            },
            None => self.image(),
        };
        let step = image.layout.width.max(image.layout.height).div_ceil(max_px);
        let axis = |size: u32| {
            let count = size.div_ceil(step);
            // It is the middle of each cell, but inside the image if the last cell is cut.
            let start = (step / 2).min(size - 1 - (count - 1) * step);
            Axis { start, step, count }
        };
        let (rows, columns) = (axis(image.layout.height), axis(image.layout.width));
        self.read_masked(image, rows, columns, bands).await
    }

    /// The smallest overview that still has `max_px` on its longer side.
    fn best_overview(&self, max_px: u32) -> Option<Overview> {
        let longer = |overview: &Overview| overview.width.max(overview.height);
        let image_px = self.layout.width.max(self.layout.height);
        let fits = |overview: &&Overview| longer(overview) >= max_px && longer(overview) < image_px;
        let fitting = self.info.overviews.iter().filter(fits);
        fitting.min_by_key(|overview| longer(overview)).copied()
    }

    /// Overviews are an optimization: one that cannot be read or has another type is not used, and is not an error.
    async fn open_overview(&self, overview: Overview) -> Option<(Layout, Option<Layout>)> {
        let mut reader = MetadataReader::new(&self.source);
        let layout = self.open_directory(&mut reader, overview.directory).await?;
        if layout.band_count != self.layout.band_count || layout.sample_type != self.layout.sample_type {
            return None;
        }
        let mask = match overview.mask_directory {
            Some(offset) => self.open_directory(&mut reader, offset).await,
            None => None,
        };
        let mask = mask.filter(|mask| is_mask_of(mask, &layout));
        Some((layout, mask))
    }

    async fn open_directory(&self, reader: &mut MetadataReader<'_, S>, offset: u64) -> Option<Layout> {
        let directory = Directory::read(reader, self.header, offset, &self.limits).await.ok()?;
        Layout::read(reader, self.header, &directory, &self.limits).await.ok()
    }

    fn image(&self) -> Masked<'_, S> {
        let own = self.mask.as_ref().map(|layout| Mask {
            source: &self.source,
            layout,
            cache: &self.mask_cache,
        });
        let beside = || {
            self.mask_file.as_ref().map(|file| Mask {
                source: &file.source,
                layout: &file.layout,
                cache: &file.cache,
            })
        };
        Masked {
            layout: &self.layout,
            cache: &self.cache,
            mask: own.or_else(beside),
        }
    }

    /// Reads a grid of pixels and marks masked ones as invalid; the mask counts instead of nodata.
    async fn read_masked<T: SampleValue>(
        &self,
        image: Masked<'_, S>,
        rows: Axis,
        columns: Axis,
        bands: &[usize],
    ) -> Result<Samples<T>, TiffError> {
        let (source, limits) = (&self.source, &self.limits);
        let pixels = GridRead {
            source,
            limits,
            layout: image.layout,
            cache: image.cache,
            rows,
            columns,
            bands,
            nodata: match image.mask {
                Some(_) => self.nodata.unmarked(),
                None => self.nodata,
            },
        };
        let mut samples = pixels.read::<T>().await?;
        if let Some(Mask { source, layout, cache }) = image.mask {
            let mask = GridRead {
                source,
                layout,
                cache,
                bands: if layout.band_count == 1 { &[0] } else { bands },
                nodata: StoredNodata::NONE,
                ..pixels
            };
            samples.invalidate_masked(&mask.read::<f32>().await?);
        }
        Ok(samples)
    }
}
