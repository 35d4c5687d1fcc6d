"""SegFormers with random weights, as weights files: the bench needs no training to measure a network of another shape."""

import numpy as np

import graph
import run
from weights import ModelFile, read, write

# SegFormer-B0 for three bands with raremap's two heads (crates/raremap-model/src/config.rs).
B0 = {
    "family": "segformer",
    "in_channels": 3,
    "input_upsampling": 1,
    "num_classes": 7,
    "num_rare": 2,
    "depths": [2, 2, 2, 2],
    "dims": [32, 64, 160, 256],
    "heads": [1, 2, 5, 8],
    "reduction": [8, 4, 2, 1],
    "attention_window_px": 0,
    "mlp_ratio": 4,
    "decoder_dim": 256,
    "detail_dim": 0,
    "pixel_dim": 0,
    "norm_eps": 1e-5,
    "embed_norm_eps": 1e-5,
    "drop_path": 0.0,
    "dropout": 0.0,
}
GOLDEN_PX = 64


def parameter_shapes(shape):
    """Every parameter of a SegFormer, by name. Linear weights are `[in, out]`."""
    shapes = {}

    def layer(name, *weight, outputs=None):
        shapes[f"{name}.weight"] = weight
        if outputs is not None:
            shapes[f"{name}.bias"] = (outputs,)

    def linear(name, inputs, outputs):
        layer(name, inputs, outputs, outputs=outputs)

    def conv(name, inputs, outputs, kernel, has_bias=True):
        layer(name, outputs, inputs, kernel, kernel, outputs=outputs if has_bias else None)

    def norm(name, channels, *more):
        shapes.update({f"{name}.{part}": (channels,) for part in ("gamma", "beta", *more)})

    running = ("running_mean", "running_var")
    for stage, dim in enumerate(shape["dims"]):
        name, hidden = f"encoder.stages.{stage}", dim * shape["mlp_ratio"]
        conv(f"{name}.patch_embed.proj", shape["dims"][stage - 1] if stage else shape["in_channels"], dim, graph.EMBED[stage][0])
        norm(f"{name}.patch_embed.layer_norm", dim)
        for block in range(shape["depths"][stage]):
            at = f"{name}.blocks.{block}"
            norm(f"{at}.layer_norm_1", dim)
            norm(f"{at}.layer_norm_2", dim)
            for part in ("query", "key", "value", "output"):
                linear(f"{at}.attention.{part}", dim, dim)
            if (ratio := shape["reduction"][stage]) > 1:
                conv(f"{at}.attention.reduction.sr", dim, dim, ratio)
                norm(f"{at}.attention.reduction.layer_norm", dim)
            linear(f"{at}.mlp.dense1", dim, hidden)
            conv(f"{at}.mlp.dwconv", 1, hidden, 3)
            linear(f"{at}.mlp.dense2", hidden, dim)
        norm(f"{name}.layer_norm", dim)
        linear(f"decoder.linear_c.{stage}", dim, shape["decoder_dim"])
    decoder, detail = shape["decoder_dim"], shape["detail_dim"]
    conv("decoder.linear_fuse", 4 * decoder, decoder, 1, has_bias=False)
    norm("decoder.batch_norm", decoder, *running)
    if detail:
        for index in range(len(graph.DETAIL_STRIDES)):
            conv(f"detail.convs.{index}.conv", detail if index else shape["in_channels"], detail, 3, has_bias=False)
            norm(f"detail.convs.{index}.norm", detail, *running)
        conv("detail.project", detail, decoder, 1, has_bias=False)
    heads = {"classifier": shape["num_classes"], "auxiliary": shape["num_rare"]}
    for head, channels in heads.items():
        if channels:
            conv(f"heads.{head}", decoder, channels, 1)
    if pixel := shape["pixel_dim"]:
        conv("pixel.context", decoder, pixel, 1, has_bias=False)
        conv("pixel.input", shape["in_channels"], pixel, 1)
        conv("pixel.main", pixel, shape["num_classes"], 1, has_bias=False)
        if shape["num_rare"]:
            conv("pixel.auxiliary", pixel, shape["num_rare"], 1, has_bias=False)
    return shapes


def parameters(shape, random):
    """Values with which attention is far from uniform and activations are of order one, so that an error in a layer shows in the logits."""

    def values(name, size):
        part = name.rsplit(".", 1)[1]
        if part == "weight":
            fan_in = size[0] if len(size) == 2 else np.prod(size[1:])
            bound = (3 * 1.5 / fan_in) ** 0.5
            low, high = -bound, bound
        else:
            low, high = {"gamma": (0.5, 1.5), "running_var": (0.5, 2.0)}.get(part, (-0.4, 0.4))
        return random.uniform(low, high, size).astype(np.float32)

    return {name: values(name, size) for name, size in parameter_shapes(shape).items()}


def card(shape, seed):
    bands = [f"band_{number}" for number in range(1, shape["in_channels"] + 1)]
    classes = [{"value": value, "name": f"class_{value}", "color_hint": f"{value * 30 % 256:02X}" * 3} for value in range(shape["num_classes"])]
    layer = {"data_type": "float32", "dim_order": ["batch", "channel", "height", "width"]}
    return {
        "type": "Feature",
        "properties": {
            "datetime": "2026-01-01T00:00:00Z",
            "description": f"Random weights with the seed {seed}, to measure time. Its maps mean nothing.",
            "gsd": 10.0,
            "mlm:name": f"random-{seed}",
            "mlm:hyperparameters": shape,
            "mlm:input": [
                {
                    "bands": [{"name": band} for band in bands],
                    "input": layer,
                    "value_scaling": [{"type": "z-score", "mean": 0.0, "stddev": 1.0} for _ in bands],
                    "pre_processing_function": {"format": "text", "expression": "none"},
                }
            ],
            "mlm:output": [{"name": "main", "classification:classes": classes}],
            "raremap:rare_classes": [entry["name"] for entry in classes[: shape["num_rare"]]],
            "raremap:tile_px": 256,
            "raremap:training": {"dataset": "none", "provenance": "none", "class_pixels": [0] * len(classes)},
            "raremap:metrics": {},
            "raremap:quantization": "int8 weights, one scale per output channel",
        },
    }


def make(path, shape, seed):
    """Writes a weights file with random weights. Its golden logits are onnxruntime's."""
    random = np.random.Generator(np.random.PCG64(seed))
    tile = run.tile(random, shape["in_channels"], GOLDEN_PX)
    write(path, ModelFile(card(shape, seed), parameters(shape, random), {}))
    # The logits are those of the weights as they were stored.
    stored = read(path)
    logits = run.logits(graph.build(shape, stored.parameters, (GOLDEN_PX, GOLDEN_PX), is_folded=False), tile)
    write(path, ModelFile(stored.card, stored.parameters, run.golden(tile, logits)))
