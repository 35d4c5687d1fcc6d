"""Makes the seed corpus of the fuzz targets: small files of every kind that the reader knows, written by GDAL.

    python3 fuzz/seeds.py            (a Python with the packages of tests/requirements.txt)

`seeds/windows` holds whole files; `seeds/directory` the same without their header, after a byte that says what it was;
`seeds/codec` the first block of each, after the bytes that say how it is declared (see `codec` in src/entries.rs);
`seeds/header` the first 16 bytes of a few. `seeds/weights` holds weights files of a few tensors, with the card of the
model that ships, cut down.
"""

import hashlib
import json
import pathlib
import shutil
import struct
import tempfile

import numpy as np
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import from_origin

SEEDS = pathlib.Path(__file__).parent / "seeds"
# The orders of COMPRESSIONS, SAMPLES and PHOTOMETRICS in src/entries.rs.
COMPRESSIONS = [1, 5, 8, 32773, 50000, 34887, 50001, 7, 32946, 34925, 6, 2, 3, 4, 34712, 34676]
SAMPLES = [(8, 1), (16, 1), (32, 3), (64, 3), (1, 1), (4, 1), (12, 1), (16, 3), (8, 2), (16, 2), (32, 1), (32, 2), (2, 1), (24, 3), (64, 1), (11, 1)]
PHOTOMETRICS = [1, 2, 3, 6]


def pixels(dtype, bands, height, width):
    band, row, column = np.mgrid[0:bands, 0:height, 0:width]
    values = (band * 41 + row * 7 + column * 3) % 120 + (row * column) % 5
    return (values * (100 if np.dtype(dtype).itemsize > 1 else 1)).astype(dtype)


def write(path, dtype="uint8", bands=1, size=(20, 24), overviews=(), mask=False, sparse=False, gcps=False, **options):
    height, width = size
    profile = dict(driver="GTiff", dtype=dtype, count=bands, height=height, width=width, **options)
    if not gcps:
        profile.setdefault("crs", "EPSG:32643")
        profile.setdefault("transform", from_origin(400000, 3000000, 5.8, 5.8))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as out:
        data = pixels(dtype, bands, height, width)
        if options.get("nbits", 8) < 8:
            data %= 2 ** options["nbits"]
        if sparse:
            out.write(data[:, :16, :16], window=((0, 16), (0, 16)))
        else:
            out.write(data)
        if mask:
            out.write_mask(data[0] % 3 > 0)
        if gcps:
            out.gcps = ([GroundControlPoint(r, c, 70 + c / 100, 20 - r / 100) for r, c in [(0, 0), (0, 20), (19, 0), (19, 20)]], "EPSG:4326")
        if overviews:
            out.build_overviews(overviews, Resampling.nearest)
        if bands == 1 and dtype == "uint8" and options.get("photometric") == "PALETTE":
            out.write_colormap(1, {value: (value, 255 - value, 7, 255) for value in range(256)})


def files():
    """(name, how to write it)"""
    for codec in ["NONE", "LZW", "DEFLATE", "PACKBITS", "ZSTD", "LERC", "LERC_DEFLATE", "LERC_ZSTD"]:
        yield codec.lower(), dict(compress=codec)
        yield f"{codec.lower()}-f32-tiled", dict(compress=codec, dtype="float32", tiled=True, blockxsize=16, blockysize=16)
        yield f"{codec.lower()}-u16-3", dict(compress=codec, dtype="uint16", bands=3, interleave="pixel")
    for codec in ["LZW", "DEFLATE", "ZSTD"]:
        yield f"{codec.lower()}-predictor2", dict(compress=codec, dtype="uint16", bands=2, predictor=2, interleave="pixel")
        yield f"{codec.lower()}-predictor3", dict(compress=codec, dtype="float32", predictor=3)
    yield "webp", dict(compress="WEBP", bands=3, interleave="pixel", tiled=True, blockxsize=16, blockysize=16)
    yield "webp-lossless-4", dict(compress="WEBP", bands=4, interleave="pixel", WEBP_LOSSLESS=True, size=(16, 16))
    yield "jpeg-gray", dict(compress="JPEG", size=(16, 16))
    yield "jpeg-ycbcr", dict(compress="JPEG", bands=3, interleave="pixel", photometric="YCBCR", tiled=True, blockxsize=16, blockysize=16)
    yield "jpeg-rgb", dict(compress="JPEG", bands=3, interleave="pixel", photometric="RGB", size=(16, 16))
    yield "jpeg-planar", dict(compress="JPEG", bands=2, interleave="band", size=(16, 16))
    yield "lzma", dict(compress="LZMA", size=(8, 8))
    for bits in [1, 2, 4]:
        yield f"{bits}-bits", dict(nbits=bits, compress="PACKBITS")
    yield "12-bits", dict(nbits=12, dtype="uint16", compress="DEFLATE")
    yield "half", dict(nbits=16, dtype="float32", compress="LZW")
    for dtype in ["int8", "int16", "uint32", "int32", "float64"]:
        yield dtype, dict(dtype=dtype, compress="DEFLATE", nodata=-99 if dtype != "uint32" else 0)
    yield "complex", dict(dtype="complex64", size=(4, 4))
    yield "big-endian", dict(ENDIANNESS="BIG", dtype="int16", compress="LZW", predictor=2)
    yield "bigtiff", dict(BIGTIFF="YES", dtype="uint16", tiled=True, blockxsize=16, blockysize=16)
    yield "bigtiff-big-endian", dict(BIGTIFF="YES", ENDIANNESS="BIG", dtype="float64", bands=2, interleave="band", nodata=float("nan"))
    yield "planar", dict(bands=3, interleave="band", tiled=True, blockxsize=16, blockysize=16, compress="DEFLATE")
    yield "sparse", dict(size=(48, 48), sparse=True, SPARSE_OK=True, tiled=True, blockxsize=16, blockysize=16, nodata=255)
    yield "overviews", dict(size=(96, 64), overviews=[2, 4], compress="DEFLATE")
    yield "mask", dict(mask=True, bands=3, interleave="pixel", photometric="RGB", compress="DEFLATE")
    yield "alpha", dict(bands=4, interleave="pixel", photometric="RGB", ALPHA="YES", compress="LZW")
    yield "palette", dict(photometric="PALETTE", compress="PACKBITS")
    yield "miniswhite", dict(photometric="MINISWHITE")
    yield "gcps", dict(gcps=True)
    yield "geographic", dict(crs="EPSG:4326", transform=from_origin(70, 20, 0.01, 0.01), nodata=0)
    yield "rotated", dict(transform=rasterio.Affine(5, 1, 400000, 2, -5, 3000000), crs="+proj=laea +lat_0=20 +lon_0=75 +units=us-ft")


def directory(file):
    """The first directory: {tag: (type, count, value bytes)}, the byte order, and whether it is a BigTIFF."""
    order = "<" if file[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", file, 2)[0] == 43
    at = struct.unpack_from(order + ("Q" if big else "I"), file, 8 if big else 4)[0]
    count = struct.unpack_from(order + ("Q" if big else "H"), file, at)[0]
    at += 8 if big else 2
    word = 8 if big else 4
    tags = {}
    for _ in range(count):
        tag, kind = struct.unpack_from(order + "HH", file, at)
        length = struct.unpack_from(order + ("Q" if big else "I"), file, at + 4)[0]
        size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 11: 4, 12: 8, 16: 8}.get(kind, 1) * length
        value_at = at + 4 + word
        if size > word:
            value_at = struct.unpack_from(order + ("Q" if big else "I"), file, value_at)[0]
        tags[tag] = (kind, length, file[value_at : value_at + size])
        at += 4 + 2 * word
    return tags, order, big


def codec_seed(file):
    tags, order, _ = directory(file)

    def number(tag, default):
        kind, _, value = tags.get(tag, (0, 0, b""))
        form = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        return struct.unpack_from(order + form, value)[0] if form else default

    offset, length = number(324, number(273, 0)), number(325, number(279, 0))
    block = file[offset : offset + length]
    sample = (number(258, 1), number(339, 1))
    if number(259, 1) not in COMPRESSIONS or sample not in SAMPLES or number(262, 1) not in PHOTOMETRICS:
        return None
    width = number(322, number(256, 1))
    height = number(323, min(number(278, 1 << 31), number(257, 1)))
    bands = number(277, 1)
    layout = (bands - 1) | PHOTOMETRICS.index(number(262, 1)) << 2
    layout |= (number(284, 1) == 2) << 4 | (322 in tags) << 5 | (order == ">") << 6 | (number(266, 1) == 2) << 7
    tables = tags[347][2] if 347 in tags else b""
    # Tables are taken in units of 16 bytes: comment segments fill the last one up.
    if tables:
        missing = -(len(tables) + 4) % 16
        tables = tables[:2] + b"\xff\xfe" + struct.pack(">H", missing + 2) + bytes(missing) + tables[2:]
    # LERC says in the place of the predictor how its blob is compressed.
    extra = struct.unpack_from(order + "2I", tags[50674][2])[1] if 50674 in tags else number(317, 1)
    extra |= (len(tables) // 16) << 2
    if len(tables) // 16 > 63 or width > 256 or height > 256:
        return None
    head = [COMPRESSIONS.index(number(259, 1)), SAMPLES.index(sample), layout, extra, width - 1, height - 1]
    return bytes(head) + tables + block


def weights_file(card, tensors, **metadata):
    """tensors: {name: (dtype, shape)}; the digest is of the file with the digest's own digits read as zeros."""
    zeros = "0" * 64
    table = {"__metadata__": {"format": "raremap/1", "card": json.dumps(card), "sha256": zeros, **metadata}}
    body = b""
    for name, (dtype, shape) in tensors.items():
        values = (np.arange(np.prod(shape, dtype=int)) % 5).astype(dtype).tobytes()
        code = {"float32": "F32", "int8": "I8", "float64": "F64"}[dtype]
        table[name] = {"dtype": code, "shape": list(shape), "data_offsets": [len(body), len(body) + len(values)]}
        body += values
    header = json.dumps(table)
    header += " " * (-len(header) % 8)
    file = struct.pack("<Q", len(header)) + header.encode() + body
    return file.replace(zeros.encode(), hashlib.sha256(file).hexdigest().encode(), 1)


def weights_seeds():
    shipped = (SEEDS.parents[1] / "web/models/default.raremap").read_bytes()
    header = json.loads(shipped[8 : 8 + struct.unpack("<Q", shipped[:8])[0]])
    card = json.loads(header["__metadata__"]["card"])
    properties = card["properties"]
    network = properties["mlm:hyperparameters"]
    network.update(in_channels=1, num_classes=2, num_rare=1)
    tile = properties["mlm:input"][0]
    tile["bands"], tile["value_scaling"] = tile["bands"][:1], tile["value_scaling"][:1]
    for output, classes in zip(properties["mlm:output"], [2, 1]):
        output["classification:classes"] = output["classification:classes"][:classes]
    classes = properties["mlm:output"][0]["classification:classes"]
    properties["raremap:rare_classes"] = [classes[-1]["name"]]
    for name in ["raremap:metrics", "description"]:
        properties[name] = "x"
    golden = {
        "golden.input": ("float32", (1, 1, 32, 32)),
        "golden.main": ("float32", (1, 2, 16, 16)),
        "golden.auxiliary": ("float32", (1, 1, 16, 16)),
    }
    weight, scale = "decoder.linear_fuse.weight", "decoder.linear_fuse.weight.scale"
    int8 = {weight: ("int8", (3, 4, 1, 1)), scale: ("float32", (3,))}
    yield "plain", weights_file(card, golden | {"decoder.batch_norm.beta": ("float32", (3,))})
    yield "int8", weights_file(card, golden | int8)
    yield "int8-without-scale", weights_file(card, golden | {weight: ("int8", (3, 4, 1, 1))})
    yield "double", weights_file(card, golden | {"decoder.batch_norm.beta": ("float64", (3,))})
    yield "without-golden", weights_file(card, {})
    yield "of-another-version", weights_file(card, golden, format="raremap/9")


def main():
    parts = ["header", "directory", "codec", "windows", "weights"]
    for part in parts:
        shutil.rmtree(SEEDS / part, ignore_errors=True)
    for part in parts:
        (SEEDS / part).mkdir(parents=True)
    for name, file in weights_seeds():
        (SEEDS / "weights" / name).write_bytes(file)
    with tempfile.TemporaryDirectory() as folder:
        for name, how in files():
            path = pathlib.Path(folder) / f"{name}.tif"
            write(path, **how)
            file = path.read_bytes()
            (SEEDS / "windows" / f"{name}.tif").write_bytes(file)
            _, order, big = directory(file)
            kind = (order == ">") | big << 1
            start = 16 if big else 8
            # Only files whose first directory comes first: GDAL's own.
            (SEEDS / "directory" / name).write_bytes(bytes([kind]) + file[start:])
            if name in ["none", "bigtiff", "big-endian", "bigtiff-big-endian"]:
                (SEEDS / "header" / name).write_bytes(file[:16])
            seed = codec_seed(file)
            if seed:
                (SEEDS / "codec" / name).write_bytes(seed)


main()
