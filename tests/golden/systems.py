"""Makes systems.safetensors: the numbers that raremap's convolutional families have to reproduce.

Each network is written here a second time, in torch, with raremap's names. Its parameters are not in the file: both sides compute
them from the order of their names and their positions (see `parameter`).
See README.md for the contents. Usage:

    python3 tests/golden/systems.py             writes systems.safetensors
    python3 tests/golden/systems.py --check     makes it again and compares it with the committed file
"""

import argparse
import sys
from pathlib import Path

from segformer import TOLERANCE, largest_difference  # also sets torch to one thread, before torch is loaded

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

NAME = "systems.safetensors"
BATCH, BANDS, EDGE, CLASSES, RARE = 3, 2, 64, 3, 2
STEP = 13  # one value of so many is kept


def hashed(index):
    """Uniform numbers in 0 to 1 from integers, by 32-bit arithmetic alone."""
    x = np.asarray(index, dtype=np.uint64) & 0xFFFFFFFF
    for multiplier in (0x7FEB352D, 0x846CA68B):
        x ^= x >> np.uint64(16)
        x = (x * np.uint64(multiplier)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(15)
    return x.astype(np.float64) / 2.0**32


def parameter(order, name, shape):
    """The parameter that is `order`-th by name, in raremap's layout."""
    count = int(np.prod(shape))
    uniform = hashed(np.arange(count) + order * 65537).reshape(shape)
    if name.endswith(("gamma", "running_var")):
        return 0.5 + uniform
    if len(shape) == 1:
        return uniform - 0.5
    fan_in = shape[0] if len(shape) == 2 or name.endswith("transposed.weight") else int(np.prod(shape[1:]))
    return (2 * uniform - 1) * (3 / fan_in) ** 0.5


def fill(model):
    """Fills `model`; a linear weight is transposed and a norm's parameters are named otherwise in raremap."""
    with torch.no_grad():
        tensors = {}
        for path, module in model.named_modules():
            norm = isinstance(module, (nn.BatchNorm2d, nn.LayerNorm))
            local = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
            for name, tensor in local:
                if name != "num_batches_tracked":
                    ours = {"weight": "gamma", "bias": "beta"}.get(name, name) if norm else name
                    linear = isinstance(module, nn.Linear) and name == "weight"
                    tensors[f"{path}.{ours}".removeprefix(".")] = tensor.T if linear else tensor
        for order, name in enumerate(sorted(tensors)):
            value = parameter(order, name, tuple(tensors[name].shape)).astype(np.float32)
            tensors[name].copy_(torch.from_numpy(value))
    return model


class ConvNorm(nn.Module):
    def __init__(self, i, o, k, stride=1, dilation=1):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, stride, dilation * (k // 2), dilation, bias=False)
        self.norm = nn.BatchNorm2d(o)

    def forward(self, x):
        return self.norm(self.conv(x))


class DoubleConv(nn.Module):
    def __init__(self, i, o, residual=False, stride=1, dilation=1):
        super().__init__()
        self.residual = residual
        self.first = ConvNorm(i, o, 3, stride, dilation)
        self.second = ConvNorm(o, o, 3, 1, dilation)
        if residual and (i != o or stride > 1):
            self.shortcut = ConvNorm(i, o, 1, stride)

    def forward(self, x):
        y = self.second(F.relu(self.first(x)))
        if self.residual:
            y = y + (self.shortcut(x) if hasattr(self, "shortcut") else x)
        return F.relu(y)


class SqueezeExcitation(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.reduce, self.expand = nn.Linear(c, max(c // 16, 1)), nn.Linear(max(c // 16, 1), c)

    def weights(self, x):
        return torch.sigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3))))))[:, :, None, None]

    def forward(self, x):
        return x * self.weights(x)


class AttentionGate(nn.Module):
    def __init__(self, skip, gate):
        super().__init__()
        hidden = max(skip // 2, 1)
        self.skip, self.gate, self.psi = ConvNorm(skip, hidden, 1), ConvNorm(gate, hidden, 1), nn.Conv2d(hidden, 1, 1)

    def forward(self, x, g):
        return x * torch.sigmoid(self.psi(F.relu(self.skip(x) + self.gate(g))))


class Aspp(nn.Module):
    def __init__(self, i, o, rates):
        super().__init__()
        self.branches = nn.ModuleList([ConvNorm(i, o, 1), *(ConvNorm(i, o, 3, dilation=rate) for rate in rates)])
        self.pooled, self.project = ConvNorm(i, o, 1), ConvNorm((len(rates) + 2) * o, o, 1)

    def forward(self, x):
        pooled = F.relu(self.pooled(F.adaptive_avg_pool2d(x, 1))).expand(-1, -1, *x.shape[2:])
        return F.relu(self.project(torch.cat([*(F.relu(branch(x)) for branch in self.branches), pooled], 1)))


class PositionAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        hidden = max(c // 8, 1)
        self.query, self.key, self.value = nn.Conv2d(c, hidden, 1), nn.Conv2d(c, hidden, 1), nn.Conv2d(c, c, 1)
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        q, k, v = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        scores = torch.einsum("bci,bcj->bij", q, k).softmax(2)
        return x + self.gain * torch.einsum("bij,bcj->bci", scores, v).reshape(x.shape)


class GlobalContext(nn.Module):
    def __init__(self, c):
        super().__init__()
        hidden = max(c // 16, 1)
        self.score, self.reduce = nn.Conv2d(c, 1, 1), nn.Linear(c, hidden)
        self.norm, self.expand = nn.LayerNorm(hidden), nn.Linear(hidden, c)

    def forward(self, x):
        context = torch.einsum("bcn,bn->bc", x.flatten(2), self.score(x).flatten(1).softmax(1))
        return x + self.expand(F.relu(self.norm(self.reduce(context))))[:, :, None, None]


class Heads(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.classifier, self.auxiliary = nn.Conv2d(c, CLASSES, 1), nn.Conv2d(c, RARE, 1)

    def forward(self, x):
        auxiliary = self.auxiliary(x)
        saliency = 1 - (1 - torch.sigmoid(auxiliary)).prod(1, keepdim=True)
        return self.classifier(x * (1 + saliency)), auxiliary


class Upsampler(nn.Module):
    def __init__(self, i, o, transposed):
        super().__init__()
        if transposed:
            self.transposed = nn.ConvTranspose2d(i, o, 2, 2)

    def forward(self, x):
        return self.transposed(x) if hasattr(self, "transposed") else F.interpolate(x, scale_factor=2, mode="nearest")


class Expansion(nn.Module):
    def __init__(self, coarse, fine, skip, transposed, residual=False, gated=False):
        super().__init__()
        above = fine if transposed else coarse
        self.upsampler = Upsampler(coarse, fine, transposed)
        if gated:
            self.gate = AttentionGate(skip, above)
        self.conv = DoubleConv(above + skip, fine, residual)

    def forward(self, x, skip):
        x = self.upsampler(x)
        return self.conv(torch.cat([x, self.gate(skip, x) if hasattr(self, "gate") else skip], 1))


class UNet(nn.Module):
    """All options on: residual, gates, squeeze-and-excitation, self-attention, pyramid, deep supervision."""

    def __init__(self, c, transposed):
        super().__init__()
        self.encoder = nn.ModuleList(DoubleConv(i, o, True) for i, o in zip([BANDS, *c], c))
        self.squeeze_excitation, self.self_attention = SqueezeExcitation(c[-1]), PositionAttention(c[-1])
        self.aspp = Aspp(c[-1], c[-1], [1, 2])
        self.decoder = nn.ModuleList(Expansion(b, a, a, transposed, True, True) for a, b in zip(c, c[1:]))
        self.deep = nn.ModuleList(nn.Conv2d(a, CLASSES, 1) for a in c[1:-1])
        self.heads = Heads(c[0])

    def forward(self, x):
        skips = []
        for level in self.encoder:
            x = level(F.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        x = self.aspp(self.self_attention(self.squeeze_excitation(skips.pop())))
        deep = []
        for level in reversed(range(len(self.decoder))):
            x = self.decoder[level](x, skips[level])
            if level > 0:
                deep.insert(0, self.deep[level - 1](x))
        return *self.heads(x), *deep


class UNetPlusPlus(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.encoder = nn.ModuleList(DoubleConv(i, o) for i, o in zip([BANDS, *c], c))
        self.columns = nn.ModuleList()
        for j in range(1, len(c)):
            column = nn.Module()
            column.nodes = nn.ModuleList(Expansion(c[i + 1], c[i], j * c[i], True) for i in range(len(c) - j))
            self.columns.append(column)
        self.deep = nn.ModuleList(nn.Conv2d(c[0], CLASSES, 1) for _ in c[2:])
        self.heads = Heads(c[0])

    def forward(self, x):
        grid = {}
        for i, level in enumerate(self.encoder):
            grid[i, 0] = level(F.max_pool2d(grid[i - 1, 0], 2) if i else x)
        for j, column in enumerate(self.columns, 1):
            for i, node in enumerate(column.nodes):
                above = node.upsampler(grid[i + 1, j - 1])
                grid[i, j] = node.conv(torch.cat([*(grid[i, k] for k in range(j)), above], 1))
        deep = [layer(grid[0, j]) for j, layer in enumerate(self.deep, 1)]
        return *self.heads(grid[0, len(self.columns)]), *deep[::-1]


class PathLevel(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.plain, self.residual, self.contextual = DoubleConv(i, o), DoubleConv(i, o, True), DoubleConv(i, o)
        self.context = GlobalContext(o)
        self.multiscale = nn.Module()
        self.multiscale.branches = nn.ModuleList(ConvNorm(i, o, 3, dilation=d) for d in (1, 2, 4))
        self.multiscale.fuse = ConvNorm(3 * o, o, 1)

    def forward(self, a, b, c, d):
        scales = torch.cat([F.relu(branch(d)) for branch in self.multiscale.branches], 1)
        return self.plain(a), self.residual(b), F.relu(self.context(self.contextual(c))), F.relu(self.multiscale.fuse(scales))


class MultipathUNet(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.encoder = nn.ModuleList(PathLevel(i, o) for i, o in zip([BANDS, *c], c))
        self.squeeze_excitation, self.fuse = SqueezeExcitation(4 * c[-1]), ConvNorm(4 * c[-1], c[-1], 1)
        self.decoder = nn.ModuleList(Expansion(b, a, 4 * a, True) for a, b in zip(c, c[1:]))
        self.heads = Heads(c[0])

    def forward(self, x):
        paths, skips = [x] * 4, []
        for level in self.encoder:
            paths = level(*([F.max_pool2d(path, 2) for path in paths] if skips else paths))
            skips.append(torch.cat(paths, 1))
        x = F.relu(self.fuse(self.squeeze_excitation(skips.pop())))
        for expansion, skip in reversed(list(zip(self.decoder, skips))):
            x = expansion(x, skip)
        return self.heads(x)


class ResNet(nn.Module):
    def __init__(self, width, strides, dilations):
        super().__init__()
        self.stem, self.stages = ConvNorm(BANDS, width, 7, 2), nn.ModuleList()
        i = width
        for s, (stride, dilation) in enumerate(zip(strides, dilations)):
            stage, o = nn.Module(), width << s
            stage.blocks = nn.ModuleList([DoubleConv(i, o, True, stride, dilation), DoubleConv(o, o, True, 1, dilation)])
            self.stages.append(stage)
            i = o

    def forward(self, x):
        maps = [F.relu(self.stem(x))]
        x = F.max_pool2d(maps[0], 3, 2, 1)
        for stage in self.stages:
            for block in stage.blocks:
                x = block(x)
            maps.append(x)
        return maps


def bilinear(x, like):
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class DeepLab(nn.Module):
    def __init__(self, width, wide, low):
        super().__init__()
        self.encoder = ResNet(width, [1, 2, 2, 1], [1, 1, 1, 2])
        self.aspp, self.low_level = Aspp(8 * width, wide, [6, 12, 18]), ConvNorm(width, low, 1)
        self.decoder, self.heads = DoubleConv(wide + low, wide), Heads(wide)

    def forward(self, x):
        maps = self.encoder(x)
        low = F.relu(self.low_level(maps[1]))
        return self.heads(self.decoder(torch.cat([bilinear(self.aspp(maps[4]), low), low], 1)))


class PspNet(nn.Module):
    def __init__(self, width):
        super().__init__()
        deep, narrow = 8 * width, 2 * width
        self.encoder = ResNet(width, [1, 2, 1, 1], [1, 1, 2, 4])
        self.pyramid = nn.ModuleList(ConvNorm(deep, narrow, 1) for _ in range(4))
        self.fuse, self.deep, self.heads = ConvNorm(deep + 4 * narrow, narrow, 3), nn.Conv2d(4 * width, CLASSES, 1), Heads(narrow)

    def forward(self, x):
        *_, third, x = self.encoder(x)
        levels = [bilinear(F.relu(conv(F.adaptive_avg_pool2d(x, n))), x) for n, conv in zip((1, 2, 3, 6), self.pyramid)]
        return *self.heads(F.relu(self.fuse(torch.cat([x, *levels], 1)))), self.deep(third)


class ScaleFusion(nn.Module):
    def __init__(self, above, skip, o):
        super().__init__()
        self.refine, self.narrow = ConvNorm(above, above, 3), ConvNorm(above, skip, 1)
        self.coarse_weights, self.skip_weights = SqueezeExcitation(skip), SqueezeExcitation(skip)
        self.conv = DoubleConv(2 * skip, o)

    def forward(self, x, skip):
        x = F.relu(self.narrow(F.relu(self.refine(x))))
        x = x * (self.coarse_weights.weights(x) + self.skip_weights.weights(skip))
        return self.conv(torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), skip], 1))


class MaNet(nn.Module):
    def __init__(self, width, c):
        super().__init__()
        self.encoder = ResNet(width, [1, 2, 2, 2], [1, 1, 1, 1])
        self.position, self.smooth = PositionAttention(8 * width), ConvNorm(8 * width, 8 * width, 3)
        skips = [4 * width, 2 * width, width, width]
        self.fusions = nn.ModuleList(ScaleFusion(a, s, o) for a, s, o in zip([8 * width, *c], skips, c))
        self.last, self.heads = DoubleConv(c[3], c[4]), Heads(c[4])

    def forward(self, x):
        *maps, x = self.encoder(x)
        x = F.relu(self.smooth(self.position(x)))
        for fusion, skip in zip(self.fusions, reversed(maps)):
            x = fusion(x, skip)
        return self.heads(self.last(F.interpolate(x, scale_factor=2, mode="nearest")))


NETWORKS = {
    "unet_nearest": lambda: UNet([4, 6, 8], False),
    "unet_transposed": lambda: UNet([4, 6, 6, 8], True),
    "unet_plus_plus": lambda: UNetPlusPlus([4, 6, 8, 8]),
    "multipath_unet": lambda: MultipathUNet([4, 6, 8]),
    "deeplab": lambda: DeepLab(4, 8, 4),
    "pspnet": lambda: PspNet(4),
    "manet": lambda: MaNet(4, [12, 8, 6, 4, 4]),
}


def make():
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    golden = {}
    for order, (name, network) in enumerate(NETWORKS.items()):
        model = fill(network()).double()
        pixels = (4 * hashed(np.arange(BATCH * BANDS * EDGE * EDGE) + 1000003 * (order + 1)) - 2).astype(np.float32)
        pixels = torch.from_numpy(pixels).double().reshape(BATCH, BANDS, EDGE, EDGE).requires_grad_()
        model.eval()
        with torch.no_grad():
            main, auxiliary, *_ = model(pixels)
        model.train()
        outputs = model(pixels)
        # Squares, because batch norm leaves no gradient of a plain mean.
        sum(output.square().mean() for output in outputs).backward()
        kept = {"main": main, "auxiliary": auxiliary, "input_gradient": pixels.grad}
        kept |= {f"deep.{index}": deep for index, deep in enumerate(outputs[2:])}
        golden |= {f"{name}.{key}": value.detach().flatten()[::STEP].float().clone() for key, value in kept.items()}
        norms = [parameter.grad.norm() for parameter in model.parameters()]
        golden[f"{name}.gradient_norm"] = torch.stack(norms).norm().reshape(1).float()
        golden[f"{name}.parameters"] = torch.tensor([float(sum(p.numel() for p in model.parameters()))])
    return golden


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=here)
    parser.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    arguments = parser.parse_args()
    golden = make()
    if arguments.check:
        difference, name = largest_difference(golden, here / NAME)
        print(f"{len(golden)} tensors, largest difference {difference:.3g} {name}")
        sys.exit(0 if difference <= TOLERANCE else 1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / NAME
    save_file(golden, path, metadata={"made_by": "tests/golden/systems.py", "torch": torch.__version__})
    print(f"{path}: {len(golden)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
