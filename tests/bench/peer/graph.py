"""SegFormer as an ONNX graph, from the parameters of a raremap weights file.

The nodes are those that PyTorch's exporter makes of Hugging Face's SegformerForSemanticSegmentation: tokens `[batch, h * w, channels]` in the
encoder, maps `[batch, channels, h, w]` in the decoder, whole operators (LayerNormalization, Gelu) where the opset has them. Beyond the paper's
network there are, where the card has them: windows of attention, the detail path, the pixel path, the auxiliary head and its attention.
"""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20  # the first with Gelu
EMBED = [(7, 4), (3, 2), (3, 2), (3, 2)]
DETAIL_STRIDES = [2, 1, 1]
BATCH_NORM_EPS = 1e-5


class Graph:
    """Nodes and constants so far. Methods add an operator and give the name of its output."""

    def __init__(self):
        self.nodes = []
        self.constants = {}

    def constant(self, values, name=None):
        name = name or f"constant_{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(values)
        return name

    def op(self, kind, *inputs, name=None, **attributes):
        inputs = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"node_{name}", **attributes))
        return name

    def reshape(self, value, *shape):
        return self.op("Reshape", value, np.array(shape, np.int64))

    def transpose(self, value, *order):
        return self.op("Transpose", value, perm=order)

    def linear(self, value, weight, bias=None):
        product = self.op("MatMul", value, weight)
        return product if bias is None else self.op("Add", product, bias)

    def conv(self, value, weight, bias=None, stride=1, pad=0, groups=1):
        inputs = [weight] if bias is None else [weight, bias]
        return self.op("Conv", value, *inputs, strides=[stride] * 2, pads=[pad] * 4, group=groups, kernel_shape=weight.shape[2:])

    def resize(self, value, size, channels):
        """Bilinear, `align_corners = false`."""
        sizes = np.array([1, channels, *size], np.int64)
        settings = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self.op("Resize", value, "", "", sizes, **settings)

    def model(self, inputs, outputs):
        value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        graph = helper.make_graph(
            self.nodes,
            "segformer",
            [value(*entry) for entry in inputs.items()],
            [value(*entry) for entry in outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        # IR version 10 is the oldest that carries this opset.
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10, producer_name="raremap")
        onnx.checker.check_model(model, full_check=True)
        return model


class Segformer:
    """Adds the parts of one network to a graph."""

    def __init__(self, architecture, parameters, is_folded):
        if architecture.get("family", "segformer") != "segformer":
            raise ValueError(f"the network is a {architecture['family']}, but only SegFormers have an ONNX graph here")
        self.shape = architecture
        self.parameters = parameters
        self.is_folded = is_folded
        self.graph = Graph()

    def layer_norm(self, value, name, eps):
        gamma, beta = (self.parameters[f"{name}.{part}"] for part in ("gamma", "beta"))
        return self.graph.op("LayerNormalization", value, gamma, beta, axis=-1, epsilon=eps)

    def linear(self, value, name):
        return self.graph.linear(value, self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"])

    def tokens(self, image, channels, grid):
        return self.graph.transpose(self.graph.reshape(image, -1, channels, math.prod(grid)), 0, 2, 1)

    def map(self, tokens, channels, grid):
        return self.graph.reshape(self.graph.transpose(tokens, 0, 2, 1), -1, channels, *grid)

    def norm_scale(self, name):
        """Scale and shift of a batch norm with its running statistics."""
        gamma, beta, mean, variance = (
            self.parameters[f"{name}.{part}"].astype(np.float64) for part in ("gamma", "beta", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + BATCH_NORM_EPS)
        return scale, beta - mean * scale

    def batch_norm(self, value, name):
        parts = [self.parameters[f"{name}.{part}"] for part in ("gamma", "beta", "running_mean", "running_var")]
        return self.graph.op("BatchNormalization", value, *parts, epsilon=BATCH_NORM_EPS)

    def attention(self, tokens, name, stage, grid):
        """Attention within windows, if the network has them and the tile is larger than one."""
        window = self.shape.get("attention_window_px", 0) // (4 << stage)
        if not window or max(grid) <= window:
            return self.attend(tokens, name, stage, grid)
        if grid[0] % window or grid[1] % window:
            raise ValueError(f"the tile's edge must be a multiple of {self.shape['attention_window_px']} pixels")
        graph, dim = self.graph, self.shape["dims"][stage]
        down, across = grid[0] // window, grid[1] // window
        tokens = graph.transpose(graph.reshape(tokens, 1, down, window, across, window, dim), 0, 1, 3, 2, 4, 5)
        windows = graph.reshape(tokens, down * across, window * window, dim)
        windows = self.attend(windows, name, stage, (window, window))
        tokens = graph.transpose(graph.reshape(windows, 1, down, across, window, window, dim), 0, 1, 3, 2, 4, 5)
        return graph.reshape(tokens, 1, grid[0] * grid[1], dim)

    def attend(self, tokens, name, stage, grid):
        graph, dim = self.graph, self.shape["dims"][stage]
        heads, ratio = self.shape["heads"][stage], self.shape["reduction"][stage]
        context, count = tokens, math.prod(grid)
        if ratio > 1:
            weight, bias = (self.parameters[f"{name}.reduction.sr.{part}"] for part in ("weight", "bias"))
            reduced = graph.conv(self.map(tokens, dim, grid), weight, bias, stride=ratio)
            context = self.tokens(reduced, dim, (grid[0] // ratio, grid[1] // ratio))
            context = self.layer_norm(context, f"{name}.reduction.layer_norm", self.shape["embed_norm_eps"])
        head_dim = dim // heads
        keys = count // ratio**2

        def split(value, length, *order):
            return graph.transpose(graph.reshape(value, -1, length, heads, head_dim), *order)

        query = split(self.linear(tokens, f"{name}.query"), count, 0, 2, 1, 3)
        key = split(self.linear(context, f"{name}.key"), keys, 0, 2, 3, 1)
        value = split(self.linear(context, f"{name}.value"), keys, 0, 2, 1, 3)
        query = graph.op("Mul", query, np.array(head_dim**-0.5, np.float32))
        weights = graph.op("Softmax", graph.op("MatMul", query, key), axis=-1)
        mixed = graph.transpose(graph.op("MatMul", weights, value), 0, 2, 1, 3)
        return self.linear(graph.reshape(mixed, -1, count, dim), f"{name}.output")

    def mix_ffn(self, tokens, name, stage, grid):
        hidden = self.shape["dims"][stage] * self.shape["mlp_ratio"]
        image = self.map(self.linear(tokens, f"{name}.dense1"), hidden, grid)
        weight, bias = (self.parameters[f"{name}.dwconv.{part}"] for part in ("weight", "bias"))
        image = self.graph.conv(image, weight, bias, pad=1, groups=hidden)
        return self.linear(self.graph.op("Gelu", self.tokens(image, hidden, grid)), f"{name}.dense2")

    def block(self, tokens, name, stage, grid):
        eps = self.shape["norm_eps"]
        for part, norm in ((self.attention, "layer_norm_1"), (self.mix_ffn, "layer_norm_2")):
            kind = "attention" if norm == "layer_norm_1" else "mlp"
            branch = part(self.layer_norm(tokens, f"{name}.{norm}", eps), f"{name}.{kind}", stage, grid)
            tokens = self.graph.op("Add", tokens, branch)
        return tokens

    def encoder(self, image, size):
        """Tokens and grid of each stage, from fine to coarse."""
        stages, grid = [], size
        for stage, (kernel, stride) in enumerate(EMBED):
            name, dim = f"encoder.stages.{stage}", self.shape["dims"][stage]
            weight, bias = (self.parameters[f"{name}.patch_embed.proj.{part}"] for part in ("weight", "bias"))
            image = self.graph.conv(image, weight, bias, stride=stride, pad=kernel // 2)
            grid = (grid[0] // stride, grid[1] // stride)
            tokens = self.tokens(image, dim, grid)
            tokens = self.layer_norm(tokens, f"{name}.patch_embed.layer_norm", self.shape["embed_norm_eps"])
            for block in range(self.shape["depths"][stage]):
                tokens = self.block(tokens, f"{name}.blocks.{block}", stage, grid)
            tokens = self.layer_norm(tokens, f"{name}.layer_norm", self.shape["norm_eps"])
            stages.append((tokens, grid))
            image = self.map(tokens, dim, grid)
        return stages

    def decoder(self, stages):
        """As in the paper: each stage's linear layer, upsampled, concatenated deepest first, fused. Batch norm and ReLU follow."""
        dim, (_, size) = self.shape["decoder_dim"], stages[0]
        maps = []
        for index, (tokens, grid) in enumerate(stages):
            image = self.map(self.linear(tokens, f"decoder.linear_c.{index}"), dim, grid)
            maps.append(image if grid == size else self.graph.resize(image, size, dim))
        return self.graph.conv(self.graph.op("Concat", *reversed(maps), axis=1), self.parameters["decoder.linear_fuse.weight"])

    def folded_decoder(self, stages):
        """One matrix per stage, which holds its linear layer, its part of the fuse convolution and the batch norm; the maps are added.

        raremap runs this (crates/raremap-model/src/folded.rs). It is the same function, because a 1 x 1 convolution and bilinear interpolation
        commute and the weights of the interpolation sum to 1.
        """
        dim, (_, size) = self.shape["decoder_dim"], stages[0]
        scale, shift = self.norm_scale("decoder.batch_norm")
        fuse = self.parameters["decoder.linear_fuse.weight"].astype(np.float64)[:, :, 0, 0]
        parts = []
        for index in range(4):
            columns = fuse[:, (3 - index) * dim : (4 - index) * dim].T
            weight, bias = (self.parameters[f"decoder.linear_c.{index}.{part}"].astype(np.float64) for part in ("weight", "bias"))
            shift = shift + (bias @ columns) * scale
            parts.append(((weight @ columns) * scale).astype(np.float32))
        total = None
        for (tokens, grid), weight in zip(stages, parts):
            # The bias is added to the finest stage, which comes first.
            bias = shift.astype(np.float32) if total is None else None
            image = self.map(self.graph.linear(tokens, weight, bias), dim, grid)
            image = image if grid == size else self.graph.resize(image, size, dim)
            total = image if total is None else self.graph.op("Add", total, image)
        return total

    def detail(self, image):
        """The detail path. Folded, its batch norms are in its convolutions, and the decoder's scale is in its projection."""
        for index, stride in enumerate(DETAIL_STRIDES):
            name = f"detail.convs.{index}"
            weight = self.parameters[f"{name}.conv.weight"]
            if self.is_folded:
                scale, shift = self.norm_scale(f"{name}.norm")
                weight = (weight * scale[:, None, None, None]).astype(np.float32)
                image = self.graph.conv(image, weight, shift.astype(np.float32), stride=stride, pad=1)
            else:
                image = self.batch_norm(self.graph.conv(image, weight, stride=stride, pad=1), f"{name}.norm")
            image = self.graph.op("Relu", image)
        project = self.parameters["detail.project.weight"]
        if self.is_folded:
            scale, _ = self.norm_scale("decoder.batch_norm")
            project = (project * scale[:, None, None, None]).astype(np.float32)
        return self.graph.conv(image, project)

    def heads(self, features, outputs):
        """Adds the heads, of which the auxiliary one reweights the features of the main one by its saliency. `outputs` are the names of their logits."""
        graph = self.graph
        head = lambda value, name: graph.op(
            "Conv", value, self.parameters[f"heads.{name}.weight"], self.parameters[f"heads.{name}.bias"], kernel_shape=[1, 1], name=outputs[name]
        )
        if self.shape["num_rare"]:
            auxiliary = head(features, "auxiliary")
            absent = graph.op("Sigmoid", graph.op("Neg", auxiliary))
            axes = np.array([1], np.int64)
            saliency = graph.op("Sub", np.array(1, np.float32), graph.op("ReduceProd", absent, axes, keepdims=1))
            features = graph.op("Mul", features, graph.op("Add", saliency, np.array(1, np.float32)))
        head(features, "classifier")

    def pixel(self, image, features, size, logits):
        """The pixel path: adds to `logits`, which has the heads' channels by name, what every pixel's own bands say."""
        graph = self.graph
        parameter = lambda name, part="weight": self.parameters[f"pixel.{name}.{part}"]
        context = graph.resize(graph.conv(features, parameter("context")), size, self.shape["pixel_dim"])
        own = graph.conv(image, parameter("input"), parameter("input", "bias"))
        hidden = graph.op("Relu", graph.op("Add", context, own))
        for name, channels in logits.items():
            graph.op("Add", graph.resize(f"head_{name}", size, channels), graph.conv(hidden, parameter(name)), name=name)

    def build(self, size):
        """The whole network for tiles of `size`, `(height, width)`."""
        image, tile = "input", size
        if (factor := self.shape.get("input_upsampling", 1)) != 1:
            size = tuple(factor * edge for edge in size)
            image = self.graph.resize(image, size, self.shape["in_channels"])
        stages = self.encoder(image, size)
        features = self.folded_decoder(stages) if self.is_folded else self.decoder(stages)
        cell = 4
        if self.shape.get("detail_dim", 0):
            cell = 2
            features = self.graph.resize(features, (size[0] // 2, size[1] // 2), self.shape["decoder_dim"])
            features = self.graph.op("Add", features, self.detail(image))
        if not self.is_folded:
            features = self.batch_norm(features, "decoder.batch_norm")
        features = self.graph.op("Relu", features)
        channels = {"main": self.shape["num_classes"], "auxiliary": self.shape["num_rare"]}
        channels = {name: count for name, count in channels.items() if count}
        if self.shape.get("pixel_dim", 0):
            cell = 1
            self.heads(features, {"classifier": "head_main", "auxiliary": "head_auxiliary"})
            self.pixel(image, features, size, channels)
        else:
            self.heads(features, {"classifier": "main", "auxiliary": "auxiliary"})
        outputs = {name: [1, count, size[0] // cell, size[1] // cell] for name, count in channels.items()}
        return self.graph.model({"input": [1, self.shape["in_channels"], *tile]}, outputs)


def build(architecture, parameters, size, is_folded):
    """An ONNX model of the network for tiles of `size`, as the paper has it or with its decoder folded."""
    return Segformer(architecture, parameters, is_folded).build(size)


def count(model):
    """Multiply-adds of a tile, and bytes that must be moved for them, at the least and by a runtime whose kernels are whole layers.

    The least is the weights, the input and the logits, each once. By layers, every convolution and matrix product also reads its input and writes its
    output, and what lies between two of them is part of one of their kernels.
    """
    shapes = {}
    inferred = onnx.shape_inference.infer_shapes(model).graph
    for value in [*inferred.value_info, *inferred.input, *inferred.output]:
        shapes[value.name] = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
    weights = {}
    for tensor in inferred.initializer:
        shapes[tensor.name] = list(tensor.dims)
        if tensor.data_type == TensorProto.FLOAT:
            weights[tensor.name] = 4 * math.prod(tensor.dims)
    size = lambda name: 4 * math.prod(shapes[name])
    multiply_adds, activations = 0, 0
    for node in inferred.node:
        if node.op_type not in ("Conv", "MatMul"):
            continue
        output = shapes[node.output[0]]
        inner = math.prod(shapes[node.input[1]][1:]) if node.op_type == "Conv" else shapes[node.input[0]][-1]
        multiply_adds += math.prod(output) * inner
        activations += size(node.output[0]) + sum(size(name) for name in node.input if name not in weights)
    ends = sum(size(value.name) for value in [*inferred.input, *inferred.output])
    least = sum(weights.values()) + ends
    return {"multiply_adds": multiply_adds, "least_bytes": least, "layer_bytes": sum(weights.values()) + activations, "nodes": len(inferred.node)}
