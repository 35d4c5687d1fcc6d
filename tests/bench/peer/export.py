"""Exports a raremap weights file to ONNX, and writes what the bench in the browser needs beside it.

    python tests/bench/peer/export.py MODEL.raremap --out DIR [--tile 256 --tile 512]
    python tests/bench/peer/export.py --random 1 --out DIR        # B0 with random weights; --set decoder_dim=128 changes its shape

For each tile size T, DIR gets `original-T.onnx`, the network as the SegFormer paper has it; `folded-T.onnx`, the same function as raremap runs it,
with its decoder folded; `input-T.f32` and `logits-T.f32`, a normalized tile and onnxruntime's logits of it (main head, then auxiliary);
`scene-T.tif`, the tile as a scene; and `tile-T.raremap`, the model with that tile as its golden tile and bands that need no normalization. DIR also
gets `model.raremap` and `export.json`. Both graphs must give the weights file's own golden logits, or nothing is written for them.
"""

import argparse
import copy
import json
import shutil
import struct
import sys
from pathlib import Path

import numpy as np

import graph
import random_network
import run
import weights

INPUT_SEED = 7


def change(text):
    key, separator, value = text.partition("=")
    if not separator or key not in random_network.B0:
        raise argparse.ArgumentTypeError(f"{text} is not KEY=VALUE with a key of a SegFormer's config")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"{value} is not JSON") from error


def edge(text):
    if not text.isdigit() or int(text) == 0 or int(text) % 32:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of 32")
    return int(text)


def write_scene(path, tile):
    """`[1, bands, height, width]` as an uncompressed TIFF of 32-bit floats."""
    _, bands, height, width = tile.shape
    pixels = np.ascontiguousarray(tile[0].transpose(1, 2, 0), "<f4").tobytes()
    short, long = "H", "I"
    tags = [
        (256, long, [width]),
        (257, long, [height]),
        (258, short, [32] * bands),
        (259, short, [1]),
        (262, short, [1]),
        (273, long, [8]),
        (277, short, [bands]),
        (278, long, [height]),
        (279, long, [len(pixels)]),
        (284, short, [1]),
        (338, short, [0] * (bands - 1)),
        (339, short, [3] * bands),
    ]
    tags = [entry for entry in tags if entry[2]]
    directory = 8 + len(pixels)
    outside = directory + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, kind, numbers in tags:
        packed = struct.pack(f"<{len(numbers)}{kind}", *numbers)
        entries += struct.pack("<HHI", tag, {short: 3, long: 4}[kind], len(numbers))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack("<I", outside + len(values))
            values += packed
    header = struct.pack("<2sHI", b"II", 42, directory)
    path.write_bytes(header + pixels + struct.pack("<H", len(tags)) + entries + bytes(4) + values)


def plain_card(card):
    """The card with bands that are taken as they are stored."""
    card = copy.deepcopy(card)
    given = card["properties"]["mlm:input"][0]
    given["bands"] = [{"name": band["name"]} for band in given["bands"]]
    given["value_scaling"] = [{"type": "z-score", "mean": 0.0, "stddev": 1.0} for _ in given["bands"]]
    return card


def check(file, folder):
    """Exits unless both graphs give the file's golden logits. Returns the differences, relative to the logits' range."""
    size = file.golden["input"].shape[2:]
    differences = {}
    for kind, is_folded in (("original", False), ("folded", True)):
        model = graph.build(file.architecture, file.parameters, size, is_folded)
        difference, head = run.largest_difference(run.logits(model, file.golden["input"]), file.golden)
        if not difference <= run.TOLERANCE:
            sys.exit(f"the {kind} graph's {head} logits differ from the golden ones by {difference:.3g} of their range ({folder})")
        differences[kind] = difference
    return differences


def export_tile(file, tile_px, folder):
    """Writes everything of one tile size; returns what is known about it."""
    tile = run.tile(np.random.Generator(np.random.PCG64(INPUT_SEED)), file.architecture["in_channels"], tile_px)
    counts = {}
    for kind, is_folded in (("original", False), ("folded", True)):
        model = graph.build(file.architecture, file.parameters, (tile_px, tile_px), is_folded)
        (folder / f"{kind}-{tile_px}.onnx").write_bytes(model.SerializeToString())
        counts[kind] = graph.count(model)
        if kind == "original":
            logits = run.logits(model, tile)
    (folder / f"input-{tile_px}.f32").write_bytes(tile.tobytes())
    (folder / f"logits-{tile_px}.f32").write_bytes(b"".join(logits[name].tobytes() for name in ("main", "auxiliary") if name in logits))
    write_scene(folder / f"scene-{tile_px}.tif", tile)
    weights.write(folder / f"tile-{tile_px}.raremap", weights.ModelFile(plain_card(file.card), file.parameters, run.golden(tile, logits)))
    return {"counts": counts, "shapes": {name: list(values.shape) for name, values in logits.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("model", type=Path, nargs="?", metavar="MODEL.raremap")
    source.add_argument("--random", type=int, metavar="SEED")
    parser.add_argument("--set", type=change, action="append", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--tile", type=edge, action="append", dest="tiles", help="default: 256")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.changes and arguments.random is None:
        parser.error("--set changes the shape of a network with random weights; --random is missing")

    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "model.raremap"
    if arguments.model:
        shutil.copyfile(arguments.model, path)
    else:
        random_network.make(path, random_network.B0 | dict(arguments.changes), arguments.random)
    file = weights.read(path)
    report = {
        "model": file.card["properties"]["mlm:name"],
        "architecture": file.architecture,
        "golden_difference": check(file, path),
        "tiles": {tile_px: export_tile(file, tile_px, arguments.out) for tile_px in arguments.tiles or [256]},
    }
    (arguments.out / "export.json").write_text(json.dumps(report, indent=2) + "\n")
    worst = max(report["golden_difference"].values())
    print(f"{arguments.out}: ONNX graphs of {report['model']}; golden logits differ by at most {worst:.2g} of their range")


if __name__ == "__main__":
    main()
