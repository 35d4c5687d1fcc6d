"""Reads and writes raremap's weights files. ARCHITECTURE.md describes the format; crates/raremap-model/src/weights.rs is its one definition."""

import hashlib
import json
import struct
from dataclasses import dataclass

import numpy as np

# What is read. What is written has bands of a scene and nothing else, which is the first.
FORMATS = ("raremap/1", "raremap/2")
SCALE = ".scale"
GOLDEN = "golden."
DIGEST_DIGITS = 64
DTYPES = {"F32": np.dtype("<f4"), "I8": np.dtype("i1")}


@dataclass
class ModelFile:
    """A weights file: its card, a STAC Item; float parameters by name; and the golden tile, `input`, `main` and `auxiliary`."""

    card: dict
    parameters: dict
    golden: dict

    @property
    def architecture(self):
        return self.card["properties"]["mlm:hyperparameters"]


def channel_axis(name, shape):
    """The axis of the output channels of a weight that is stored as int8; None for what stays float."""
    is_float = (
        name.startswith(("heads.", "pixel.", "encoder.stages.0.patch_embed.", "detail.convs.0."))
        or name.endswith("mlp.dwconv.weight")
        or not name.endswith(".weight")
    )
    return None if is_float else {2: 1, 4: 0}.get(len(shape))


def per_channel(scales, axis, dimensions):
    return scales.reshape([-1 if index == axis else 1 for index in range(dimensions)])


def quantize(values, axis):
    others = tuple(index for index in range(values.ndim) if index != axis)
    scales = (np.abs(values).max(axis=others) / 127).astype(np.float32)
    # A channel of zeros has scale 0 and stays zero.
    divisors = per_channel(np.where(scales == 0, 1, scales), axis, values.ndim)
    return np.rint(values / divisors).astype(np.int8), scales


def read(path):
    """Reads a weights file; int8 weights become float."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    if metadata["format"] not in FORMATS:
        raise ValueError(f"{path} has the format {metadata['format']}, but this script reads {' and '.join(FORMATS)}")
    body = memoryview(data)[8 + length :]
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(body[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    golden = {name.removeprefix(GOLDEN): value for name, value in tensors.items() if name.startswith(GOLDEN)}
    parameters = {}
    for name, value in tensors.items():
        if name.startswith(GOLDEN) or name.endswith(SCALE):
            continue
        if value.dtype == np.int8:
            axis = channel_axis(name, value.shape)
            value = value.astype(np.float32) * per_channel(tensors[name + SCALE], axis, value.ndim)
        parameters[name] = value
    return ModelFile(json.loads(metadata["card"]), parameters, golden)


def write(path, file):
    """Writes a weights file with int8 weights, as `raremap export` does."""
    stored = {GOLDEN + name: value.astype("<f4") for name, value in file.golden.items()}
    for name, value in file.parameters.items():
        axis = channel_axis(name, value.shape)
        if axis is None:
            stored[name] = value.astype("<f4")
        else:
            stored[name], stored[name + SCALE] = quantize(value, axis)
    zeros = "0" * DIGEST_DIGITS
    metadata = {"format": FORMATS[0], "card": json.dumps(file.card), "sha256": zeros}
    table, body = {"__metadata__": metadata}, bytearray()
    # Floats first, so that each is aligned without gaps.
    for name, value in sorted(stored.items(), key=lambda entry: (-entry[1].itemsize, entry[0])):
        begin = len(body)
        body += value.tobytes()
        dtype = "I8" if value.itemsize == 1 else "F32"
        table[name] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": [begin, len(body)]}
    header = json.dumps(table).encode()
    header += b" " * (-len(header) % 8)
    data = struct.pack("<Q", len(header)) + header + bytes(body)
    digest = hashlib.sha256(data).hexdigest()
    path.write_bytes(data.replace(zeros.encode(), digest.encode(), 1))
