//! Old-style JPEG (compression 6, TIFF 6.0, section 22), in the forms that writers used before technical note 2.
//!
//! The specification left open where the tables and headers are: in tags, in one stream that the tag JPEGInterchangeFormat points to,
//! or at the start of the strips. In every case, this module puts tables, a frame header and a scan header before the coded data of a
//! strip or of the whole image.

use super::jpeg::{self, OldFrame};
use super::{BlockShape, CodecError};
use crate::directory::Directory;
use crate::directory::metadata_reader::MetadataReader;
use crate::error::{Malformed, TiffError, Unsupported};
use crate::limits::Limits;
use crate::samples::ycbcr::YCbCr;
use crate::tags;
use raremap_io::RangeSource;

/// Headers are a few hundred bytes; some hold a thumbnail in an application segment.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// The parts that all blocks of an image share.
#[derive(Debug, Clone)]
pub(crate) struct OldJpeg {
    header: Header,
    /// Converts three components; `None` of gray images.
    colors: Option<Box<YCbCr>>,
}

/// Segments of JPEG that come before the coded data.
#[derive(Debug, Clone, Default)]
struct Header {
    /// Tables and the restart interval, as whole segments.
    tables: Vec<u8>,
    /// The frame header after its length.
    frame: Vec<u8>,
    /// The scan header after its length.
    scan: Vec<u8>,
    /// Whether the frame is the whole image's, not a strip's.
    is_of_image: bool,
}

/// What the directory says about the image.
#[derive(Debug)]
pub(crate) struct OldImage<'a> {
    pub(crate) samples: usize,
    pub(crate) block_width: u32,
    pub(crate) block_height: u32,
    pub(crate) offsets: &'a [u64],
    pub(crate) byte_counts: &'a [u64],
}

impl OldJpeg {
    /// Finds the headers, for components that mean what `colors` says. Returns them with the place of the coded data: that of the whole image, or
    /// of the first strip if it has a header of its own.
    pub(crate) async fn read<S: RangeSource>(
        reader: &mut MetadataReader<'_, S>,
        directory: &Directory,
        limits: &Limits,
        image: &OldImage<'_>,
        colors: YCbCr,
    ) -> Result<(Self, Coded), TiffError> {
        let process = directory.first_unsigned(reader, tags::JPEG_PROC, 1, limits).await?;
        if process == 14 {
            return Err(Unsupported::Feature {
                feature: "lossless JPEG",
            }
            .into());
        }
        if !matches!(image.samples, 1 | 3) {
            return Err(Unsupported::Feature {
                feature: "old-style JPEG with other than one or three bands",
            }
            .into());
        }
        let size_bytes = reader.size_bytes();
        let mut header = Header::default();
        let mut coded = Coded::Strips;
        let stream = directory.first_unsigned(reader, tags::JPEG_STREAM, 0, limits).await?;
        if stream > 0 && stream < size_bytes {
            let length = directory
                .first_unsigned(reader, tags::JPEG_STREAM_LENGTH, 0, limits)
                .await?;
            let end = Some(stream.saturating_add(length)).filter(|end| length > 0 && *end <= size_bytes);
            let end = end.unwrap_or(size_bytes);
            if let Some(data) = header.read(reader, stream, end).await?
                && data < end
            {
                coded = Coded::Image(between(data, image.end(size_bytes).max(end)));
            }
        }
        if let (Coded::Strips, Some(first)) = (&coded, image.offsets.first().copied()) {
            let end = match image.byte_counts.first() {
                Some(count) if *count > 0 => first.saturating_add(*count).min(size_bytes),
                _ => size_bytes,
            };
            if let Some(data) = header.read(reader, first, end).await? {
                coded = match image.offsets {
                    [_] => Coded::Image(between(data, end)),
                    _ => Coded::StripsBehind(between(data, end)),
                };
            }
        }
        header.is_of_image = matches!(coded, Coded::Image(_));
        if header.frame.is_empty() {
            header.make_frame(reader, directory, limits, image).await?;
        }
        if header.scan.is_empty() {
            header.read_tables(reader, directory, limits, image.samples).await?;
        }
        if let Some(interval) = header.interval_of_strips(image) {
            header.push(RESTART_INTERVAL, &interval.to_be_bytes());
        }
        let colors = (image.samples == 3).then(|| Box::new(colors));
        Ok((Self { header, colors }, coded))
    }

    /// Decodes one strip or the whole image.
    pub(super) fn decode(&self, compressed: &[u8], shape: &BlockShape) -> Result<Vec<u8>, CodecError> {
        let stream;
        let (tables, stream) = if compressed.starts_with(&[0xFF, 0xD8]) {
            // A strip that is a whole image of its own.
            let tables = [START_OF_IMAGE.as_slice(), &self.header.tables].concat();
            (tables, compressed)
        } else {
            stream = self.header.stream(compressed, shape);
            (Vec::new(), stream.as_slice())
        };
        let colors = self.colors.as_deref();
        jpeg::decode_old(&tables, stream, shape, OldFrame { colors })
    }
}

/// A range of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodedBytes {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Where the coded data is.
#[derive(Debug)]
pub(crate) enum Coded {
    /// In each strip.
    Strips,
    /// In each strip; in the first one it is here, after a header.
    StripsBehind(CodedBytes),
    /// All coded data of the image is here.
    Image(CodedBytes),
}

impl OldImage<'_> {
    /// The end of the last strip, as far as it is in the file.
    fn end(&self, size_bytes: u64) -> u64 {
        let ends = self.offsets.iter().zip(self.byte_counts);
        let last = ends.map(|(offset, count)| offset.saturating_add(*count)).max();
        last.unwrap_or(0).min(size_bytes)
    }
}

fn between(offset: u64, end: u64) -> CodedBytes {
    CodedBytes {
        offset,
        length: end.saturating_sub(offset),
    }
}

const START_OF_IMAGE: [u8; 2] = [0xFF, 0xD8];
/// Markers of segments.
const FRAME: u8 = 0xC0;
const HUFFMAN_TABLES: u8 = 0xC4;
const SCAN: u8 = 0xDA;
const QUANTIZATION_TABLES: u8 = 0xDB;
const RESTART_INTERVAL: u8 = 0xDD;

impl Header {
    /// Reads segments from `start` up to the coded data and returns its place; `None` if there is none before `end`.
    async fn read<S: RangeSource>(
        &mut self,
        reader: &mut MetadataReader<'_, S>,
        start: u64,
        end: u64,
    ) -> Result<Option<u64>, TiffError> {
        const WHAT: &str = "a header of old-style JPEG";
        let mut position = start;
        while position + 2 <= end && position - start < MAX_HEADER_BYTES {
            let marker = reader.bytes(WHAT, position, 2).await?;
            let [0xFF, marker] = *marker else { return Ok(None) };
            match marker {
                // Coded data may start with this byte, which does not belong to a header.
                0x00 => return Ok(None),
                0xFF => {
                    position += 1;
                    continue;
                }
                0xD8 => {
                    position += 2;
                    continue;
                }
                0xD9 => return Ok(None),
                _ if position + 4 > end => return Ok(None),
                _ => {}
            }
            let segment = reader.bytes(WHAT, position, 4).await?;
            let length = segment
                .iter()
                .skip(2)
                .fold(0, |value, byte| value << 8 | u64::from(*byte));
            let next = position + 2 + length;
            if length < 2 || next > end {
                return Ok(None);
            }
            let segment = reader.bytes(WHAT, position, 2 + length).await?;
            let content = segment.get(4..).unwrap_or_default();
            match marker {
                QUANTIZATION_TABLES | HUFFMAN_TABLES | RESTART_INTERVAL => self.tables.extend_from_slice(&segment),
                0xC0..=0xC2 => self.frame = content.to_vec(),
                0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                    return Err(Unsupported::Feature {
                        feature: "lossless, hierarchical or arithmetic-coded JPEG",
                    }
                    .into());
                }
                SCAN => {
                    self.scan = content.to_vec();
                    return Ok(Some(next));
                }
                _ => {}
            }
            position = next;
        }
        Ok(None)
    }

    /// A stream that strips point into restarts with every strip, whether or not it says so.
    fn interval_of_strips(&self, image: &OldImage<'_>) -> Option<u16> {
        let is_said = self
            .tables
            .windows(4)
            .any(|segment| segment == [0xFF, RESTART_INTERVAL, 0, 4]);
        if !self.is_of_image || is_said || image.offsets.len() < 2 {
            return None;
        }
        let factors = self.frame.get(6..)?.as_chunks::<3>().0;
        let largest = |of: fn(u8) -> u8| factors.iter().map(|[_, sampling, _]| u32::from(of(*sampling))).max();
        let (across, down) = (largest(|sampling| sampling >> 4)?, largest(|sampling| sampling & 15)?);
        let units = |size: u32, factor: u32| u64::from(size.div_ceil(8 * factor.max(1)));
        u16::try_from(units(image.block_width, across) * units(image.block_height, down)).ok()
    }

    /// Builds the frame header that the tags describe; each block sets its own height.
    async fn make_frame<S: RangeSource>(
        &mut self,
        reader: &mut MetadataReader<'_, S>,
        directory: &Directory,
        limits: &Limits,
        image: &OldImage<'_>,
    ) -> Result<(), TiffError> {
        let subsampling = directory.unsigned(reader, tags::YCBCR_SUBSAMPLING, limits).await?;
        let luma = match (image.samples, subsampling.as_deref()) {
            (1, _) => 0x11,
            (_, Some([across @ (1 | 2 | 4), down @ (1 | 2 | 4), ..])) => (*across as u8) << 4 | *down as u8,
            _ => 0x22,
        };
        let [.., width_high, width_low] = image.block_width.to_be_bytes();
        self.frame = vec![8, 0, 0, width_high, width_low, image.samples as u8];
        for component in 0..image.samples as u8 {
            let sampling = if component == 0 { luma } else { 0x11 };
            self.frame.extend_from_slice(&[component, sampling, component]);
        }
        Ok(())
    }

    /// Reads the tables that tags point to, and builds the scan header that goes with them.
    async fn read_tables<S: RangeSource>(
        &mut self,
        reader: &mut MetadataReader<'_, S>,
        directory: &Directory,
        limits: &Limits,
        samples: usize,
    ) -> Result<(), TiffError> {
        const WHAT: &str = "a table of old-style JPEG";
        self.scan = vec![samples as u8];
        for component in 0..samples as u8 {
            // Components have the identifiers of the frame.
            let id = self.frame.get(6 + 3 * usize::from(component)).copied();
            self.scan
                .extend_from_slice(&[id.unwrap_or(component), component << 4 | component]);
        }
        self.scan.extend_from_slice(&[0, 63, 0]);
        let interval = directory
            .first_unsigned(reader, tags::JPEG_RESTART_INTERVAL, 0, limits)
            .await?;
        if interval > 0 {
            let interval = u16::try_from(interval).unwrap_or(u16::MAX);
            self.push(RESTART_INTERVAL, &interval.to_be_bytes());
        }
        let tables = directory.unsigned(reader, tags::JPEG_Q_TABLES, limits).await?;
        for (index, offset) in (0..4).zip(tables.unwrap_or_default()) {
            let table = reader.bytes(WHAT, offset, 64).await?;
            self.push(QUANTIZATION_TABLES, &[&[index], table.as_ref()].concat());
        }
        for (class, tag) in [(0x00, tags::JPEG_DC_TABLES), (0x10, tags::JPEG_AC_TABLES)] {
            let tables = directory.unsigned(reader, tag, limits).await?;
            for (index, offset) in (0..4).zip(tables.unwrap_or_default()) {
                let counts = reader.bytes(WHAT, offset, 16).await?;
                let codes = counts.iter().map(|count| u64::from(*count)).sum::<u64>();
                if codes > 256 {
                    return Err(Malformed::BadTag {
                        tag: tag.number,
                        name: tag.name,
                        reason: format!("a table of {codes} codes"),
                    }
                    .into());
                }
                let table = reader.bytes(WHAT, offset, 16 + codes).await?;
                self.push(HUFFMAN_TABLES, &[&[class | index], table.as_ref()].concat());
            }
        }
        Ok(())
    }

    fn push(&mut self, marker: u8, content: &[u8]) {
        self.tables.extend(segment(marker, content));
    }

    /// The whole stream of one block.
    fn stream(&self, coded: &[u8], shape: &BlockShape) -> Vec<u8> {
        let mut frame = self.frame.clone();
        // The frame of a strip is as high as the strip, whatever the shared header says.
        if !self.is_of_image
            && let Some(height) = frame.get_mut(1..3)
        {
            height.copy_from_slice(&(shape.rows.min(usize::from(u16::MAX)) as u16).to_be_bytes());
        }
        let (frame, scan) = (segment(FRAME, &frame), segment(SCAN, &self.scan));
        [START_OF_IMAGE.as_slice(), &self.tables, &frame, &scan, coded].concat()
    }
}

/// A segment of JPEG; `content` is shorter than 64 KiB.
fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = (content.len() as u16).wrapping_add(2).to_be_bytes();
    [&[0xFF, marker, high, low], content].concat()
}
