"""Measures a fleet of scenes on this machine: scenes per core and hour, two workers beside one, and what the engine adds to a scene.

    python tests/bench/fleet.py --scenes 24 --size 1024 --rounds 5
    python tests/bench/fleet.py --scenes 100 --size 64 --rounds 5        # the network does little: what is left is the engine's

The Python is one with the package and those of tests/python/requirements.txt. In each round the same scenes are mapped by this process alone, by
a Dask cluster of one worker and by one of two, each on one thread, in an order that changes from round to round. The figures are medians of the
rounds, and the ratios are medians of the ratios within a round. Results go to a temporary folder, which --folder moves to another disk.
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

# Before the package is loaded: the network takes one core.
os.environ["RAYON_NUM_THREADS"] = "1"

import numpy as np
import rasterio
from dask.distributed import Client, LocalCluster

import raremap
import raremap.fleet

ROOT = Path(__file__).resolve().parents[2]
BANDS = ["green", "red", "nir"]


def write_scene(path: Path, size: int, seed: int) -> Path:
    """Land with lakes, surface reflectance times 10,000, in tiles with deflate, as such scenes are stored."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    is_lake = np.sin(y / 17 + seed) + np.cos(x / 23) > 0.9
    land, water = np.array([900, 800, 2800]), np.array([700, 450, 250])
    scene = np.where(is_lake, water[:, None, None], land[:, None, None]) + random.normal(0, 60, (3, size, size))
    profile = {
        "driver": "GTiff", "dtype": "uint16", "count": 3, "height": size, "width": size, "tiled": size >= 512, "compress": "deflate",
        "crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 300_000, 0, -10, 5_000_000), "nodata": 0,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.clip(scene, 1, 10_000).astype(np.uint16))
        file.descriptions = BANDS
    return path


def io_counters() -> dict[str, int]:
    """Calls and bytes of this process since it began, those from the page cache included (Linux)."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}


def peak_mib() -> float:
    """Most memory that this process has held (Linux). Not getrusage: its peak comes down from the process that started this one."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def one_scene(model, path: Path, out: Path) -> dict:
    """What mapping one scene takes: in a process of its own, so that its peak of memory is its own."""
    code = f"""
import json, os, sys, time
os.environ["RAYON_NUM_THREADS"] = "1"
import raremap
sys.path.insert(0, {str(Path(__file__).parent)!r})
from fleet import io_counters, peak_mib
model = raremap.load_model({str(model.path)!r})
before, began, cpu = io_counters(), time.perf_counter(), time.process_time()
summary = model.segment_file({str(path)!r}, {str(out)!r})
took, cpu, after = time.perf_counter() - began, time.process_time() - cpu, io_counters()
print(json.dumps({{
    "seconds": took, "cpu_seconds": cpu, "peak_mib": peak_mib(),
    "read_calls": after["syscr"] - before["syscr"], "read_mb": (after["rchar"] - before["rchar"]) / 1e6,
    "written_mb": (after["wchar"] - before["wchar"]) / 1e6, "windows": summary["timings"]["tiles"],
    "timings": summary["timings"],
}}))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    measured = json.loads(done.stdout)
    measured["input_mb"] = path.stat().st_size / 1e6
    measured["results_mb"] = sum(file.stat().st_size for file in out.iterdir()) / 1e6
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--size", type=int, default=1024, help="edge of a scene in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", type=Path, default=ROOT / "web/models/default.raremap")
    parser.add_argument("--folder", type=Path, help="where the scenes and results go")
    parser.add_argument("--one", action="store_true", help="only one scene: time, memory, reads and bytes")
    arguments = parser.parse_args()
    model = raremap.load_model(arguments.model)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary)
        if arguments.one:
            print(json.dumps(one_scene(model, write_scene(folder / "scene.tif", arguments.size, 0), folder / "out"), indent=2))
            return
        paths = [write_scene(folder / f"scene{number:03}.tif", arguments.size, number) for number in range(arguments.scenes)]
        environment = {"RAYON_NUM_THREADS": "1"}
        clusters = {
            workers: LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0", env=environment) for workers in (1, 2)
        }
        clients = {workers: Client(cluster) for workers, cluster in clusters.items()}

        def alone(out: Path) -> None:
            for path in paths:
                model.segment_file(path, out / path.stem)

        def fleet(workers: int, scenes=paths):
            def run(out: Path) -> None:
                report = raremap.fleet.predict(scenes, model, out, clients[workers])
                assert len(report.done) == len(scenes), report.failed

            return run

        ways = {"alone": alone, "one worker": fleet(1), "two workers": fleet(2)}
        # The first scene of a worker waits for its model.
        for workers in clients:
            fleet(workers, paths[:2])(folder / f"first{workers}")
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(arguments.rounds):
            order = list(ways)[turn % 3 :] + list(ways)[: turn % 3]
            for way in order:
                began = time.perf_counter()
                ways[way](folder / f"{turn}-{way}")
                seconds[way].append(time.perf_counter() - began)
        for workers, client in clients.items():
            client.close()
            clusters[workers].close()
    median = {way: statistics.median(times) for way, times in seconds.items()}
    ratios = [one / two for one, two in zip(seconds["one worker"], seconds["two workers"])]
    added = [(one - alone) / len(paths) for one, alone in zip(seconds["one worker"], seconds["alone"])]
    print(json.dumps({
        "scenes": len(paths), "size_px": arguments.size, "rounds": arguments.rounds, "cores": os.cpu_count(),
        "seconds": {way: [round(time, 2) for time in times] for way, times in seconds.items()},
        "scenes_per_core_and_hour": round(3600 * len(paths) / median["one worker"], 1),
        "two_workers_are_faster_by": {"median": round(statistics.median(ratios), 3), "all": [round(ratio, 3) for ratio in sorted(ratios)]},
        "engine_ms_per_scene": {"median": round(1000 * statistics.median(added), 1), "all": [round(1000 * one, 1) for one in sorted(added)]},
    }, indent=2))


if __name__ == "__main__":
    main()
