//! Tag numbers and names of the TIFF 6.0, GeoTIFF and GDAL specifications.

/// A tag that the reader knows: its number, and its name for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) number: u16,
    pub(crate) name: &'static str,
}

const fn tag(number: u16, name: &'static str) -> Tag {
    Tag { number, name }
}

pub(crate) const NEW_SUBFILE_TYPE: Tag = tag(254, "NewSubfileType");
pub(crate) const IMAGE_WIDTH: Tag = tag(256, "ImageWidth");
pub(crate) const IMAGE_LENGTH: Tag = tag(257, "ImageLength");
pub(crate) const BITS_PER_SAMPLE: Tag = tag(258, "BitsPerSample");
pub(crate) const COMPRESSION: Tag = tag(259, "Compression");
pub(crate) const PHOTOMETRIC: Tag = tag(262, "PhotometricInterpretation");
pub(crate) const FILL_ORDER: Tag = tag(266, "FillOrder");
pub(crate) const STRIP_OFFSETS: Tag = tag(273, "StripOffsets");
pub(crate) const SAMPLES_PER_PIXEL: Tag = tag(277, "SamplesPerPixel");
pub(crate) const ROWS_PER_STRIP: Tag = tag(278, "RowsPerStrip");
pub(crate) const STRIP_BYTE_COUNTS: Tag = tag(279, "StripByteCounts");
pub(crate) const PLANAR_CONFIGURATION: Tag = tag(284, "PlanarConfiguration");
pub(crate) const T4_OPTIONS: Tag = tag(292, "T4Options");
pub(crate) const PREDICTOR: Tag = tag(317, "Predictor");
pub(crate) const WHITE_POINT: Tag = tag(318, "WhitePoint");
pub(crate) const COLOR_MAP: Tag = tag(320, "ColorMap");
pub(crate) const TILE_WIDTH: Tag = tag(322, "TileWidth");
pub(crate) const TILE_LENGTH: Tag = tag(323, "TileLength");
pub(crate) const TILE_OFFSETS: Tag = tag(324, "TileOffsets");
pub(crate) const TILE_BYTE_COUNTS: Tag = tag(325, "TileByteCounts");
pub(crate) const SUB_IFDS: Tag = tag(330, "SubIFDs");
pub(crate) const EXTRA_SAMPLES: Tag = tag(338, "ExtraSamples");
pub(crate) const SAMPLE_FORMAT: Tag = tag(339, "SampleFormat");
pub(crate) const JPEG_TABLES: Tag = tag(347, "JPEGTables");
pub(crate) const JPEG_PROC: Tag = tag(512, "JPEGProc");
pub(crate) const JPEG_STREAM: Tag = tag(513, "JPEGInterchangeFormat");
pub(crate) const JPEG_STREAM_LENGTH: Tag = tag(514, "JPEGInterchangeFormatLength");
pub(crate) const JPEG_RESTART_INTERVAL: Tag = tag(515, "JPEGRestartInterval");
pub(crate) const JPEG_Q_TABLES: Tag = tag(519, "JPEGQTables");
pub(crate) const JPEG_DC_TABLES: Tag = tag(520, "JPEGDCTables");
pub(crate) const JPEG_AC_TABLES: Tag = tag(521, "JPEGACTables");
pub(crate) const YCBCR_COEFFICIENTS: Tag = tag(529, "YCbCrCoefficients");
pub(crate) const YCBCR_SUBSAMPLING: Tag = tag(530, "YCbCrSubSampling");
pub(crate) const REFERENCE_BLACK_WHITE: Tag = tag(532, "ReferenceBlackWhite");
pub(crate) const MODEL_PIXEL_SCALE: Tag = tag(33550, "ModelPixelScale");
pub(crate) const MODEL_TIEPOINT: Tag = tag(33922, "ModelTiepoint");
pub(crate) const MODEL_TRANSFORMATION: Tag = tag(34264, "ModelTransformation");
pub(crate) const GEO_KEY_DIRECTORY: Tag = tag(34735, "GeoKeyDirectory");
pub(crate) const GEO_DOUBLE_PARAMS: Tag = tag(34736, "GeoDoubleParams");
pub(crate) const GEO_ASCII_PARAMS: Tag = tag(34737, "GeoAsciiParams");
pub(crate) const GDAL_METADATA: Tag = tag(42112, "GDAL_METADATA");
pub(crate) const LERC_PARAMETERS: Tag = tag(50674, "LercParameters");
pub(crate) const GDAL_NODATA: Tag = tag(42113, "GDAL_NODATA");
