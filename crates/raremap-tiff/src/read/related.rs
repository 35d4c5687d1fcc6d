//! The images of a file besides its first one: overviews, masks and further pages.

use serde::Serialize;

use crate::directory::Directory;
use crate::directory::header::Header;
use crate::directory::metadata_reader::MetadataReader;
use crate::limits::Limits;
use crate::read::layout::Layout;
use crate::tags;
use raremap_io::RangeSource;

/// Bits of NewSubfileType (TIFF 6.0, page 36).
const REDUCED: u64 = 1;
const MASK: u64 = 4;

/// A smaller image of the same scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Overview {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Whether a mask of its size is in the file.
    pub masked: bool,
    #[serde(skip)]
    pub(crate) directory: u64,
    #[serde(skip)]
    pub(crate) mask_directory: Option<u64>,
}

/// What the directories after the first one are, as GDAL tells them apart.
#[derive(Debug, Default)]
pub(crate) struct RelatedImages {
    /// In the order of the file.
    pub(crate) overviews: Vec<Overview>,
    /// The mask of the first image.
    pub(crate) mask: Option<Layout>,
    /// Images that are neither overview nor mask, the first among them.
    pub(crate) page_count: usize,
}

/// Size and kind of a directory's image, without its blocks.
struct Kind {
    offset: u64,
    next: u64,
    subfile: u64,
    width: u64,
    height: u64,
    bands: u64,
}

impl Kind {
    async fn read<S: RangeSource>(
        reader: &mut MetadataReader<'_, S>,
        header: Header,
        offset: u64,
        limits: &Limits,
    ) -> Option<(Self, Directory)> {
        let directory = Directory::read(reader, header, offset, limits).await.ok()?;
        let mut number = async |tag, default| {
            let value = directory.first_unsigned(reader, tag, default, limits).await;
            value.unwrap_or(default)
        };
        let kind = Self {
            offset,
            next: directory.next,
            subfile: number(tags::NEW_SUBFILE_TYPE, 0).await,
            width: number(tags::IMAGE_WIDTH, 0).await,
            height: number(tags::IMAGE_LENGTH, 0).await,
            bands: number(tags::SAMPLES_PER_PIXEL, 1).await,
        };
        Some((kind, directory))
    }
}

impl RelatedImages {
    /// Follows the chain of directories, and the sub-directories of the first image.
    ///
    /// These images are extras: a directory that cannot be read ends the search and is not an error.
    pub(crate) async fn find<S: RangeSource>(
        reader: &mut MetadataReader<'_, S>,
        header: Header,
        first: &Directory,
        image: &Layout,
        limits: &Limits,
    ) -> Self {
        let mut found = Self {
            page_count: 1,
            ..Self::default()
        };
        let mut overview_masks = Vec::new();
        let nested = first.unsigned(reader, tags::SUB_IFDS, limits).await;
        let mut nested = nested
            .ok()
            .flatten()
            .unwrap_or_default()
            .into_iter()
            .take(limits.max_directories);
        let mut has_looked_at_mask = false;
        let mut visited = vec![header.first_directory];
        let mut next = first.next;
        loop {
            // The chain comes first, then what the first image lists.
            let is_nested = next == 0;
            let Some(offset) = (if is_nested { nested.next() } else { Some(next) }) else {
                break;
            };
            next = 0;
            if visited.contains(&offset) || visited.len() >= limits.max_directories {
                continue;
            }
            visited.push(offset);
            let Some((kind, directory)) = Kind::read(reader, header, offset, limits).await else {
                continue;
            };
            if !is_nested {
                next = kind.next;
            }
            let is_of_image_size = (kind.width, kind.height) == (u64::from(image.width), u64::from(image.height));
            match (kind.subfile & REDUCED != 0, kind.subfile & MASK != 0) {
                (true, false) => found.add_overview(&kind, image),
                (false, true) => {
                    // Only the first one is read, because a table of blocks is read for each.
                    if is_of_image_size && !std::mem::replace(&mut has_looked_at_mask, true) {
                        let mask = Layout::read(reader, header, &directory, limits).await.ok();
                        found.mask = mask.filter(|mask| is_mask_of(mask, image));
                    }
                }
                (true, true) => overview_masks.push(kind),
                (false, false) => found.page_count += 1,
            }
        }
        for overview in &mut found.overviews {
            let has_its_size =
                |mask: &&Kind| (mask.width, mask.height) == (u64::from(overview.width), u64::from(overview.height));
            overview.mask_directory = overview_masks.iter().find(has_its_size).map(|mask| mask.offset);
            overview.masked = overview.mask_directory.is_some();
        }
        found
    }

    fn add_overview(&mut self, kind: &Kind, image: &Layout) {
        let (Ok(width), Ok(height)) = (u32::try_from(kind.width), u32::try_from(kind.height)) else {
            return;
        };
        if width > 0 && height > 0 && kind.bands == image.band_count as u64 {
            self.overviews.push(Overview {
                width,
                height,
                masked: false,
                directory: kind.offset,
                mask_directory: None,
            });
        }
    }
}

/// TIFF allows one bit of one sample; GDAL also reads bytes, and a sample for each band.
pub(crate) fn is_mask_of(mask: &Layout, image: &Layout) -> bool {
    (mask.width, mask.height) == (image.width, image.height)
        && matches!(mask.bits_per_sample, 1 | 8)
        && (mask.band_count == 1 || mask.band_count == image.band_count)
}
