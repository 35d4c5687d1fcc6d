"""Water of a model on georeferenced scenes with labels, beside what NDWI finds on the same pixels, and whether the map depends on the tile or on how
the scene lies.

    python3 -m pip install numpy rasterio
    python3 tests/bench/water_on_scenes.py target/release/raremap web/models/default.raremap SCENES OUT [--required-only] [predict options]

SCENES is a folder of your own with the scenes and their labels, under the names below: they are not part of the repository, and one that is not
there is skipped. OUT keeps the masks. With --required-only, the model gets none of the bands that it can do without.
"""
import json
import os
import subprocess
import sys

import numpy as np
import rasterio

WATER = 5
TILES = (128, 256, 512)
# Other views of a scene: pixels that are cut off above and on the left, quarter turns, and whether it is mirrored.
VIEWS = {"shifted by 1 px": (1, 0, False), "by 17 px": (17, 0, False), "turned": (0, 1, False), "mirrored": (0, 0, True)}
# File, label file, its values of water and of land, bands.
SCENES = {
    "spain (Sentinel-2 L1C, 10 m)": ("Spain_7370579_S2Hand", "Spain_7370579_LabelHand", 1, 0,
                                      {"blue": 2, "green": 3, "red": 4, "nir": 8, "swir1": 12}),
    "naip (8 bits, 5 m)": ("naip_2018", "naip_2018_label", 5, 254, {"blue": 1, "green": 2, "red": 3, "nir": 4}),
    "landsat 1985 (8 bits, 30 m)": ("landsat_1985", None, None, None, {"swir1": 1, "nir": 2, "red": 3, "green": 4}),
    "landsat 2020 (8 bits, 30 m)": ("landsat_2020", None, None, None, {"swir1": 1, "nir": 2, "red": 3, "green": 4}),
}


def read(path, bands=None):
    with rasterio.open(path) as file:
        return file.read(bands)


def view(pixels, cut, turns, mirrored):
    """`pixels`, `[..., rows, columns]`, seen differently."""
    turned = np.rot90(pixels[..., cut:, cut:], turns, axes=(-2, -1))
    return turned[..., ::-1] if mirrored else turned


def write_view(scene, path, how):
    with rasterio.open(scene) as file:
        pixels, profile = view(file.read(), *how), file.profile
    profile.update(height=pixels.shape[1], width=pixels.shape[2])
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels)


def iou(one, other):
    return (one & other).sum() / max(1, (one | other).sum())


def model_bands(binary, model):
    """Names of the bands that the model reads from a scene, and those of them that it can do without."""
    done = subprocess.run([binary, "inspect", model, "--json"], capture_output=True, text=True, check=True)
    properties = json.loads(done.stdout)["card"]["properties"]
    bands = [band for band in properties["mlm:input"][0]["bands"] if "expression" not in band]
    return [band["name"] for band in bands], {band["name"] for band in bands if band.get("raremap:optional")}


def predict(binary, model, scene, bands, out, tile, options):
    os.makedirs(out, exist_ok=True)
    names = ",".join(f"{name}={band}" for name, band in bands.items())
    command = [binary, "predict", model, scene, "--out", out, "--bands", names, "--json", *options]
    done = subprocess.run(command + (["--tile", str(tile)] if tile else []), capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return read(f"{out}/mask.tif", 1), json.loads(done.stdout)


def main(binary, model, data, out, *options):
    names, optional = model_bands(binary, model)
    left_out = optional if "--required-only" in options else set()
    options = [option for option in options if option != "--required-only"]
    for name, (image, label, water, land, bands) in SCENES.items():
        scene = f"{data}/{image}.tif"
        if not os.path.exists(scene):
            print(f"skipped: {scene} is not there")
            continue
        given = {band: number for band, number in bands.items() if band in names and band not in left_out}
        of = lambda tile: predict(binary, model, scene, given, f"{out}/{image}_{tile or 'default'}", tile, options)

        def agreement(how):
            path = f"{out}/{image}_view.tif"
            write_view(scene, path, how)
            other, same = predict(binary, model, path, given, f"{out}/{image}_view", None, options)[0], view(mask, *how)
            return (other == same)[same < 255].mean()

        mask, summary = of(None)
        green, nir = read(scene, [bands["green"], bands["nir"]]).astype("float32")
        ndwi = (green - nir) / np.maximum(green + nir, 1)
        seen = mask < 255
        if label:
            truth = read(f"{data}/{label}.tif", 1)
            seen &= (truth == water) | (truth == land)
            truth = truth[seen] == water
            found = mask[seen] == WATER
            best, at = max((iou(ndwi[seen] > t, truth), t) for t in np.arange(-0.8, 0.8, 0.02))
            precision, recall = (found & truth).sum() / max(1, found.sum()), (found & truth).sum() / truth.sum()
            print(f"{name}: water IoU {iou(found, truth):.3f} (precision {precision:.2f}, recall {recall:.2f});",
                  f"NDWI > 0 {iou(ndwi[seen] > 0, truth):.3f}, best {best:.3f} above {at:.2f}")
        else:
            print(f"{name}: {100 * (mask[seen] == WATER).mean():.1f}% water; NDWI > 0: {100 * (ndwi[seen] > 0).mean():.1f}%,",
                  f"IoU with it {iou(mask[seen] == WATER, ndwi[seen] > 0):.3f}")
        shares = ", ".join(f"{c['name']} {c['percent']:.1f}%" for c in summary["areas"])
        masks = {tile: of(tile)[0][seen] for tile in TILES}
        agree = ", ".join(f"{a}/{b} {(masks[a] == masks[b]).mean():.3f}" for a, b in ((128, 256), (256, 512), (128, 512)))
        views = ", ".join(f"{name} {agreement(how):.3f}" for name, how in VIEWS.items())
        print(f"  {shares}\n  tiles that agree: {agree}\n  views that agree: {views}\n  warnings: {', '.join(w['code'] for w in summary['warnings']) or 'none'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
