"""Measures how much memory training takes for a dataset of many chips, with different limits for the samples in memory.

    python tests/bench/chips.py COMMAND --scenes 4 --limits 8192,256,0
    python tests/bench/chips.py COMMAND --scenes 25 --chip 64 --limits 256    # 102,400 chips

COMMAND is the built `raremap`. Each scene is 4,096 x 4,096 pixels in three bands of 16 bits, cut into chips of 256 x 256 (`--chip`), half of which are for
training. One epoch of a tiny network is trained on crops of 32 pixels with each limit (`--sample-memory-mib`), and the peak of the process's memory
is printed with the losses, which must not differ. The Python is one with the packages of tests/python/requirements.txt.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio

EDGE = 4096
DATASET = """
name = "chips"
provenance = "made up"
root = "."
images = "images"
masks = "masks"
splits = "splits.csv"
window_px = CHIP_PX
value_scaling = "reflectance x 10000"
ground_resolution_m = 10.0
ignore = 255
bands = [{ name = "green", index = 1 }, { name = "red", index = 2 }, { name = "nir", index = 3 }]
classes = [{ value = 0, name = "land", color = "008000" }, { value = 1, name = "water", color = "0000FF", rare = true }]
"""
RECIPE = """
name = "chips"
dataset = "dataset.toml"
[model]
family = "unet"
channels = [4, 8]
[schedule]
epochs = 1
batch_size = 16
crop_px = 32
evaluate_every_epochs = 1
[optimizer]
learning_rate = 1.0e-3
"""


def write_scene(folder: Path, name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    y, x = np.ogrid[:EDGE, :EDGE]
    is_lake = np.sin(y / 170 + seed) + np.cos(x / 230) > 0.9
    profile = {"driver": "GTiff", "height": EDGE, "width": EDGE, "tiled": True, "compress": "deflate", "zlevel": 1}
    with rasterio.open(folder / f"images/{name}.tif", "w", dtype="uint16", count=3, **profile) as file:
        for band, (land, water) in enumerate([(900, 700), (800, 450), (2800, 250)], 1):
            noise = random.integers(-60, 60, (EDGE, EDGE), np.int16)
            file.write((np.where(is_lake, np.int16(water), np.int16(land)) + noise).astype(np.uint16), band)
    with rasterio.open(folder / f"masks/{name}.tif", "w", dtype="uint8", count=1, **profile) as file:
        file.write(is_lake.astype(np.uint8), 1)


def train(command: Path, folder: Path, limit_mib: int) -> dict:
    out = folder / f"run-{limit_mib}"
    arguments = [command, "-q", "train", folder / "recipe.toml", "--out", out, "--sample-memory-mib", str(limit_mib)]
    process = subprocess.Popen(arguments, cwd=folder, env=os.environ | {"TMPDIR": str(folder), "RAYON_NUM_THREADS": "1"})
    began = time.monotonic()
    peak_mib = 0.0
    # Not getrusage: its peak comes down from the process that started this one.
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        peaks = [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
        peak_mib = max(peak_mib, *peaks, 0.0)
        time.sleep(0.05)
    assert process.returncode == 0, f"the command failed with {process.returncode}"
    events = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    losses = [event["loss"] for event in events if event["event"] == "epoch"]
    return {"limit_mib": limit_mib, "peak_mib": round(peak_mib), "seconds": round(time.monotonic() - began), "losses": losses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("command", type=Path)
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--chip", type=int, default=256, help="edge of a chip in pixels, a divisor of 2,048")
    parser.add_argument("--limits", default="8192,256,0", help="in MiB, separated by commas")
    parser.add_argument("--folder", type=Path, help="where the dataset and the temporary files go")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary)
        for kind in ("images", "masks"):
            (folder / kind).mkdir()
        lines = ["image,place,split"]
        for number in range(arguments.scenes):
            write_scene(folder, f"scene{number}", number)
            corners = range(0, EDGE, arguments.chip)
            # The left half is for training: windows of one place may not be in two splits.
            for column in corners:
                split = "train" if column < EDGE // 2 else "val"
                lines += [f"scene{number}@{row}_{column},{number}-{split},{split}" for row in corners]
        (folder / "splits.csv").write_text("\n".join(lines) + "\n")
        (folder / "dataset.toml").write_text(DATASET.replace("CHIP_PX", str(arguments.chip)))
        (folder / "recipe.toml").write_text(RECIPE)
        runs = [train(arguments.command.resolve(), folder, int(limit)) for limit in arguments.limits.split(",")]
    chips = arguments.scenes * (EDGE // arguments.chip) ** 2
    print(json.dumps({"chips": chips, "samples_mib": chips * arguments.chip**2 * (3 * 4 + 2) // 2**20, "runs": runs}, indent=2))


if __name__ == "__main__":
    main()
