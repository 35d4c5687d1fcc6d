"""Makes losses.json: values and gradients that raremap's training losses have to reproduce.

Every loss is written out from its formula in float64, class by class over the scored pixels; PyTorch's own functions are
used where it has the loss. See README.md for the contents. Usage:

    python3 tests/golden/losses.py [--out DIR]     writes DIR/losses.json (default: this folder)
    python3 tests/golden/losses.py --check         makes it again and compares it with the committed file
"""

import argparse
import json
import math
import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from torch.nn import functional

SEED = 20261121
NAME = "losses.json"
TOLERANCE = 1e-6
IGNORED = -1

NAMES = ["forest", "crop", "water", "wetland", "ice"]
# The training split has no ice.
CLASS_PIXELS = [5000, 3000, 900, 100, 0]
RARE = [2, 3]
HEIGHT, WIDTH = 6, 4

random = np.random.Generator(np.random.PCG64(SEED))


def rounded(values):
    """Seven digits: what float32 holds, in little space."""
    return [float(f"{value:.7g}") for value in torch.as_tensor(values).detach().flatten().tolist()]


def uniform(*shape):
    # Rounded before use: the file's numbers are the ones computed with.
    return torch.tensor(rounded(torch.from_numpy(random.uniform(-2.0, 2.0, size=shape)))).double().reshape(shape)


def frequency_weights(rule, cap, ignored=()):
    pixels = [0 if c in ignored else n for c, n in enumerate(CLASS_PIXELS)]
    share = [n / sum(pixels) for n in pixels]
    exponent = {"none": 0.0, "inverse_sqrt": 0.5, "inverse": 1.0}[rule]
    raw = [f**-exponent if f > 0 else 0.0 for f in share]
    capped = [min(w, cap * min(w for w in raw if w > 0)) for w in raw]
    mean = sum(w * f for w, f in zip(capped, share))
    return torch.tensor([w / mean for w in capped], dtype=torch.float64)


# A loss takes logits [pixels, classes] and labels [pixels], scored pixels only.


def cross_entropy(weights=None, smoothing=0.0):
    return lambda x, y: functional.cross_entropy(x, y, weight=weights, label_smoothing=smoothing)


def focal(gamma, weights):
    def loss(x, y):
        p = torch.softmax(x, 1)[torch.arange(len(y)), y]
        w = weights[y]
        return (w * (1 - p) ** gamma * -torch.log(p)).sum() / w.sum()

    return loss


def truth(x, y):
    return functional.one_hot(y, x.shape[1]).double()


def bce(positive, negative, classes=range(5)):
    def loss(x, y):
        g, s = truth(x, y), torch.sigmoid(x)
        terms = [
            -(positive[c] * g[:, c] * torch.log(s[:, c]) + negative[c] * (1 - g[:, c]) * torch.log(1 - s[:, c]))
            for c in classes
        ]
        return torch.stack(terms).mean()

    return loss


def binary_focal(gamma, positive, negative):
    def loss(x, y):
        g, s = truth(x, y), torch.sigmoid(x)
        p = torch.where(g == 1, s, 1 - s)
        w = torch.where(g == 1, positive, negative)
        return (w * (1 - p) ** gamma * -torch.log(p)).mean()

    return loss


def per_class(x, y, activation, classes=range(5)):
    """(c, probabilities, labels) of the classes that are in the labels or predicted in half a pixel or more."""
    p = torch.softmax(x, 1) if activation == "softmax" else torch.sigmoid(x)
    g = truth(x, y)
    return [(c, p[:, c], g[:, c]) for c in classes if g[:, c].sum() > 0 or p[:, c].sum() >= 0.5]


def dice(activation, smooth):
    def loss(x, y):
        terms = [
            1 - (2 * (p * g).sum() + smooth) / (p.sum() + g.sum() + smooth)
            for _, p, g in per_class(x, y, activation)
        ]
        return torch.stack(terms).mean()

    return loss


def jaccard(activation, smooth, positive, negative, classes=range(5)):
    def index(p, g):
        both = (p * g).sum()
        return (both + smooth) / (p.sum() + g.sum() - both + smooth)

    def loss(x, y):
        terms = [
            positive * (1 - index(p, g)) + negative * (1 - index(1 - p, 1 - g))
            for _, p, g in per_class(x, y, activation, classes)
        ]
        return torch.stack(terms).mean()

    return loss


def tversky(activation, smooth, fp_weight, fn_weight, gamma=1.0):
    def loss(x, y):
        terms = []
        for _, p, g in per_class(x, y, activation):
            tp, fp, fn = (p * g).sum(), (p * (1 - g)).sum(), ((1 - p) * g).sum()
            terms.append((1 - (tp + smooth) / (tp + fp_weight * fp + fn_weight * fn + smooth)) ** (1 / gamma))
        return torch.stack(terms).mean()

    return loss


def arbt(orientation, eta=1.0, delta=0.5, low=0.5, high=0.7, residual=1.0, gamma=2.0, eps=1e-6):
    share = [n / sum(CLASS_PIXELS) for n in CLASS_PIXELS]
    raw = [(f + eps) ** -delta if f > 0 else 0.0 for f in share]
    mean = sum(raw) / sum(f > 0 for f in share)
    class_weight = [min(w / mean, 10.0) for w in raw]
    alpha = [1 - (f / max(share)) ** eta for f in share]

    def loss(x, y):
        total = 0.0
        for c, p, g in per_class(x, y, "softmax"):
            tp, fp, fn = (p * g).sum(), (p * (1 - g)).sum(), ((1 - p) * g).sum()
            if orientation == "as_written":
                fp_weight, fn_weight = alpha[c], 1 - alpha[c]
            else:
                fn_weight = min(max(alpha[c], low), high)
                fp_weight = 1 - fn_weight
            total = total + class_weight[c] * (1 - tp / (tp + fp_weight * fp + fn_weight * fn + eps))
        distance = (torch.softmax(x, 1) - truth(x, y)).abs() ** gamma
        return total + residual * distance.sum(1).mean()

    return loss


def auxiliary_bce(positive):
    def loss(x, y):
        terms = [
            functional.binary_cross_entropy_with_logits(
                x[:, channel], (y == c).double(), pos_weight=torch.tensor(positive[channel], dtype=torch.float64)
            )
            for channel, c in enumerate(RARE)
        ]
        return torch.stack(terms).sum()

    return loss


ones = torch.ones(5, dtype=torch.float64)
explicit = torch.tensor([0.5, 1.0, 4.0, 8.0, 2.0], dtype=torch.float64)
inverse, inverse_sqrt = (frequency_weights(rule, 10.0) for rule in ("inverse", "inverse_sqrt"))
roots = frequency_weights("inverse_sqrt", 3.0, ignored=[0])

# (settings of one term, the loss)
TERMS = [
    ("kind = 'cross_entropy'", cross_entropy()),
    ("kind = 'cross_entropy'\nclass_weights = 'inverse'", cross_entropy(inverse)),
    ("kind = 'cross_entropy'\nclass_weights = [0.5, 1, 4, 8, 2]\nlabel_smoothing = 0.1", cross_entropy(explicit, 0.1)),
    ("kind = 'focal'", focal(2.0, ones)),
    ("kind = 'focal'\ngamma = 0.5\nclass_weights = 'inverse_sqrt'", focal(0.5, inverse_sqrt)),
    ("kind = 'bce'", bce(ones, ones)),
    ("kind = 'bce'\npos_weight = [0.5, 1, 4, 8, 2]\nneg_weight = 0.3", bce(explicit, 0.3 * ones)),
    ("kind = 'bce'\npos_weight = 3\nclasses = ['water', 'wetland']", bce(3 * ones, ones, [2, 3])),
    ("kind = 'binary_focal'\npos_weight = [0.5, 1, 4, 8, 2]", binary_focal(2.0, explicit, ones)),
    ("kind = 'binary_focal'\ngamma = 0.5\nneg_weight = 0.3", binary_focal(0.5, ones, 0.3 * ones)),
    ("kind = 'dice'", dice("softmax", 1.0)),
    ("kind = 'dice'\nactivation = 'sigmoid'\nsmooth = 1e-3", dice("sigmoid", 1e-3)),
    ("kind = 'jaccard'", jaccard("softmax", 1.0, 1.0, 0.0)),
    (
        "kind = 'jaccard'\nactivation = 'sigmoid'\npos_weight = 0.8\nneg_weight = 0.2\nclasses = ['water', 3]",
        jaccard("sigmoid", 1.0, 0.8, 0.2, [2, 3]),
    ),
    ("kind = 'tversky'", tversky("softmax", 1.0, 0.3, 0.7)),
    ("kind = 'tversky'\nactivation = 'sigmoid'\nfp_weight = 0.6\nfn_weight = 0.2", tversky("sigmoid", 1.0, 0.6, 0.2)),
    ("kind = 'focal_tversky'", tversky("softmax", 1.0, 0.3, 0.7, 4 / 3)),
    ("kind = 'focal_tversky'\ngamma = 0.5\nsmooth = 1e-3", tversky("softmax", 1e-3, 0.3, 0.7, 0.5)),
    ("kind = 'arbt'", arbt("recall_weighted")),
    ("kind = 'arbt'\norientation = 'as_written'\nresidual_gamma = 1", arbt("as_written", gamma=1.0)),
    (
        "kind = 'arbt'\neta = 0.3\ndelta = 1\nfn_weight_min = 0.2\nfn_weight_max = 0.9\n"
        "residual_weight = 0.4\nresidual_gamma = 1.5",
        arbt("recall_weighted", eta=0.3, delta=1.0, low=0.2, high=0.9, residual=0.4, gamma=1.5),
    ),
]

WHOLE = """\
auxiliary_weight = 0.7
auxiliary_pos_weight = [2, 5]
deep_supervision_weight = 0.4
ignore_classes = ["forest"]

[[main]]
kind = "cross_entropy"
class_weights = "inverse_sqrt"
class_weight_cap = 3

[[main]]
kind = "bce"
weight = 0.3

[[main]]
kind = "jaccard"
weight = 0.4
classes = ["crop", "water", "wetland"]
"""


def whole_main(x, y):
    parts = cross_entropy(roots), bce(ones, ones), jaccard("softmax", 1.0, 1.0, 0.0, [1, 2, 3])
    return parts[0](x, y) + 0.3 * parts[1](x, y) + 0.4 * parts[2](x, y)


def make():
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    main, auxiliary, deep = uniform(2, 5, 3, 2), uniform(2, 2, 3, 2), uniform(2, 5, 2, 1)
    # Ice is in neither the labels nor the prediction; wetland is predicted and nowhere labelled.
    main[:, 4] = -30.0
    labels = random.integers(0, 3, size=(2, HEIGHT, WIDTH))
    labels[random.uniform(size=labels.shape) < 0.2] = IGNORED
    labels[1, :2] = IGNORED
    labels = torch.from_numpy(labels)

    leaves = {"main": main, "auxiliary": auxiliary, "deep": deep}
    golden = {
        "names": NAMES,
        "class_pixels": CLASS_PIXELS,
        "rare": RARE,
        "labels": {"shape": [2, 1, HEIGHT, WIDTH], "values": labels.flatten().tolist()},
    }
    golden |= {name: {"shape": list(leaf.shape), "values": rounded(leaf)} for name, leaf in leaves.items()}

    def pixels(logits, scored):
        """Logits at the labels' resolution, scored pixels only, [pixels, classes]."""
        full = functional.interpolate(logits, size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False)
        return full.permute(0, 2, 3, 1)[scored], labels[scored]

    def case(section, compute, heads):
        for leaf in leaves.values():
            leaf.requires_grad_(True).grad = None
        value = compute()
        value.backward()
        gradients = {head: rounded(leaves[head].grad) for head in heads}
        return {"section": section, "value": rounded(value)[0], "gradients": gradients}

    def whole():
        scored = labels > 0
        return (
            whole_main(*pixels(main, scored))
            + 0.4 * whole_main(*pixels(deep, scored))
            + 0.7 * auxiliary_bce([2.0, 5.0])(*pixels(auxiliary, scored))
        )

    scored = labels != IGNORED
    golden["cases"] = [
        case(f"auxiliary_weight = 0\n[[main]]\n{settings}\n", lambda: loss(*pixels(main, scored)), ["main"])
        for settings, loss in TERMS
    ]
    plain = lambda: cross_entropy()(*pixels(main, scored)) + auxiliary_bce([1.0, 1.0])(*pixels(auxiliary, scored))
    golden["cases"].append(case("", plain, ["main", "auxiliary"]))
    golden["cases"].append(case(WHOLE, whole, ["main", "auxiliary", "deep"]))
    return golden


def differences(made, committed, path=""):
    """(difference, where) of every number; infinite where the structure or a text differs."""
    if isinstance(made, dict) and isinstance(committed, dict) and made.keys() == committed.keys():
        for key, value in made.items():
            yield from differences(value, committed[key], f"{path}.{key}")
    elif isinstance(made, list) and isinstance(committed, list) and len(made) == len(committed):
        for index, value in enumerate(made):
            yield from differences(value, committed[index], f"{path}[{index}]")
    elif isinstance(made, (int, float)) and isinstance(committed, (int, float)):
        difference = abs(made - committed)
        yield (math.inf if math.isnan(difference) else difference, path)
    else:
        yield (0.0 if made == committed else math.inf, path)


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=here)
    parser.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    arguments = parser.parse_args()

    golden = make()
    if arguments.check:
        difference, where = max(differences(golden, json.loads((here / NAME).read_text())))
        print(f"{len(golden['cases'])} losses, largest difference {difference:.3g} {where}")
        sys.exit(0 if difference <= TOLERANCE else 1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / NAME
    lines = json.dumps(golden | {"cases": []})[: -len("[]}")]
    cases = ",\n".join(json.dumps(case) for case in golden["cases"])
    path.write_text(f"{lines}[\n{cases}\n]}}\n")
    print(f"{path}: {len(golden['cases'])} losses, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
