#!/usr/bin/env python3
"""Times the network natively on the CPU: `raremap bench` and onnxruntime in turn, on the same weights, tiles and threads.

    PYTHON tests/bench/native.py target/release/raremap web/models/default.raremap --threads 1
    PYTHON tests/bench/native.py target/release/raremap --random 1 --threads 2      # B0's shape, random weights

PYTHON has the packages of tests/bench/requirements.txt. onnxruntime runs the graph as the SegFormer paper has it, and the folded one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

EXPORT = Path(__file__).parent / "peer" / "export.py"


def raremap_ms(binary, model, tile, threads, runs):
    """Median milliseconds of a tile."""
    command = [binary, "bench", str(model), "--tile", str(tile), "--runs", str(runs), "--json"]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    answer = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)["tiles"][str(tile)]["median_ms"]


def onnxruntime_ms(graph, threads, runs):
    """Median milliseconds of a tile."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    [source] = session.get_inputs()
    tile = np.random.default_rng(1).standard_normal(source.shape, dtype=np.float32)
    session.run(None, {source.name: tile})
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        session.run(None, {source.name: tile})
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="the built command")
    parser.add_argument("model", nargs="?", help="a SegFormer's weights file")
    parser.add_argument("--random", metavar="SEED", help="B0's shape with random weights instead of a file")
    parser.add_argument("--tile", type=int, action="append", help="edge in pixels, several times; 256 and 512 if absent")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=15, help="runs of a tile per turn")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    if (options.model is None) == (options.random is None):
        parser.error("name a model, or --random")
    tiles = options.tile or [256, 512]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        what = [options.model] if options.model else ["--random", options.random]
        sizes = [word for tile in tiles for word in ("--tile", str(tile))]
        subprocess.run([sys.executable, str(EXPORT), *what, *sizes, "--out", str(folder)], check=True, stdout=subprocess.DEVNULL)
        for tile in tiles:
            turns = []
            for _ in range(options.turns):
                ours = raremap_ms(options.binary, folder / "model.raremap", tile, options.threads, options.runs)
                theirs = [
                    onnxruntime_ms(folder / f"{graph}-{tile}.onnx", options.threads, options.runs)
                    for graph in ("original", "folded")
                ]
                turns.append([ours, *theirs, ours / theirs[0], ours / theirs[1]])
            ours, original, folded, ratio, of_folded = (statistics.median(column) for column in zip(*turns))
            spread = [turn[3] for turn in turns]
            print(
                f"{tile} x {tile}, {options.threads} threads: raremap {ours:.1f} ms, onnxruntime {original:.1f} ms, "
                f"folded graph {folded:.1f} ms; ratio {ratio:.2f} ({min(spread):.2f} to {max(spread):.2f}), "
                f"to the folded graph {of_folded:.2f}"
            )


if __name__ == "__main__":
    main()
