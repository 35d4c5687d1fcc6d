"""Compares this project's reader with GDAL on one thread, on windows of a tiled, deflated uint16 GeoTIFF.

    window_read.py --against target/release/examples/window_read [--file FILE] [--pairs 5] [--edge 512] [--count 200]

Without --file a scene of 8192 x 8192 x 3 is written first (tiles of 256, deflate, predictor 2), of smooth fields with noise, which
compress as satellite bands do. Both read the same windows in turn, as float32; a pair is one run of each, and the figure is the
ratio of CPU seconds. Sums of all samples must agree.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

SIZE_PX = 8192


def write_scene(path):
    import numpy as np
    import rasterio
    from rasterio.windows import Window

    random = np.random.default_rng(7)
    coarse = random.normal(size=(3, SIZE_PX // 64 + 2, SIZE_PX // 64 + 2))
    profile = dict(
        driver="GTiff", width=SIZE_PX, height=SIZE_PX, count=3, dtype="uint16", tiled=True, blockxsize=256, blockysize=256,
        compress="deflate", predictor=2, interleave="pixel",
    )
    columns = np.arange(SIZE_PX) / 64
    left, part = columns.astype(int), columns % 1
    with rasterio.open(path, "w", **profile) as out:
        for top in range(0, SIZE_PX, 256):
            rows = np.arange(top, top + 256) / 64
            above, down = rows.astype(int), (rows % 1)[None, :, None]
            band = coarse[:, above] * (1 - down) + coarse[:, above + 1] * down
            band = band[:, :, left] * (1 - part) + band[:, :, left + 1] * part
            noisy = 2000 + 600 * band + random.normal(scale=40, size=band.shape)
            out.write(np.clip(noisy, 0, 65535).astype("uint16"), window=Window(0, top, SIZE_PX, 256))


def read_with_gdal(path, edge, count):
    import rasterio
    from rasterio.windows import Window

    state, total = 1, 0.0

    def below(end):
        nonlocal state
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (state * end) >> 32

    # The cache is as large as this project's.
    with rasterio.Env(GDAL_NUM_THREADS="1", GDAL_CACHEMAX=64), rasterio.open(path) as image:
        for _ in range(count):
            x, y = below(image.width - edge + 1), below(image.height - edge + 1)
            total += float(image.read(window=Window(x, y, edge, edge), out_dtype="float32").sum(dtype="float64"))
    return total


def cpu_secs_of(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, json.loads(output)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=pathlib.Path)
    parser.add_argument("--file", type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--read", action="store_true", help="only read with GDAL")
    arguments = parser.parse_args()
    if arguments.read:
        print(json.dumps({"sum": read_with_gdal(arguments.file, arguments.edge, arguments.count)}))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = arguments.file
        if file is None:
            file = pathlib.Path(folder) / "scene.tif"
            write_scene(file)
        window = [str(arguments.edge), str(arguments.count)]
        gdal = [sys.executable, __file__, "--read", "--file", str(file), "--edge", window[0], "--count"]
        # Interpreter and imports are no part of reading: what no window costs is taken off.
        start, _ = cpu_secs_of([*gdal, "0"])
        pairs = []
        for _ in range(arguments.pairs):
            ours, mine = cpu_secs_of([str(arguments.against), str(file), *window])
            theirs, reference = cpu_secs_of([*gdal, window[1]])
            if abs(mine["sum"] - reference["sum"]) > 1e-9 * abs(reference["sum"]):
                sys.exit(f"sums differ: {mine['sum']} and {reference['sum']}")
            pairs.append((ours, theirs - start))
        ratios = [ours / theirs for ours, theirs in pairs]
        report = {
            "file_bytes": os.path.getsize(file),
            "windows": f"{window[1]} of {window[0]} x {window[0]}",
            "ours_cpu_secs": [round(ours, 3) for ours, _ in pairs],
            "gdal_cpu_secs": [round(theirs, 3) for _, theirs in pairs],
            "ratio_median": round(statistics.median(ratios), 3),
        }
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
