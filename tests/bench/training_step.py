#!/usr/bin/env python3
"""Measures a training step of SegFormer-B0 with PyTorch on the CPU, and compares it with training_step.rs, the same step with raremap.

Both have random weights, 3 bands, 7 classes, cross entropy of the logits at the labels' size, backward and AdamW. Ours also has two auxiliary
channels and the attention block, which PyTorch's lacks and which are a little more work.

    cargo build --release --locked --workspace --example training_step
    PYTHON tests/bench/training_step.py                                  # PyTorch alone: the median as JSON
    PYTHON tests/bench/training_step.py --against target/release/examples/training_step --pairs 3

Alone, seconds are wall time. With --against both run in turn, each as a process of N and one of 2N steps, and a step is an N-th of the
difference: what starting costs drops out, but its spread does not, so N should be 10 or more. On a machine that does other work CPU
seconds (user and system) say more than wall seconds, though sharing a core or a cache lengthens them too.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time


def pytorch_steps(batch: int, edge: int, steps: int, threads: int) -> dict:
    """Runs the steps in this process; the median of their wall seconds."""
    import torch
    from torch.nn.functional import cross_entropy, interpolate
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = SegformerForSemanticSegmentation(SegformerConfig(num_channels=3, num_labels=7)).train()
    # burn's defaults, so that the update does the same work
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4)
    images = torch.randn(batch, 3, edge, edge)
    labels = torch.zeros(batch, edge, edge, dtype=torch.long)
    secs = []
    for _ in range(steps):
        began = time.perf_counter()
        logits = interpolate(model(images).logits, size=(edge, edge), mode="bilinear", align_corners=False)
        loss = cross_entropy(logits, labels)
        forward = time.perf_counter()
        optimizer.zero_grad()
        loss.backward()
        backward = time.perf_counter()
        optimizer.step()
        secs.append((time.perf_counter() - began, forward - began, backward - forward, time.perf_counter() - backward))
    secs.sort()
    whole, forward, backward, update = secs[len(secs) // 2]
    return {
        "batch": batch,
        "edge_px": edge,
        "secs": round(whole, 4),
        "forward": round(forward, 4),
        "backward": round(backward, 4),
        "update": round(update, 4),
    }


def process_secs(command: list[str], threads: int) -> tuple[float, float]:
    """CPU seconds (user and system) and wall seconds that a process takes."""
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def secs_per_step(command, steps: int, threads: int) -> dict:
    """Seconds of a step; `command` makes the command line for a number of steps."""
    few, many = (process_secs(command(count), threads) for count in (steps, 2 * steps))
    cpu, wall = ((b - a) / steps for a, b in zip(few, many))
    return {"cpu": round(cpu, 4), "wall": round(wall, 4)}


def compare(arguments: argparse.Namespace) -> dict:
    """Ours and PyTorch's in turn."""
    shape = [str(arguments.batch), str(arguments.edge)]
    this = [sys.executable, os.path.abspath(__file__), "--threads", str(arguments.threads)]

    def ours(steps: int) -> list[str]:
        return [arguments.against, *shape, str(steps)]

    def pytorch(steps: int) -> list[str]:
        return [*this, "--batch", shape[0], "--edge", shape[1], "--steps", str(steps)]

    pairs = []
    for _ in range(arguments.pairs):
        pair = {name: secs_per_step(side, arguments.steps, arguments.threads) for name, side in (("ours", ours), ("pytorch", pytorch))}
        print(json.dumps(pair), file=sys.stderr)
        pairs.append(pair)

    def ratio(kind: str) -> float:
        return round(statistics.median(pair["ours"][kind] / pair["pytorch"][kind] for pair in pairs), 2)

    return {
        "batch": arguments.batch,
        "edge_px": arguments.edge,
        "threads": arguments.threads,
        "steps": arguments.steps,
        "pairs": pairs,
        "cpu_ratio": ratio("cpu"),
        "wall_ratio": ratio("wall"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--edge", type=int, default=128, help="edge of the images in pixels")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--against", metavar="BINARY", help="the built example training_step: run both in turn")
    parser.add_argument("--pairs", type=int, default=3, help="turns, with --against")
    arguments = parser.parse_args()
    if arguments.against:
        print(json.dumps(compare(arguments)))
    else:
        print(json.dumps(pytorch_steps(arguments.batch, arguments.edge, arguments.steps, arguments.threads)))


if __name__ == "__main__":
    main()
