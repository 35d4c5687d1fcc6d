"""Writes one small TIFF for each codec and sample layout, and GDAL's checksums of their bands into manifest.csv.

Run with the Python that has rasterio (tests/requirements.txt), in this folder. The JPEG files are exact with builds of GDAL
that have libjpeg 9, as rasterio's own have; libjpeg-turbo interpolates chroma otherwise.
"""

import csv

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

import warnings

warnings.simplefilter("ignore", NotGeoreferencedWarning)
HEIGHT, WIDTH = 21, 37


def image(dtype, bands, bits=None):
    """Smooth waves over the whole range of the type, with a little texture."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(columns / 9 + band) * np.cos(rows / 7 - band) for band in range(bands)]
    unit = np.stack(waves) * 0.45 + 0.5 + (columns * 7 + rows * 13) % 5 * 0.005
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return (unit * 1000 - 300).astype(dtype)
    top = 2.0 ** min((bits or dtype.itemsize * 8) - (dtype.kind == "i"), 52) - 1
    return (unit * top - (dtype.kind == "i") * top / 2).astype(dtype)


def masked(dtype, bands):
    values = image(dtype, bands)
    values[:, 5:12, 7:20] = np.nan
    values[0, 1, 1] = np.nan
    return values


TILED = dict(tiled=True, blockxsize=16, blockysize=16)
FILES = {
    "jpeg_gray": (image("uint8", 1), dict(compress="jpeg", jpeg_quality=80)),
    "jpeg_ycbcr_tiled": (image("uint8", 3), dict(compress="jpeg", photometric="ycbcr", interleave="pixel", **TILED)),
    "jpeg_ycbcr_strips": (image("uint8", 3), dict(compress="jpeg", photometric="ycbcr", interleave="pixel", blockysize=16)),
    "jpeg_rgb": (image("uint8", 3), dict(compress="jpeg", photometric="rgb", interleave="pixel", jpeg_quality=60)),
    "jpeg_planar": (image("uint8", 4), dict(compress="jpeg", interleave="band", blockysize=8)),
    "webp_lossy": (image("uint8", 3), dict(compress="webp", interleave="pixel", webp_level=60)),
    "webp_lossless_alpha": (image("uint8", 4), dict(compress="webp", interleave="pixel", webp_lossless=True, **TILED)),
    "zstd_u16_predictor": (image("uint16", 3), dict(compress="zstd", predictor=2, interleave="pixel", endianness="BIG")),
    "zstd_f32_predictor": (image("float32", 1), dict(compress="zstd", predictor=3, **TILED)),
    "zstd_level22": (image("uint16", 1), dict(compress="zstd", zstd_level=22)),
    "lzma_i16_predictor": (image("int16", 2), dict(compress="lzma", predictor=2, interleave="pixel")),
    "lerc_f32_lossy": (image("float32", 1), dict(compress="lerc", max_z_error=0.5)),
    "lerc_f32_masks": (masked("float32", 2), dict(compress="lerc", interleave="pixel")),
    "lerc_f64_mask_tiled": (masked("float64", 1), dict(compress="lerc_zstd", **TILED)),
    "lerc_deflate_u16_big_endian": (image("uint16", 3), dict(compress="lerc_deflate", interleave="pixel", endianness="BIG")),
    "ccitt_rle": (image("uint8", 1) // 128, dict(compress="ccittrle", nbits=1)),
    "ccitt_group3": (image("uint8", 1) // 128, dict(compress="ccittfax3", nbits=1)),
    "ccitt_group4": (image("uint8", 1) // 128, dict(compress="ccittfax4", nbits=1, blockysize=8)),
    "u64_predictor": (image("uint64", 1), dict(compress="deflate", predictor=2)),
    "i64_big_endian": (image("int64", 1), dict(compress="lzw", predictor=2, interleave="pixel", endianness="BIG")),
    "f16_predictor": (image("float32", 2), dict(compress="deflate", predictor=3, nbits=16, interleave="pixel")),
    "bits_3": (image("uint8", 3, 3), dict(nbits=3, interleave="pixel")),
    "bits_12_tiled": (image("uint16", 2, 12), dict(nbits=12, compress="lzw", **TILED)),
    "bits_24": (image("uint32", 1, 24), dict(nbits=24, compress="deflate")),
    "bits_24_big_endian": (image("uint32", 1, 24), dict(nbits=24, endianness="BIG")),
    "bits_31": (image("uint32", 1, 31), dict(nbits=31, interleave="pixel", compress="zstd")),
    "cmyk": (image("uint8", 4), dict(photometric="cmyk", interleave="pixel", compress="packbits")),
}

with open("manifest.csv", "w", newline="") as table:
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", "checksums"])
    for name, (values, options) in FILES.items():
        count, height, width = values.shape
        shape = dict(width=width, height=height, count=count, dtype=values.dtype)
        with rasterio.open(f"{name}.tif", "w", driver="GTiff", **shape, **options) as dataset:
            dataset.write(values)
        with rasterio.open(f"{name}.tif") as dataset:
            checksums = [dataset.checksum(band) for band in dataset.indexes]
        writer.writerow([f"{name}.tif", " ".join(map(str, checksums))])
