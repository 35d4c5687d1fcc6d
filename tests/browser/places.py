"""Prints as JSON where PROJ puts the middles of a scene's pixels: longitude, latitude and the class of a mask, row by row.

    python3 tests/browser/places.py SCENE MASK STEP
"""

import json
import sys

import rasterio
from rasterio.warp import transform


def main():
    step = int(sys.argv[3])
    with rasterio.open(sys.argv[1]) as scene, rasterio.open(sys.argv[2]) as mask:
        classes = mask.read(1)
        rows = range(step // 2, scene.height, step)
        columns = range(step // 2, scene.width, step)
        pixels = [(column, row) for row in rows for column in columns]
        xs, ys = zip(*(scene.transform * (column + 0.5, row + 0.5) for column, row in pixels))
        longitudes, latitudes = transform(scene.crs, "EPSG:4326", xs, ys)
        found = [
            [column, row, longitude, latitude, int(classes[row, column])]
            for (column, row), longitude, latitude in zip(pixels, longitudes, latitudes)
        ]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
