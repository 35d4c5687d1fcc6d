"""Prints as JSON where PROJ puts the middles of a scene's pixels: longitude and latitude, row by row.

    python3 tests/browser/places.py SCENE
"""

import json
import sys

import rasterio
from rasterio.warp import transform


def main():
    with rasterio.open(sys.argv[1]) as scene:
        middles = [scene.transform * (column + 0.5, row + 0.5) for row in range(scene.height) for column in range(scene.width)]
        longitudes, latitudes = transform(scene.crs, "EPSG:4326", *zip(*middles))
    print(json.dumps(list(zip(longitudes, latitudes))))


if __name__ == "__main__":
    main()
