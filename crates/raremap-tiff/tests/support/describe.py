"""Prints what GDAL (through rasterio) reads of each file given, one JSON object a line; pixels go to FILE.raw."""

import json
import math
import sys

import rasterio


def describe(path):
    with rasterio.open(path) as image:
        image.read().tofile(path + ".raw")
        nodata = image.nodata
        is_paletted = image.colorinterp[0].name == "palette"
        return {
            "size": [image.height, image.width],
            "dtypes": list(image.dtypes),
            "transform": list(image.transform)[:6],
            "crs": image.crs.to_wkt() if image.crs else None,
            "epsg": image.crs.to_epsg() if image.crs else None,
            "nodata": "nan" if nodata is not None and math.isnan(nodata) else nodata,
            "colors": {str(k): list(v) for k, v in image.colormap(1).items()} if is_paletted else None,
            "interpretations": [meaning.name for meaning in image.colorinterp],
            "descriptions": list(image.descriptions),
            "tags": image.tags(),
            "blocks": [list(shape) for shape in image.block_shapes],
            "compression": image.compression.name if image.compression else None,
        }


for name in sys.argv[1:]:
    print(json.dumps(describe(name)))
