"""Makes segformer_tiny.safetensors: the numbers that raremap's SegFormer has to reproduce.

The oracle is Hugging Face's SegformerForSemanticSegmentation with random weights, B0's topology and narrow dims.
See README.md for the contents. Usage:

    python3 tests/golden/segformer.py [--out DIR]     writes DIR/segformer_tiny.safetensors (default: this folder)
    python3 tests/golden/segformer.py --check         makes it again and compares it with the committed file
"""

import argparse
import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import SegformerConfig, SegformerForSemanticSegmentation
from transformers.core_model_loading import revert_weight_conversion

SEED = 20260211
CLASSES = 7
IGNORED = 255
BATCH, BANDS, HEIGHT, WIDTH = 2, 3, 64, 96
NAME = "segformer_tiny.safetensors"
TOLERANCE = 1e-6

# NumPy's integer-derived uniform numbers are the same on every machine; torch.randn takes another code path per CPU.
random = np.random.Generator(np.random.PCG64(SEED))


def uniform(shape, low, high):
    return torch.from_numpy(random.uniform(low, high, size=tuple(shape)).astype(np.float32))


def tiny_segformer():
    config = SegformerConfig(
        num_channels=BANDS,
        num_labels=CLASSES,
        depths=[2, 2, 2, 2],
        hidden_sizes=[8, 16, 30, 48],
        num_attention_heads=[1, 2, 5, 8],
        sr_ratios=[8, 4, 2, 1],
        mlp_ratios=[4, 4, 4, 4],
        decoder_hidden_size=16,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        classifier_dropout_prob=0.0,
        drop_path_rate=0.0,
        semantic_loss_ignore_index=IGNORED,
        attn_implementation="sdpa",  # the eager one rounds its softmax to float32
    )
    return SegformerForSemanticSegmentation(config)


def randomize(model):
    """Gives every parameter and statistic a value that no other one could stand in for."""
    with torch.no_grad():
        for module_name, module in sorted(model.named_modules()):
            kind = type(module).__name__
            for name, parameter in sorted(module.named_parameters(recurse=False)):
                if kind in ("LayerNorm", "BatchNorm2d") and name == "weight":
                    value = uniform(parameter.shape, 0.5, 1.5)
                elif name == "bias":
                    value = uniform(parameter.shape, -0.4, 0.4)
                else:
                    # Variance 1.5 / fan-in: attention far from uniform, activations of order one.
                    fan_in = parameter[0].numel()
                    bound = (3 * 1.5 / fan_in) ** 0.5
                    value = uniform(parameter.shape, -bound, bound)
                assert value.shape == parameter.shape, (module_name, name)
                parameter.copy_(value)
            if kind == "BatchNorm2d":
                module.running_mean.copy_(uniform(module.running_mean.shape, -0.5, 0.5))
                module.running_var.copy_(uniform(module.running_var.shape, 0.5, 2.0))


def hugging_face_names(model, tensors):
    """Renames module paths as save_pretrained does: checkpoints keep the names of transformers 4."""
    renamed = revert_weight_conversion(model, dict(tensors))
    assert len(renamed) == len(tensors)
    return renamed


@sdpa_kernel(SDPBackend.MATH)
def make():
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    model = tiny_segformer()
    randomize(model)
    # float64 throughout, rounded to float32 at the end: in float32 two instruction sets of one CPU differ by 1e-5.
    model.double()
    pixels = uniform((BATCH, BANDS, HEIGHT, WIDTH), -2.0, 2.0).double()
    # Classes in blocks of 4 x 4 pixels with single-pixel noise, a corner and scattered pixels ignored.
    blocks = random.integers(0, CLASSES, size=(BATCH, HEIGHT // 4, WIDTH // 4)).repeat(4, axis=1).repeat(4, axis=2)
    noise = random.integers(0, CLASSES, size=blocks.shape)
    labels = np.where(random.uniform(size=blocks.shape) < 0.2, noise, blocks)
    labels[random.uniform(size=blocks.shape) < 0.05] = IGNORED
    labels[0, :10, :30] = IGNORED
    labels = torch.from_numpy(labels)

    weights = hugging_face_names(model, model.state_dict())
    golden = {f"weights.{name}": value.detach().clone() for name, value in weights.items()}
    golden["input"] = pixels
    golden["labels"] = labels.to(torch.uint8)

    model.eval()
    kept = {}
    activation = model.decode_head.activation
    hook = activation.register_forward_hook(lambda module, inputs, output: kept.update(decoder=output))
    with torch.no_grad():
        output = model(pixels, output_hidden_states=True)
    hook.remove()
    assert len(output.hidden_states) == 4
    for stage, features in enumerate(output.hidden_states):
        golden[f"stage.{stage}"] = features
    golden["decoder"] = kept["decoder"]
    golden["logits"] = output.logits

    model.train()
    logits = model(pixels).logits
    upsampled = functional.interpolate(logits, size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False)
    loss = functional.cross_entropy(upsampled, labels, ignore_index=IGNORED)
    loss.backward()
    golden["logits_train"] = logits
    golden["loss"] = loss.reshape(1)
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients.values())
    golden |= {f"grad.{name}": value for name, value in hugging_face_names(model, gradients).items()}
    norm = model.decode_head.batch_norm
    golden["after.decode_head.batch_norm.running_mean"] = norm.running_mean
    golden["after.decode_head.batch_norm.running_var"] = norm.running_var
    for name, value in golden.items():
        value = value.detach().float() if value.is_floating_point() else value.detach()
        golden[name] = value.contiguous().clone()
    return golden


def largest_difference(made, committed_path):
    """The largest absolute difference with its tensor's name; infinite where the names or shapes differ."""
    worst = (0.0, "")
    with safe_open(committed_path, framework="pt") as committed:
        names = set(committed.keys()) ^ set(made)
        if names:
            return float("inf"), f"only in one of the two: {sorted(names)}"
        for name, value in made.items():
            expected = committed.get_tensor(name)
            if expected.shape != value.shape or expected.dtype != value.dtype:
                kinds = [f"{tensor.dtype} {tuple(tensor.shape)}" for tensor in (expected, value)]
                return float("inf"), f"{name}: {kinds[0]} in the committed file, now {kinds[1]}"
            difference = (expected.double() - value.double()).abs().max().item()
            # The negation also catches NaN, which compares false with everything.
            if not difference <= worst[0]:
                worst = (difference, name)
    return worst


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
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "seed": str(SEED)}
    save_file(golden, path, metadata={"made_by": "tests/golden/segformer.py"} | versions)
    print(f"{path}: {len(golden)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
