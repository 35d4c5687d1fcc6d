"""Writes small GeoTIFFs of many kinds into a folder, and prints what GDAL (through rasterio) reads of each, one JSON object a line.

Two makers: rasterio for what GDAL itself writes, and `Tiff` below for what other writers, and nobody sane, write.
"""

import json
import math
import os
import struct
import sys
import warnings
import zlib

import numpy
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import Affine

warnings.filterwarnings("ignore")
WIDTH, HEIGHT = 40, 30
NORTH_UP = Affine(30.0, 0.0, 500000.0, 0.0, -30.0, 4200000.0)
DEGREES = Affine(0.01, 0.0, 76.5, 0.0, -0.01, 12.25)
LCC = (
    'PROJCS["a conic of its own",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]],PROJECTION["Lambert_Conformal_Conic_2SP"],PARAMETER["latitude_of_origin",24],'
    'PARAMETER["central_meridian",80],PARAMETER["standard_parallel_1",12.5],PARAMETER["standard_parallel_2",35.2],'
    'PARAMETER["false_easting",4000000],PARAMETER["false_northing",4000000],UNIT["metre",1]]'
)
LCC_FEET = LCC.replace('UNIT["metre",1]]', 'UNIT["US survey foot",0.304800609601219]]')


def pixels(dtype, bands=1, height=HEIGHT, width=WIDTH, seed=1):
    generator = numpy.random.default_rng(seed)
    values = generator.integers(0, 100, (bands, height, width))
    return values.astype(dtype)


class Tiff:
    """A file of one or more directories, tag by tag; values are (type, numbers or bytes)."""

    SIZES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "I", 6: "b", 7: "s", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q"}

    def __init__(self, order="<", big=False):
        self.order, self.big = order, big
        self.body = bytearray(b"\0" * (16 if big else 8))
        self.directories = []

    def put(self, data):
        if len(self.body) % 2:
            self.body += b"\0"
        offset = len(self.body)
        self.body += data
        return offset

    def encode(self, kind, values):
        if kind in (2, 7):
            data = values if isinstance(values, bytes) else values.encode()
            return len(data), data
        if kind == 5:
            return len(values) // 2, struct.pack(f"{self.order}{len(values)}I", *values)
        return len(values), struct.pack(f"{self.order}{len(values)}{self.SIZES[kind]}", *values)

    def directory(self, entries):
        """Appends a directory; gives its offset. Entries are written as they come: unsorted, twice, as given."""
        word = "Q" if self.big else "I"
        room = 8 if self.big else 4
        table = b""
        for tag, kind, values, *forged in entries:
            count, data = self.encode(kind, values)
            count = forged[0] if forged else count
            inline = data.ljust(room, b"\0") if len(data) <= room else struct.pack(self.order + word, self.put(data))
            table += struct.pack(f"{self.order}HH{word}", tag, kind, count) + inline
        head = struct.pack(self.order + ("Q" if self.big else "H"), len(entries))
        offset = self.put(head + table + b"\0" * room)
        self.directories.append((offset, offset + len(head + table)))
        return offset

    def bytes(self, chain=None):
        chain = range(len(self.directories)) if chain is None else chain
        word = "Q" if self.big else "I"
        body = bytearray(self.body)
        places = [self.directories[index] for index in chain]
        for (_, link), (following, _) in zip(places, places[1:]):
            struct.pack_into(self.order + word, body, link, following)
        mark = b"II" if self.order == "<" else b"MM"
        if self.big:
            header = mark + struct.pack(self.order + "HHHQ", 43, 8, 0, places[0][0])
        else:
            header = mark + struct.pack(self.order + "HI", 42, places[0][0])
        body[: len(header)] = header
        return bytes(body)


def image_entries(tiff, values, deflate=False, rows=None, subfile=None, drop=(), replace=(), extra=()):
    """The entries of a strip image of `[band][row][column]` values, by pixel."""
    bands, height, width = values.shape
    rows = rows or height
    dtype = values.dtype
    by_pixel = numpy.ascontiguousarray(values.transpose(1, 2, 0)).astype(dtype.newbyteorder(tiff.order))
    strips = [by_pixel[top : top + rows].tobytes() for top in range(0, height, rows)]
    strips = [zlib.compress(strip) for strip in strips] if deflate else strips
    offsets = [tiff.put(strip) for strip in strips]
    kind = {"u": 1, "i": 2, "f": 3}[dtype.kind]
    entries = [
        (256, 3, [width]),
        (257, 3, [height]),
        (258, 3, [8 * dtype.itemsize] * bands),
        (259, 3, [8 if deflate else 1]),
        (262, 3, [1]),
        (273, 4, offsets),
        (277, 3, [bands]),
        (278, 3, [rows]),
        (279, 4, [len(strip) for strip in strips]),
        (339, 3, [kind] * bands),
    ]
    if subfile is not None:
        entries.append((254, 4, [subfile]))
    replaced = {entry[0] for entry in replace}
    entries = [entry for entry in entries if entry[0] not in replaced and entry[0] not in drop]
    entries += list(replace) + list(extra)
    return sorted(entries, key=lambda entry: entry[0])


FILES = []


def case(name):
    path = os.path.join(FOLDER, name + ".tif")
    FILES.append(path)
    return path


def made(name, values, creation=None, epsg=32643, transform=NORTH_UP, nodata=None, then=None, **options):
    """A file by rasterio."""
    path = case(name)
    bands, height, width = values.shape
    profile = dict(driver="GTiff", width=width, height=height, count=bands, dtype=values.dtype, transform=transform, nodata=nodata)
    if epsg is not None:
        profile["crs"] = epsg if isinstance(epsg, CRS) else CRS.from_epsg(epsg)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, **options), rasterio.open(path, "w", **profile, **(creation or {})) as image:
        image.write(values)
        if then:
            then(image)
    return path


def forged(name, values=None, order="<", big=False, **changes):
    """A file of one directory by `Tiff`."""
    tiff = Tiff(order, big)
    values = pixels("uint8") if values is None else values
    tiff.directory(image_entries(tiff, values, **changes))
    with open(case(name), "wb") as file:
        file.write(tiff.bytes())


def many(name, build):
    """A file of several directories: `build` adds them to a `Tiff` and may give the chain."""
    tiff = Tiff()
    chain = build(tiff)
    with open(case(name), "wb") as file:
        file.write(tiff.bytes(chain))


def masks():
    def half(image):
        mask = numpy.full(image.shape, 255, "uint8")
        mask[:, : image.width // 3] = 0
        mask[5:9, 20:] = 0
        image.write_mask(mask)

    for dtype in ["uint8", "uint16", "float32"]:
        for nodata in [None, 7, 0]:
            for creation in [{}, dict(tiled=True, blockxsize=16, blockysize=16), dict(compress="deflate", interleave="pixel")]:
                kind = "-".join(["mask", dtype, str(nodata), *map(str, creation)])
                made(kind, pixels(dtype, 3), creation, nodata=nodata, then=half)
    made("mask-and-alpha", pixels("uint8", 4), dict(photometric="RGB", alpha="YES"), then=half)
    for bands in [2, 3, 4, 5]:
        made(f"alpha-{bands}", pixels("uint8", bands), dict(alpha="YES"))
        made(f"alpha-nodata-{bands}", pixels("uint8", bands), dict(alpha="YES"), nodata=3)
    made("alpha-premultiplied", pixels("uint8", 4), dict(photometric="RGB", alpha="PREMULTIPLIED"))
    made("alpha-unspecified", pixels("uint8", 4), dict(photometric="RGB", alpha="UNSPECIFIED"))

    def overviews(image):
        half(image)
        image.build_overviews([2, 4], Resampling.nearest)

    path = made("mask-overviews", pixels("uint8", 3, 300, 400), then=half)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as image:
        image.build_overviews([2, 4], Resampling.nearest)

    # Masks that other writers make.
    grid = pixels("uint8")
    eight_bit = (pixels("uint8", seed=2) > 40).astype("uint8") * 255
    levels = pixels("uint8", seed=3) % 3

    def with_mask(mask, subfile=4, main_nodata=None, **changes):
        def build(tiff):
            extra = [] if main_nodata is None else [(42113, 2, main_nodata + b"\0")]
            tiff.directory(image_entries(tiff, grid, extra=extra))
            tiff.directory(image_entries(tiff, mask, subfile=subfile, replace=[(262, 3, [4])], **changes))

        return build

    many("mask-8bit", with_mask(eight_bit))
    many("mask-8bit-levels", with_mask(levels, deflate=True, rows=7))
    many("mask-8bit-nodata", with_mask(eight_bit, main_nodata=b"7"))
    many("mask-16bit", with_mask(eight_bit.astype("uint16")))
    many("mask-smaller", with_mask(pixels("uint8", 1, 15, 20)))
    many("mask-larger", with_mask(pixels("uint8", 1, 60, 80)))
    many("mask-no-photometric", with_mask(eight_bit, subfile=4, drop=(262,)))
    many("mask-by-photometric-alone", with_mask(eight_bit, subfile=0))
    many("mask-of-reduced", with_mask(eight_bit, subfile=5))
    many("mask-page-bits", with_mask(eight_bit, subfile=6))
    many("mask-three-bands", with_mask(numpy.concatenate([eight_bit] * 3)))

    def per_band(tiff):
        tiff.directory(image_entries(tiff, pixels("uint8", 3)))
        tiff.directory(image_entries(tiff, pixels("uint8", 3, seed=5) % 2, subfile=4))

    many("mask-per-band", per_band)

    def two_masks(tiff):
        tiff.directory(image_entries(tiff, grid))
        tiff.directory(image_entries(tiff, eight_bit, subfile=4))
        tiff.directory(image_entries(tiff, levels, subfile=4))

    many("mask-twice", two_masks)

    def first_is_mask(tiff):
        tiff.directory(image_entries(tiff, eight_bit, subfile=4))
        tiff.directory(image_entries(tiff, grid))

    many("mask-first", first_is_mask)
    one_bit = numpy.packbits(levels[0] > 0, axis=1)

    def bits(order):
        def build(tiff):
            tiff.directory(image_entries(tiff, grid))
            offset = tiff.put(one_bit.tobytes())
            entries = image_entries(tiff, levels, subfile=4, replace=[(258, 3, [1]), (273, 4, [offset]), (279, 4, [one_bit.size]), (262, 3, [4])])
            tiff.directory(entries if order == 1 else entries + [(266, 3, [2])])

        return build

    many("mask-1bit", bits(1))
    many("mask-1bit-reversed", bits(2))


def overviews():
    large = pixels("uint16", 2, 300, 400)
    path = made("overviews", large, dict(tiled=True, blockxsize=64, blockysize=64, compress="lzw"))
    with rasterio.open(path, "r+") as image:
        image.build_overviews([2, 4, 8], Resampling.average)
    path = made("overviews-nodata", large, nodata=5)
    with rasterio.open(path, "r+") as image:
        image.build_overviews([2, 4], Resampling.nearest)
    cog = dict(driver="COG", blocksize=128, compress="deflate")
    source = made("cog-source", pixels("uint8", 3, 300, 400))
    from rasterio.shutil import copy

    copy(source, case("cog"), **cog)
    copy(source, case("cog-sparse"), sparse_ok="YES", **cog)
    masked = FOLDER + "/mask-overviews.tif"
    if os.path.exists(masked):
        copy(masked, case("cog-mask"), **cog)

    small, smaller = pixels("uint8", 1, 15, 20, 4), pixels("uint8", 1, 8, 10, 5)
    grid = pixels("uint8")

    def thumbnail_first(tiff):
        tiff.directory(image_entries(tiff, small, subfile=1))
        tiff.directory(image_entries(tiff, grid))

    many("thumbnail-first", thumbnail_first)

    def pages(tiff):
        for seed in range(4):
            tiff.directory(image_entries(tiff, pixels("uint8", seed=seed), subfile=2, extra=[(297, 3, [seed, 4])]))

    many("pages", pages)

    def untyped_pages(tiff):
        tiff.directory(image_entries(tiff, grid))
        tiff.directory(image_entries(tiff, small))

    many("pages-untyped", untyped_pages)

    def sub(tiff):
        nested = tiff.directory(image_entries(tiff, small, subfile=1))
        tiff.directory(image_entries(tiff, grid, extra=[(330, 4, [nested])]))
        return [1]

    many("subifd", sub)

    def subs(tiff):
        nested = [tiff.directory(image_entries(tiff, level, subfile=1)) for level in (small, smaller)]
        tiff.directory(image_entries(tiff, grid, extra=[(330, 13, nested)]))
        return [2]

    many("subifds", subs)

    def other_bands(tiff):
        tiff.directory(image_entries(tiff, grid))
        tiff.directory(image_entries(tiff, pixels("uint8", 3, 15, 20), subfile=1))
        tiff.directory(image_entries(tiff, pixels("uint16", 1, 15, 20), subfile=1))
        tiff.directory(image_entries(tiff, smaller, subfile=1))

    many("overviews-of-another-kind", other_bands)

    def old_subfile(tiff):
        tiff.directory(image_entries(tiff, grid, extra=[(255, 3, [1])]))
        tiff.directory(image_entries(tiff, small, extra=[(255, 3, [2])]))

    many("old-subfile-type", old_subfile)


def nodata():
    texts = [
        "nan", "NaN", "-1.#IND", "1.#QNAN", "inf", "-inf", "+inf", "Infinity", "1.#INF", " -9999 ", "-9999.0\0\0", "7", "+7",
        "7.0", "7.4", "7.6", "007", "1e+20", "1E1", "-3.4028234663852886e+38", "-3.4028235e+38", "-3.40282346638529e+38", "-3.402823e+38",
        "1e39", "-1.79769313486231571e+308", "-1.79769313486231571e+309", "255", "256", "-1", "65535", "65536", "0", "-0", "0.0", "0x10",
        "none", "", " ", "7 8", "7,8", "7;8", "0,5", "0.5", "1/3", "99abc", "e", "-", ".", "7\0 8", "-128", "4294967295", "4294967296", "2147483647",
        "-2147483648", "1e-40", "n/a", "null", "32768", "-32768", "-9999.000001",
    ]  # fmt: skip
    for dtype in ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]:
        values = pixels(dtype)
        kind = numpy.dtype(dtype)
        info = numpy.finfo(kind) if kind.kind == "f" else numpy.iinfo(kind)
        values[0, 0, :8] = [info.min, info.max, 0, 7, 8, 99, 16, 10]
        if kind.kind in "if":
            values[0, 1, :3] = [-1, -128, -9999 if kind.itemsize > 1 else -99]
        if kind.kind == "f":
            values[0, 1, 3:12] = [numpy.nan, numpy.inf, -numpy.inf, -3.4028234663852886e38, 1e20, 0.5, -9999.001, 7.4, 1e-40]
            values[0, 2, :4] = [7.000001, 7.0000004, 7.00001, -3.402823e38]
        for index, text in enumerate(texts):
            forged(f"nodata-{dtype}-{index}", values, extra=[(42113, 2, text.encode() + b"\0")])
        for index, text in enumerate(["-nan", "nan(ind)"]):
            forged(f"nodata-named-{dtype}-{index}", values, extra=[(42113, 2, text.encode() + b"\0")])
    forged("nodata-type-double", pixels("float32"), extra=[(42113, 12, [7.0])])
    forged("nodata-type-short", pixels("uint8"), extra=[(42113, 3, [7])])
    forged("nodata-type-byte", pixels("uint8"), extra=[(42113, 1, list(b"7\0"))])
    forged("nodata-unterminated", pixels("uint8"), extra=[(42113, 2, b"7")])
    forged("nodata-long-text", pixels("uint8"), extra=[(42113, 2, b"7" + b" " * 2000 + b"\0")])
    metadata = '<GDALMetadata><Item name="_FillValue">7</Item><Item name="NODATA_VALUES">7</Item></GDALMetadata>\0'
    forged("nodata-in-metadata", pixels("uint8"), extra=[(42112, 2, metadata)])
    forged("nodata-fill-value", pixels("uint8"), extra=[(42112, 2, '<GDALMetadata><Item name="_FillValue" sample="0">7</Item></GDALMetadata>\0')])
    for dtype, value in [("uint8", 255), ("int16", -9999), ("float32", -9999), ("float32", math.nan), ("float64", -1e300), ("uint16", 65535)]:
        values = pixels(dtype, 3)
        values[:, 3:9, 4:20] = value
        made(f"nodata-made-{dtype}-{value}", values, nodata=value)


def metadata():
    def described(image):
        image.scales, image.offsets = (0.0001, 2.0, 1.0), (-0.1, 0.0, 3.5)
        image.descriptions = ("green", None, "nir & <more>")
        image.update_tags(AREA_OR_POINT="Area", SENSOR="LISS-IV")
        image.update_tags(1, STATISTICS_MINIMUM="1", STATISTICS_MAXIMUM="99", wavelength="0.56")
        image.units = ("reflectance", "", "dn")

    made("scale-offset", pixels("uint16", 3), then=described)

    def colored(image):
        image.colorinterp = [ColorInterp.blue, ColorInterp.undefined, ColorInterp.gray, ColorInterp.alpha]

    made("colorinterp", pixels("uint16", 4), then=colored)

    def table(image):
        image.write_colormap(1, {value: (value, 255 - value, 7, 255) for value in range(256)})

    made("palette", pixels("uint8"), dict(photometric="palette"), then=table)
    made("palette-16", pixels("uint16"), dict(photometric="palette"), then=lambda image: image.write_colormap(1, {1: (1, 2, 3, 255)}))
    for bands in range(1, 7):
        for photometric in ["MINISBLACK", "RGB", "MINISWHITE"]:
            if photometric == "RGB" and bands < 3:
                continue
            for alpha in ["YES", "NO"]:
                if (photometric, bands) != ("RGB", 3):
                    made(f"colors-{bands}-{photometric}-{alpha}", pixels("uint8", bands), dict(photometric=photometric, alpha=alpha))
    for extra in [[], [0], [1], [2], [0, 2], [2, 0], [2, 2], [999]]:
        for photometric in [1, 2]:
            forged(f"extra-{photometric}-{'_'.join(map(str, extra))}", pixels("uint8", 4), replace=[(262, 3, [photometric])], extra=[(338, 3, extra)] if extra else [])
    damaged = ["<GDALMetadata><Item name='SCALE' sample='0' role='scale'>2</Item><Item name='OFFSET' sample='0' role='offset'>3</Item></GDALMetadata>\0",
               '<GDALMetadata><Item name="SCALE" sample="0" role="scale">two</Item></GDALMetadata>\0',
               '<GDALMetadata><Item role="offset" sample="0" name="OFFSET">5</Item></GDALMetadata>\0',
               '<GDALMetadata>\n<Item name="OFFSET" sample="0">5</Item><Item name="SCALE" sample="0">5</Item>\0',
               '<GDALMetadata><Item name="SCALE" sample="0" role="scale"> 0.5 </Item><!-- <Item name="OFFSET" sample="0" role="offset">9</Item> --></GDALMetadata>\0']  # fmt: skip
    for index, text in enumerate(damaged):
        forged(f"metadata-{index}", extra=[(42112, 2, text)])


def places():
    codes = [4326, 3857, 32643, 2154, 27700, 28992, 3035, 2263, 4269, 32717, 3413, 6933, 5070, 7755, 4267, 26915, 2193, 31370, 4978, 4979, 24378, 3408, 4807, 2229, 102008, 9377]
    for epsg in codes:
        try:
            crs = CRS.from_epsg(epsg)
        except rasterio.errors.CRSError:
            continue
        for keys in ["STANDARD", "ESRI_PE"]:
            made(f"crs-{epsg}-{keys}", pixels("uint8"), dict(geotiff_keys_flavor=keys), epsg=crs, transform=DEGREES if crs.is_geographic else NORTH_UP)
    made("crs-none", pixels("uint8"), epsg=None)
    for name, wkt in [("lcc", LCC), ("lcc-feet", LCC_FEET)]:
        for keys in ["STANDARD", "ESRI_PE"]:
            made(f"crs-{name}-{keys}", pixels("uint8"), dict(geotiff_keys_flavor=keys), epsg=CRS.from_wkt(wkt))
    made("crs-sinusoidal", pixels("uint8"), epsg=CRS.from_proj4("+proj=sinu +R=6371007.181 +units=m"))
    made("crs-sphere", pixels("uint8"), epsg=CRS.from_proj4("+proj=longlat +R=6370997"), transform=DEGREES)
    made("crs-utm-unnamed", pixels("uint8"), epsg=CRS.from_proj4("+proj=utm +zone=43 +ellps=GRS80"))
    made("crs-aea", pixels("uint8"), epsg=CRS.from_proj4("+proj=aea +lat_1=20 +lat_2=60 +lat_0=40 +lon_0=-96 +datum=NAD83 +units=us-ft"))
    made("crs-engineering", pixels("uint8"), epsg=CRS.from_wkt('LOCAL_CS["my field",UNIT["metre",1]]'))
    transforms = [Affine(1, 0, 0, 0, 1, 0), Affine(2, 0, 5, 0, 2, 6), Affine(1, 0.2, 10, 0.3, -1, 20), Affine(-1, 0, 10, 0, -1, 20), Affine(0, 5, 1, 5, 0, 2), Affine(30, 0, 1e7, 0, -15, -1e7), Affine(1e-9, 0, 0, 0, -1e-9, 0)]
    for index, transform in enumerate(transforms):
        for point in ["Area", "Point"]:
            made(f"transform-{index}-{point}", pixels("uint8"), transform=transform, then=lambda image: image.update_tags(AREA_OR_POINT=point))
    points = [GroundControlPoint(row, column, 76 + column / 100, 12 - row / 90, 1.5) for row, column in [(0, 0), (0, 39), (29, 0), (29, 39)]]

    def pin(image):
        image.gcps = (points, CRS.from_epsg(4326))

    made("gcps", pixels("uint8"), epsg=None, transform=None, then=pin)

    keys = (34735, 3, [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32643])
    point_keys = (34735, 3, [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, 32643])
    scale, tie = (33550, 12, [2.0, 3.0, 0.0]), (33922, 12, [0.0, 0.0, 0.0, 100.0, 200.0, 0.0])
    matrix = (34264, 12, [5.0, 1.0, 0.0, 7.0, 2.0, -6.0, 0.0, 8.0, 0, 0, 0, 0, 0, 0, 0, 1.0])
    tied = lambda *values: (33922, 12, list(map(float, values)))  # noqa: E731
    scaled = lambda *values: (33550, 12, list(map(float, values)))  # noqa: E731
    for name, tags in {
        "scale-tie": [scale, tie],
        "tie-inside": [scale, tied(10, 20, 0, 100, 200, 0)],
        "tie-fraction": [scale, tied(0.5, 0.5, 0, 100, 200, 0)],
        "ties-several-scale": [scale, tied(10, 20, 0, 100, 200, 0, 1, 2, 0, 3, 4, 0)],
        "scale-alone": [scale],
        "tie-alone": [tie],
        "tie-short": [scale, tied(1, 2, 3)],
        "tie-of-four": [scale, tied(1, 2, 3, 4)],
        "ties-two": [tied(0, 0, 0, 1, 2, 0, 39, 0, 0, 5, 2, 0)],
        "ties-corners": [tied(0, 0, 0, 10, 20, 0, 40, 0, 0, 50, 20, 0, 0, 30, 0, 10, -10, 0, 40, 30, 0, 50, -10, 0)],
        "scale-zero": [scaled(0, 0, 0), tie],
        "scale-zero-matrix": [scaled(0, 0, 0), tie, matrix],
        "scale-zero-y": [scaled(2, 0, 0), tie],
        "scale-negative-y": [scaled(2, -3, 0), tie],
        "scale-negative-x": [scaled(-2, 3, 0), tie],
        "scale-two-values": [scaled(2, 3), tie],
        "scale-one-value": [scaled(2), tie],
        "scale-nan": [scaled(math.nan, 3, 0), tie],
        "matrix": [matrix],
        "matrix-and-scale": [scale, tie, matrix],
        "matrix-and-tie": [tie, matrix],
        "matrix-short": [(34264, 12, matrix[2][:12])],
        "matrix-long": [(34264, 12, matrix[2] + [0.0])],
        "matrix-zero": [(34264, 12, [0.0] * 16)],
        "scale-float": [(33550, 11, [2.0, 3.0, 0.0]), tie],
        "tie-long": [scale, (33922, 4, [0, 0, 0, 100, 200, 0])],
        "scale-rational": [(33550, 5, [2, 1, 3, 1, 0, 1]), tie],
        "scale-ascii": [(33550, 2, b"2.0 3.0 0.0\0"), tie],
        "infinite": [scale, tied(0, 0, 0, math.inf, 200, 0)],
    }.items():
        for suffix, key in [("", keys), ("-point", point_keys), ("-no-keys", None)]:
            forged(f"place-{name}{suffix}", extra=tags + ([key] if key else []))
        forged(f"place-{name}-big", order=">", big=True, extra=tags + [keys])

    def crs(name, entries, doubles=(), text=b"", header=(1, 1, 0), count=None, kind=3):
        directory = [*header, len(entries) if count is None else count, *[value for entry in entries for value in entry]]
        tags = [scale, tie, (34735, kind, directory)]
        tags += [(34736, 12, list(doubles))] if doubles else []
        tags += [(34737, 2, text + b"\0")] if text else []
        forged(f"keys-{name}", extra=tags)

    projected, geographic = (1024, 0, 1, 1), (1024, 0, 1, 2)
    utm = (3072, 0, 1, 32643)
    crs("plain", [projected, utm])
    crs("no-model-type", [utm])
    crs("no-model-type-geographic", [(2048, 0, 1, 4326)])
    crs("model-type-only", [projected])
    crs("model-type-undefined", [(1024, 0, 1, 32767), utm])
    crs("model-type-zero", [(1024, 0, 1, 0), utm])
    crs("geographic-with-projected", [geographic, (2048, 0, 1, 4326), utm])
    crs("projected-with-geographic-only", [projected, (2048, 0, 1, 4326)])
    crs("out-of-order", [utm, (1025, 0, 1, 1), projected])
    crs("twice", [projected, utm, (3072, 0, 1, 32644)])
    crs("vertical", [projected, utm, (4096, 0, 1, 5773), (4099, 0, 1, 9001)])
    crs("version-2", [projected, utm], header=(2, 1, 0))
    crs("version-0", [projected, utm], header=(0, 1, 0))
    crs("revision-9", [projected, utm], header=(1, 9, 9))
    crs("count-large", [projected, utm], count=900)
    crs("count-small", [projected, utm], count=1)
    crs("count-zero", [projected, utm], count=0)
    crs("type-long", [projected, utm], kind=4)
    crs("as-double", [projected, (3072, 34736, 1, 0)], [32643.0])
    crs("as-ascii", [projected, (3072, 34737, 6, 0)], text=b"32643|")
    crs("in-own-tag", [projected, (3072, 34735, 1, 12)], text=b"")
    crs("citation-only", [projected, (1026, 34737, 24, 0)], text=b"PCS Name = WGS_84_UTM_4|")
    crs("esri", [projected, (1026, 34737, 40, 0), (2048, 0, 1, 4326), (3072, 0, 1, 32767), (3073, 34737, 40, 0), (3076, 0, 1, 9001)], text=b"PCS Name = WGS_1984_UTM_Zone_43N|")
    crs("utm-by-projection", [projected, (2048, 0, 1, 4326), (3072, 0, 1, 32767), (3074, 0, 1, 16043), (3076, 0, 1, 9001)])
    crs("utm-south-by-projection", [projected, (2048, 0, 1, 4326), (3072, 0, 1, 32767), (3074, 0, 1, 16143)])
    crs("utm-nad83-by-projection", [projected, (2048, 0, 1, 4269), (3072, 0, 1, 32767), (3074, 0, 1, 16015)])
    crs("utm-by-projection-no-pcs", [projected, (2048, 0, 1, 4326), (3074, 0, 1, 16043)])
    crs("unknown-code", [projected, (3072, 0, 1, 12345)])
    crs("geographic-code-of-projected", [geographic, (2048, 0, 1, 32643)])
    crs("projected-code-of-geographic", [projected, (3072, 0, 1, 4326)])
    crs("user-geographic", [geographic, (2048, 0, 1, 32767), (2049, 34737, 8, 0), (2050, 0, 1, 6326), (2054, 0, 1, 9102)], text=b"my WGS |")
    crs("datum-only", [geographic, (2050, 0, 1, 6326), (2054, 0, 1, 9102)])
    crs("grads", [geographic, (2048, 0, 1, 4807), (2054, 0, 1, 9105)])
    crs("geographic-radians", [geographic, (2048, 0, 1, 4326), (2054, 0, 1, 9101)])
    crs("utm-in-feet", [projected, utm, (3076, 0, 1, 9003)])
    crs("geocentric", [(1024, 0, 1, 3), (2048, 0, 1, 4978)])
    crs("user-unit", [projected, (2048, 0, 1, 4326), (3072, 0, 1, 32767), (3074, 0, 1, 32767), (3075, 0, 1, 8), (3076, 0, 1, 32767), (3077, 34736, 1, 0), (3078, 34736, 1, 1), (3079, 34736, 1, 2), (3084, 34736, 1, 3), (3085, 34736, 1, 4)], [0.3048, 10.0, 20.0, 80.0, 15.0])
    crs("ascii-beyond", [projected, utm, (1026, 34737, 900, 40000)], text=b"abc|")
    crs("double-beyond", [projected, utm, (2057, 34736, 1, 40000)], [1.0])
    crs("web-mercator", [projected, (3072, 0, 1, 3857)])
    crs("web-mercator-old", [projected, (3072, 0, 1, 3785)])
    crs("code-zero", [projected, (3072, 0, 1, 0), (2048, 0, 1, 4326)])
    crs("geographic-zero", [geographic, (2048, 0, 1, 0)])


def tags():
    grid = pixels("uint8")
    forged("rows-zero", replace=[(278, 3, [0])])
    forged("rows-huge", replace=[(278, 4, [0xFFFFFFFF])])
    forged("rows-larger", replace=[(278, 4, [1000])])
    forged("rows-missing", drop=(278,))
    forged("rows-missing-many", rows=7, drop=(278,))
    forged("rows-too-small", replace=[(278, 3, [7])])
    forged("counts-missing", drop=(279,))
    forged("counts-missing-strips", rows=7, drop=(279,))
    forged("counts-missing-deflate", rows=7, deflate=True, drop=(279,))
    forged("counts-missing-deflate-one", deflate=True, drop=(279,))
    forged("counts-zero", replace=[(279, 4, [0])])
    forged("counts-zero-strips", rows=10, replace=[(279, 4, [0, 0, 0])])
    forged("counts-zero-deflate", deflate=True, rows=10, replace=[(279, 4, [0, 0, 0])])
    forged("counts-short", replace=[(279, 4, [1000])])
    forged("counts-short-strips", rows=10, replace=[(279, 4, [300, 400, 400])])
    forged("counts-fewer", rows=10, replace=[(279, 4, [400, 400])])
    forged("counts-large", replace=[(279, 4, [100000])])
    forged("counts-huge", replace=[(279, 4, [0xFFFFFFFF])])
    forged("counts-large-deflate", deflate=True, rows=10, replace=[(279, 4, [100000, 100000, 100000])])
    forged("counts-as-short", rows=10, replace=[(279, 3, [400, 400, 400])])
    forged("counts-as-byte", rows=5, replace=[(279, 1, [200] * 6)])
    forged("counts-as-signed", rows=10, replace=[(279, 9, [400, 400, 400])])
    forged("counts-as-long8", rows=10, replace=[(279, 16, [400, 400, 400])])
    for name, kind in [("byte", 1), ("sbyte", 6), ("sshort", 8), ("long", 4), ("slong", 9), ("long8", 16), ("slong8", 17), ("float", 11), ("double", 12), ("undefined", 7)]:
        number = (lambda value: bytes([value])) if kind == 7 else (lambda value: [value])
        forged(f"sizes-{name}", replace=[(256, kind, number(WIDTH)), (257, kind, number(HEIGHT))])
        forged(f"bits-{name}", replace=[(258, kind, number(8)), (259, kind, number(1)), (277, kind, number(1)), (262, kind, number(1))])
        forged(f"rows-{name}", rows=10, replace=[(278, kind, number(10))])
        forged(f"format-{name}", replace=[(339, kind, number(1))])
    forged("sizes-rational", replace=[(256, 5, [WIDTH, 1]), (257, 5, [HEIGHT, 1])])
    forged("bits-missing", drop=(258,))
    forged("bits-one-of-three", pixels("uint8", 3), replace=[(258, 3, [8])])
    forged("bits-two-of-three", pixels("uint8", 3), replace=[(258, 3, [8, 8])])
    forged("bits-four-of-three", pixels("uint8", 3), replace=[(258, 3, [8, 8, 8, 8])])
    forged("format-one-of-three", pixels("int16", 3), replace=[(339, 3, [2])])
    forged("format-zero", replace=[(339, 3, [0])])
    forged("format-undefined", pixels("uint16"), replace=[(339, 3, [4])])
    forged("format-void-float", pixels("float32"), replace=[(339, 3, [4])])
    forged("format-missing-float", pixels("float32"), drop=(339,))
    forged("photometric-missing", drop=(262,))
    forged("photometric-odd", replace=[(262, 3, [77])])
    forged("samples-missing", drop=(277,))
    forged("samples-zero", replace=[(277, 3, [0])])
    forged("compression-missing", drop=(259,))
    forged("compression-zero", replace=[(259, 3, [0])])
    forged("planar-zero", extra=[(284, 3, [0])])
    forged("planar-three", extra=[(284, 3, [3])])
    forged("planar-odd-of-three", pixels("uint8", 3), extra=[(284, 3, [3])])
    forged("planar-two-of-one", extra=[(284, 3, [2])])
    forged("predictor-zero", deflate=True, extra=[(317, 3, [0])])
    forged("predictor-odd", deflate=True, extra=[(317, 3, [9])])
    forged("predictor-uncompressed", extra=[(317, 3, [2])])
    forged("orientation-2", extra=[(274, 3, [2])])
    forged("orientation-6", extra=[(274, 3, [6])])
    forged("fill-order-2", extra=[(266, 3, [2])])
    forged("fill-order-3", extra=[(266, 3, [3])])
    forged("width-zero", replace=[(256, 3, [0])])
    forged("width-missing", drop=(256,))
    forged("offsets-missing", drop=(273,))
    forged("offset-beyond", replace=[(273, 4, [1 << 30])])
    forged("offset-zero-counted", rows=10, replace=[(273, 4, [0, 0, 0])])
    forged("offsets-fewer", rows=10, replace=[(273, 4, [8, 408])])
    forged("offset-zero-count-missing", rows=10, drop=(279,), replace=[(273, 4, [0, 0, 0])])
    for index, text in enumerate([b"300", b"-9999", b"7.6", b"nan", b"-0.4"]):
        forged(f"sparse-nodata-{index}", rows=10, replace=[(273, 4, [0, 0, 0]), (279, 4, [0, 0, 0])], extra=[(42113, 2, text + b"\0")])
    forged("offsets-sparse", rows=10, replace=[(273, 4, [0, 0, 0]), (279, 4, [0, 0, 0])])
    forged("offsets-sparse-nodata", rows=10, replace=[(273, 4, [0, 0, 0]), (279, 4, [0, 0, 0])], extra=[(42113, 2, b"7\0")])
    forged("width-two-values", replace=[(256, 3, [WIDTH, 12])])
    forged("tag-unknown", extra=[(65000, 7, b"abc")])
    forged("count-forged-ascii", extra=[(42113, 2, b"7\0", 2000000000)])
    forged("count-forged-keys", extra=[(34735, 3, [1, 1, 0, 0], 2000000000)])

    def entries_in(name, change):
        tiff = Tiff()
        tiff.directory(change(image_entries(tiff, grid, rows=10)))
        with open(case(name), "wb") as file:
            file.write(tiff.bytes())

    entries_in("unsorted", lambda entries: entries[::-1])
    entries_in("twice-width", lambda entries: [(256, 3, [WIDTH]), (256, 3, [12]), *entries[1:]])
    entries_in("twice-width-other-first", lambda entries: [(256, 3, [12]), *entries])
    entries_in("twice-nodata", lambda entries: [*entries, (42113, 2, b"7\0"), (42113, 2, b"8\0")])
    entries_in("twice-unsorted", lambda entries: [*entries, (256, 3, [12])])
    for name, strip_tags in [("tiles", False), ("tiles-strip-tags", True)]:
        for size in [(16, 16), (17, 9), (48, 32), (8, 8), (1, 1)]:
            width, height = size
            tiff = Tiff()
            offsets = []
            for top in range(0, HEIGHT, height):
                for left in range(0, WIDTH, width):
                    tile = numpy.zeros((height, width), "uint8")
                    part = grid[0, top : top + height, left : left + width]
                    tile[: part.shape[0], : part.shape[1]] = part
                    offsets.append(tiff.put(tile.tobytes()))
            entries = [entry for entry in image_entries(tiff, grid) if entry[0] not in (273, 278, 279)]
            tables = (273, 279) if strip_tags else (324, 325)
            entries += [(322, 3, [width]), (323, 3, [height]), (tables[0], 4, offsets), (tables[1], 4, [width * height] * len(offsets))]
            tiff.directory(sorted(entries, key=lambda entry: entry[0]))
            with open(case(f"{name}-{width}x{height}"), "wb") as file:
                file.write(tiff.bytes())
    for dtype in ["uint8", "uint16", "float32"]:
        for nodata in [None, 7, 300]:
            if nodata == 300 and dtype == "uint8":
                continue
            for creation in [dict(tiled=True, blockxsize=16, blockysize=16), dict(blockysize=5, interleave="band")]:
                path = case(f"sparse-{dtype}-{nodata}-{'tiled' if 'tiled' in creation else 'strips'}")
                with rasterio.open(path, "w", driver="GTiff", width=WIDTH, height=HEIGHT, count=2, dtype=dtype, nodata=nodata, sparse_ok=True, compress="deflate", **creation) as image:
                    image.write(pixels(dtype, 1, 10, 20)[0], 1, window=rasterio.windows.Window(16, 5, 20, 10))
    for order in "<>":
        for big in [False, True]:
            for dtype in ["uint8", "int16", "float64"]:
                forged(f"order-{'le' if order == '<' else 'be'}-{'big' if big else 'classic'}-{dtype}", pixels(dtype, 2), order=order, big=big, rows=7)


def checksum(values):
    """16 bits of what is compared, so that a line stays short."""
    return zlib.crc32(numpy.ascontiguousarray(values).tobytes())


def valid(image, band):
    """Which pixels count: what GDAL's mask shows, but neither NaN nor infinity."""
    mask = image.read_masks(band) != 0
    return checksum((mask & numpy.isfinite(image.read(band))).astype("uint8"))


def statistics(image, band):
    """Of the valid samples; those of huge numbers, whose squares overflow, are not compared."""
    told_apart = ["nodata-named", "nodata-type-short", "nodata-in-metadata", "offsets-fewer"]
    if "alpha" in str(image.mask_flag_enums) or any(name in image.name for name in told_apart):
        return None
    values = image.read(band).astype("float64")
    values = values[(image.read_masks(band) != 0) & numpy.isfinite(values)]
    if values.size == 0:
        return [0, None, None, None, None]
    if abs(values).max() > 1e100:
        return None
    return [values.size, values.min(), values.max(), values.mean(), values.std()]


def overview(path, level):
    with rasterio.open(path, overview_level=level) as image:
        return {
            "size": [image.height, image.width],
            "dtype": image.dtypes[0],
            "pixels": checksum(image.read(1).astype("float64")),
            "valid": valid(image, 1),
        }


def described(path):
    told = {"file": os.path.basename(path)[:-4]}
    try:
        with rasterio.open(path) as image:
            crs = image.crs or image.gcps[1]
            finite = lambda value: value if value is None or math.isfinite(value) else str(value)  # noqa: E731
            told |= {
                "size": [image.height, image.width],
                "dtypes": list(image.dtypes),
                "transform": [finite(value) for value in list(image.transform)[:6]],
                "epsg": crs.to_epsg() if crs else None,
                "crs": crs.to_wkt() if crs else None,
                "unit": crs.linear_units_factor[1] if crs and crs.is_projected else None,
                "nodata": finite(image.nodata),
                "interpretations": [meaning.name for meaning in image.colorinterp],
                "descriptions": list(image.descriptions),
                "scales": list(image.scales),
                "offsets": list(image.offsets),
                "overviews": image.overviews(1),
                "gcps": len(image.gcps[0]),
                "flags": [[flag.name for flag in flags] for flags in image.mask_flag_enums],
            }
            told["checksums"] = [image.checksum(band) for band in image.indexes]
            told["statistics"] = [statistics(image, band) for band in image.indexes]
            told["valid"] = [valid(image, band) for band in image.indexes]
        levels = range(len(told["overviews"]))
        told["levels"] = [overview(path, level) for level in levels]
    except Exception as error:  # noqa: BLE001
        told["error"] = str(error.__cause__ or error)
    return told


FOLDER = sys.argv[1]
if __name__ == "__main__":
    for part in [masks, overviews, nodata, metadata, places, tags]:
        part()
    for path in FILES:
        print(json.dumps(described(path)))
