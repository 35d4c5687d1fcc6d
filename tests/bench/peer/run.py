"""Runs ONNX graphs with onnxruntime, and compares logits."""

import numpy as np
import onnxruntime

# What the product allows between implementations, relative to the logits' range.
TOLERANCE = 2e-3


def tile(random, channels, edge):
    """A normalized tile, `[1, channels, edge, edge]`: patches of 8 x 8 pixels with noise, as ground has large shapes and small ones."""
    patches = random.uniform(-1.5, 1.5, (1, channels, edge // 8, edge // 8)).repeat(8, axis=2).repeat(8, axis=3)
    return (patches + random.uniform(-0.5, 0.5, patches.shape)).astype(np.float32)


def logits(model, tile):
    """Each output by name."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"input": tile})))


def golden(tile, logits):
    """A golden tile for a weights file; a network without rare classes has an auxiliary head without channels."""
    main = logits["main"]
    return {"input": tile, "main": main, "auxiliary": logits.get("auxiliary", main[:, :0])}


def largest_difference(found, expected):
    """The largest difference of a logit relative to the range of its head, with the head's name."""
    worst = (0.0, "")
    for name, values in found.items():
        difference = float(np.abs(values - expected[name]).max() / np.ptp(expected[name]))
        # The negation also catches NaN, which compares false with everything.
        if not difference <= worst[0]:
            worst = (difference, name)
    return worst
