"""An ONNX generator as a PyTorch function of its tuned weights. Each node becomes one PyTorch call.

Used for MobileStyleGAN and for the 64 px generator of this repository. gani reads the same file, so both compute the same
function.
"""

import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper


class OnnxGenerator:
    """`image(θ, ws)`; θ is a dictionary of the initializers listed in `tuned`."""

    def __init__(self, path, tuned, device):
        graph = onnx.load(path).graph
        self.input, self.output = graph.input[0].name, graph.output[0].name
        self.constants = {t.name: constant(numpy_helper.to_array(t).copy(), device) for t in graph.initializer}
        self.nodes = [
            (n.op_type, list(n.input), n.output[0], {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute})
            for n in graph.node
        ]
        self.theta = {name: self.constants[name] for name in tuned}

    def image(self, theta, ws):
        """G(ws, θ): `[n, 512]` → `[1, 3, R, R]`."""
        values = {**self.constants, **theta, self.input: ws[None]}
        for op, inputs, output, attributes in self.nodes:
            values[output] = call(op, [values[name] for name in inputs], attributes)
        return values[self.output]


def constant(array, device):
    """Moves floats to the device. Shapes and axes stay on the CPU, because Python reads them."""
    tensor = torch.from_numpy(array)
    return tensor.to(device) if tensor.is_floating_point() else tensor


def call(op, x, a):
    """Evaluates one node. Supports only the ops and attributes of these generators."""
    ints = lambda t: [int(v) for v in t]
    match op:
        case "Add":
            return x[0] + x[1]
        case "Mul":
            return x[0] * x[1]
        case "Div":
            return x[0] / x[1]
        case "Sqrt":
            return x[0].sqrt()
        case "LeakyRelu":
            return F.leaky_relu(x[0], a.get("alpha", 0.01))
        case "ReduceSum":
            return x[0].sum(ints(x[1]), keepdim=bool(a.get("keepdims", 1)))
        case "Reshape":
            return x[0].reshape(ints(x[1]))
        case "Transpose":
            return x[0].permute(a["perm"])
        case "Slice":
            for start, end, axis in zip(*map(ints, x[1:4])):
                x[0] = x[0][(slice(None),) * axis + (slice(start, end),)]
            return x[0]
        case "Gemm":
            product = (x[0].T if a.get("transA") else x[0]) @ (x[1].T if a.get("transB") else x[1])
            return product + x[2] if len(x) > 2 else product
        case "Conv" | "ConvTranspose":
            top, left, bottom, right = a.get("pads", [0] * 4)
            assert (top, left) == (bottom, right), "uneven pads"
            run = F.conv2d if op == "Conv" else F.conv_transpose2d
            bias = x[2] if len(x) > 2 else None
            return run(x[0], x[1], bias, stride=a.get("strides", 1), padding=(top, left), groups=a.get("group", 1))
        case _:
            raise NotImplementedError(op)
