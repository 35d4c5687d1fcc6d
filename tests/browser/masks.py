"""Prints as JSON what GDAL reads from a mask, and how far two masks agree.

    python3 tests/browser/masks.py SCENE MASK [OTHER_MASK]
"""

import json
import sys

import numpy as np
import rasterio


def main():
    with rasterio.open(sys.argv[1]) as scene, rasterio.open(sys.argv[2]) as mask:
        pixels = mask.read(1)
        report = {
            "size": [mask.width, mask.height],
            "same_size": (mask.width, mask.height) == (scene.width, scene.height),
            "same_crs": mask.crs == scene.crs,
            "same_transform": mask.transform.almost_equals(scene.transform, 1e-9),
            "dtype": mask.dtypes[0],
            "nodata": mask.nodata,
            "has_colours": mask.colorinterp[0].name == "palette",
            "pixels": {str(value): int(count) for value, count in zip(*np.unique(pixels, return_counts=True))},
        }
    if len(sys.argv) > 3:
        with rasterio.open(sys.argv[3]) as other:
            report["agreement"] = float((other.read(1) == pixels).mean())
    print(json.dumps(report))


if __name__ == "__main__":
    main()
