"""Makes optimizers.json: ten steps of each optimizer, and learning rates by step, that raremap's trainer has to reproduce.

The oracle is torch.optim and torch.optim.lr_scheduler; SAM and CASM are written out here after their papers.
See README.md for the contents. Usage:

    python3 tests/golden/optimizers.py [--out DIR]     writes DIR/optimizers.json (default: this folder)
    python3 tests/golden/optimizers.py --check         makes it again and compares it with the committed file
"""

import argparse
import json
import math
import os
import sys
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler

SEED = 20261121
STEPS = 10
BATCH, BANDS, EDGE, FEATURES, CLASSES = 2, 2, 5, 4, 3
RARE = 2
LEARNING_RATE, HEAD_FACTOR, CLIP_NORM = 0.02, 3.0, 0.4
NAME = "optimizers.json"
TOLERANCE = 1e-9

# What differs from run to run: torch's optimizer with its settings, and the radius of the ascent.
ADAMW = {"kind": "adamw", "weight_decay": 0.05, "betas": [0.9, 0.99]}
RUNS = {
    "adamw": {"optimizer": ADAMW},
    "adam": {"optimizer": {"kind": "adam", "weight_decay": 0.05, "betas": [0.9, 0.99]}},
    "sgd": {"optimizer": {"kind": "sgd", "weight_decay": 0.05, "momentum": 0.9}},
    "sgd_plain": {"optimizer": {"kind": "sgd", "weight_decay": 0.0, "momentum": 0.0}},
    "sgd_nesterov": {"optimizer": {"kind": "sgd", "weight_decay": 0.05, "momentum": 0.9, "nesterov": True}},
    "sam": {"optimizer": ADAMW, "sharpness": {"kind": "sam", "radius": 0.5}},
    "casm_as_written": {
        "optimizer": ADAMW,
        "sharpness": {"kind": "casm_as_written", "radius": 0.3, "kappa": 0.8},
    },
    "casm_rare_density": {
        "optimizer": {"kind": "sgd", "weight_decay": 0.05, "momentum": 0.9},
        "sharpness": {"kind": "casm_rare_density", "radius": 0.4, "kappa": 0.9, "cap": 1.5},
    },
}


class Net(nn.Module):
    """No bias before the batch norm: its gradient is zero in exact arithmetic, and Adam would step by the sign of rounding errors."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(BANDS, FEATURES, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(FEATURES)
        self.heads = nn.Conv2d(FEATURES, CLASSES, 1)

    def forward(self, pixels):
        return self.heads(functional.relu(self.norm(self.conv(pixels))))


def data():
    """Weights, pixels and labels, rounded to decimals that JSON carries exactly. Every third batch has no rare pixel."""
    random = np.random.Generator(np.random.PCG64(SEED))
    weights = {
        "conv": random.uniform(-0.5, 0.5, (FEATURES, BANDS, 3, 3)),
        "gamma": random.uniform(0.5, 1.5, FEATURES),
        "beta": random.uniform(-0.4, 0.4, FEATURES),
        "head": random.uniform(-1.0, 1.0, (CLASSES, FEATURES, 1, 1)),
        "head_bias": random.uniform(-0.4, 0.4, CLASSES),
    }
    pixels = random.uniform(-2.0, 2.0, (STEPS, BATCH, BANDS, EDGE, EDGE))
    draws = random.uniform(size=(STEPS, BATCH, EDGE, EDGE))
    rare = np.where(np.arange(STEPS) % 3 == 1, 0.0, np.linspace(0.02, 0.3, STEPS)).reshape(STEPS, 1, 1, 1)
    labels = np.where(draws < rare, RARE, (draws > 0.6).astype(int))
    return {name: np.round(value, 3) for name, value in weights.items()}, np.round(pixels, 3), labels


def radius(sharpness, rare_share, split_rare_share):
    base, kappa = sharpness["radius"], sharpness.get("kappa", 1.0)
    match sharpness["kind"]:
        case "sam":
            return base
        case "casm_as_written":
            return base * (1 + kappa * (1 - rare_share))
        case "casm_rare_density":
            return base * min(sharpness["cap"], kappa * rare_share / split_rare_share)


def torch_optimizer(net, settings):
    decayed = {"conv": net.conv.weight, "head": net.heads.weight}
    undecayed = {"gamma": net.norm.weight, "beta": net.norm.bias, "head_bias": net.heads.bias}
    groups = []
    for parameters, decay in ((decayed, settings["weight_decay"]), (undecayed, 0.0)):
        for name, parameter in parameters.items():
            rate = LEARNING_RATE * (HEAD_FACTOR if name.startswith("head") else 1.0)
            groups.append({"params": [parameter], "weight_decay": decay, "lr": rate})
    match settings["kind"]:
        case "adamw":
            return torch.optim.AdamW(groups, betas=settings["betas"], eps=1e-8)
        case "adam":
            return torch.optim.Adam(groups, betas=settings["betas"], eps=1e-8)
        case "sgd":
            return torch.optim.SGD(groups, momentum=settings["momentum"], nesterov=settings.get("nesterov", False))


def backward(net, pixels, labels):
    net.zero_grad()
    loss = functional.cross_entropy(net(pixels), labels)
    loss.backward()
    norm = math.sqrt(sum(float((parameter.grad**2).sum()) for parameter in net.parameters()))
    return loss.item(), norm


def run(settings, weights, pixels, labels):
    net = Net().double().train()
    named = {
        "conv": net.conv.weight,
        "gamma": net.norm.weight,
        "beta": net.norm.bias,
        "head": net.heads.weight,
        "head_bias": net.heads.bias,
    }
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(torch.from_numpy(weights[name]))
    optimizer = torch_optimizer(net, settings["optimizer"])
    split_rare_share = float((labels == RARE).mean())
    losses, norms, radii, applied = [], [], [], []
    for step in range(STEPS):
        batch = torch.from_numpy(pixels[step]), torch.from_numpy(labels[step])
        old_var = net.norm.running_var.clone()
        loss, norm = backward(net, *batch)
        # torch feeds the running variance with n / (n - 1) times the batch's, burn with the batch's own.
        count = BATCH * EDGE * EDGE
        net.norm.running_var = 0.9 * old_var + (net.norm.running_var - 0.9 * old_var) * (count - 1) / count
        losses.append(loss)
        norms.append(norm)
        ascent = 0.0
        if "sharpness" in settings:
            ascent = radius(settings["sharpness"], float((labels[step] == RARE).mean()), split_rare_share)
        radii.append(ascent)
        if ascent > 0.0:
            kept = [parameter.detach().clone() for parameter in net.parameters()]
            with torch.no_grad():
                for parameter in net.parameters():
                    parameter += ascent * parameter.grad / (norm + 1e-12)
            net.norm.momentum = 0.0
            _, norm = backward(net, *batch)
            net.norm.momentum = 0.1
            with torch.no_grad():
                for parameter, old in zip(net.parameters(), kept):
                    parameter.copy_(old)
        # Not torch's clip_grad_norm_: that adds 1e-6 to the norm.
        for parameter in net.parameters():
            parameter.grad *= min(1.0, CLIP_NORM / norm)
        applied.append(norm)
        optimizer.step()
    assert min(applied) < CLIP_NORM < max(applied), f"some steps are clipped and some are not: {applied}"
    final = {name: parameter.detach().flatten().tolist() for name, parameter in named.items()}
    final |= {"running_mean": net.norm.running_mean.tolist(), "running_var": net.norm.running_var.tolist()}
    return settings | {"losses": losses, "norms": norms, "radii": radii, "final": final}


def schedules():
    """Learning rates by step under a peak of 0.5, 20 steps in all, 4 an epoch."""
    peak, total, per_epoch, warmup = 0.5, 20, 4, 5

    def trace(make, steps=total):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=peak)
        scheduler = make(optimizer)
        rates = []
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return rates

    def warmed(make):
        def both(optimizer):
            rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
            return lr_scheduler.SequentialLR(optimizer, [rise, make(optimizer)], [warmup])

        return both

    left = total - warmup
    table = {
        "polynomial": trace(warmed(lambda o: lr_scheduler.PolynomialLR(o, total_iters=left, power=0.9))),
        "cosine": trace(warmed(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=left, eta_min=0.1 * peak))),
        "one_cycle": trace(
            lambda o: lr_scheduler.OneCycleLR(
                o, max_lr=peak, total_steps=total, pct_start=0.3, div_factor=10, final_div_factor=100, cycle_momentum=False
            )
        ),
        "step": trace(lambda o: lr_scheduler.StepLR(o, step_size=2 * per_epoch, gamma=0.3)),
        "constant": trace(warmed(lambda o: lr_scheduler.ConstantLR(o, factor=1.0))),
    }

    def plateau(mode, metrics):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=peak)
        scheduler = lr_scheduler.ReduceLROnPlateau(
            optimizer, mode=mode, factor=0.5, patience=2, threshold=0.01, threshold_mode="abs", min_lr=0.1
        )
        rates = []
        for metric in metrics:
            scheduler.step(metric)
            rates.append(optimizer.param_groups[0]["lr"])
        return {"mode": mode, "metrics": metrics, "rates": rates}

    rising = [0.1, 0.2, 0.205, 0.209, 0.19, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.5, 0.1, 0.1, 0.1]
    plateaus = [plateau("max", rising), plateau("min", [1 - metric for metric in rising])]
    return {"peak": peak, "total_steps": total, "steps_per_epoch": per_epoch, "warmup_steps": warmup} | {
        "rates": table,
        "plateaus": plateaus,
    }


def make():
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    weights, pixels, labels = data()
    return {
        "made_by": "tests/golden/optimizers.py",
        "learning_rate": LEARNING_RATE,
        "head_learning_rate_factor": HEAD_FACTOR,
        "clip_norm": CLIP_NORM,
        "rare": RARE,
        "shape": [BATCH, BANDS, EDGE, EDGE],
        "weights": {name: value.flatten().tolist() for name, value in weights.items()},
        "pixels": [step.flatten().tolist() for step in pixels],
        "labels": [step.flatten().tolist() for step in labels],
        "runs": {name: run(settings, weights, pixels, labels) for name, settings in RUNS.items()},
        "schedules": schedules(),
    }


def largest_difference(made, committed, place=""):
    """The largest absolute difference of two trees of numbers with its place; infinite where their forms differ."""
    if isinstance(made, (int, float)) and isinstance(committed, (int, float)):
        difference = abs(made - committed)
        return (difference if difference == difference else math.inf), place
    if isinstance(made, dict) and isinstance(committed, dict) and made.keys() == committed.keys():
        pairs = [(made[key], committed[key], f"{place}.{key}") for key in made]
    elif isinstance(made, list) and isinstance(committed, list) and len(made) == len(committed):
        pairs = [(a, b, f"{place}[{index}]") for index, (a, b) in enumerate(zip(made, committed))]
    else:
        return (0.0 if made == committed else math.inf), place
    return max((largest_difference(*pair) for pair in pairs), default=(0.0, place))


def write(value, indent=""):
    """JSON with a list of numbers on one line, so that a change shows where it is."""
    inner = indent + " "
    if isinstance(value, dict):
        lines = [f"{inner}{json.dumps(key)}: {write(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
        return "[\n" + ",\n".join(inner + write(item, inner) for item in value) + f"\n{indent}]"
    return json.dumps(value)


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=here)
    parser.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    arguments = parser.parse_args()
    # torch warns about the order of step() in its own SequentialLR.
    warnings.filterwarnings("ignore", module="torch.optim.lr_scheduler")

    golden = make()
    if arguments.check:
        difference, place = largest_difference(golden, json.loads((here / NAME).read_text()))
        print(f"largest difference {difference:.3g} {place}")
        sys.exit(0 if difference <= TOLERANCE else 1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / NAME
    path.write_text(write(golden) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
