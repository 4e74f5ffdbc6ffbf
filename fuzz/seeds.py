"""Writes the seeds of every fuzz target to corpus/, from the committed fixtures. Run: python seeds.py (needs NumPy)."""

import io
import json
import pathlib
import struct

import numpy as np

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "tests" / "fixtures"


def seed(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


# Checkpoints. The first bytes identify the container.
for path in (FIXTURES / "checkpoints").glob("*.p*"):
    data = path.read_bytes()
    target = "zip" if data[:2] == b"PK" else "legacy" if data[2:4] == b"\x8a\x0a" else "pkl"
    seed(target, path.name, data)

# ONNX: valid and invalid models of every opset.
models = np.load(FIXTURES / "onnx_files.npz")
onnx = {key.rpartition("|")[0]: models[key].tobytes() for key in models.files if key.endswith("|model")}
for i, data in enumerate(onnx.values()):
    seed("onnx", f"{i:03}.onnx", data)

# OpenVINO: one network for each op, with its constants at the start of the .bin.
OPS = [
    ("Add", "", 2), ("Multiply", "", 2), ("Power", "", 2), ("MatMul", 'transpose_b="true"', 2), ("ShapeOf", "", 1),
    ("Gather", "", 3), ("Unsqueeze", "", 2), ("Squeeze", "", 2), ("Concat", 'axis="1"', 2),
    ("Reshape", 'special_zero="true"', 2), ("Broadcast", "", 2), ("Tile", "", 2), ("ReduceMean", 'keep_dims="true"', 2),
    ("PReLU", "", 2), ("VariadicSplit", "", 3),
    ("Convolution", 'strides="1, 1" pads_begin="1, 1" pads_end="1, 1" dilations="1, 1"', 2),
    ("GroupConvolution", 'strides="1, 1" pads_begin="0, 0" pads_end="0, 0" dilations="1, 1"', 2),
    ("GroupConvolutionBackpropData", 'strides="2, 2" pads_begin="0, 0" pads_end="0, 0" dilations="1, 1"', 2),
]


def network(op, attributes, inputs):
    integers = op not in ("Add", "Multiply", "Power", "MatMul", "PReLU", "Convolution") and "Group" not in op
    weights = {"Convolution": "2, 2, 3, 3", "MatMul": "4, 4"}.get(op, "1, 2, 1, 3, 3" if "Group" in op else "2")
    kind, shape = ("i64", "2") if integers else ("f32", weights)
    size = int(np.prod([int(v) for v in shape.split(",")])) * (8 if integers else 4)
    layers = ['<layer id="0" name="x" type="Parameter"><data shape="1, 2, 4, 4" element_type="f32"/>'
              '<output><port id="0"/></output></layer>']
    edges = []
    for i in range(1, inputs):
        layers.append(f'<layer id="{i}" name="c{i}" type="Const"><data element_type="{kind}" shape="{shape}" offset="0" '
                      f'size="{size}"/><output><port id="0"/></output></layer>')
    for i in range(inputs):
        edges.append(f'<edge from-layer="{i}" from-port="0" to-layer="8" to-port="{i}"/>')
    layers.append(f'<layer id="8" name="op" type="{op}"><data {attributes}/><output><port id="9"/></output></layer>')
    layers.append('<layer id="9" name="y" type="Result"/>')
    edges.append('<edge from-layer="8" from-port="9" to-layer="9" to-port="0"/>')
    return f'<net name="n" version="10"><layers>{"".join(layers)}</layers><edges>{"".join(edges)}</edges></net>'.encode()


for op, attributes, inputs in OPS:
    for values in (np.array([1, 1] * 40, np.int64), np.linspace(0, 1, 80, dtype=np.float32)):
        seed("openvino", f"{op}-{values.dtype}", network(op, attributes, inputs) + b"\0" + values.tobytes())

# An inversion in the format of core/src/inversion.rs.
metrics = {"mse": 0.01, "lpips": 0.02, "ms_ssim": 0.97, "id": None}
weights = {"pixel": "l2", "full_resolution": True, "lambda_pixel": 1.0, "lambda_lpips": 0.8, "lambda_identity": 0.1, "lambda_parsing": 1.0}
module = {"blocks": 1, "before": "scale", "inside": "none", "start": "zero"}
tune = {"iterations": 2, "learning_rate": 0.01, "cool_down": 0.5, "module": module, "weights": weights, "lambda_edit": 1.0,
        "lambda_local": 0.2, "localisation": "cheap", "local_every": 3}
info = {
    "format": 1, "made_by": "0.1.0", "bundle": "ffhq-64", "generator_sha256": "ab" * 32, "photo": "a.png", "photo_size": [4, 3],
    "alignment": {"quad": [[0, 0], [0, 1], [1, 1], [1, 0]]}, "method": "gani", "preset": "best",
    "settings": {"refine": {"steps_w": 1, "steps_w_plus": 1, "learning_rate": 0.1, "spread_penalty": 0.0}, "tune": tune},
    "seed": 0, "parameters": 5, "terms": ["pixel"], "history": [{"edit": [0.1], "local": [], "total": 0.1}],
    "metrics": metrics, "metrics_encoder": metrics,
}
header = {
    "__metadata__": {"gani": json.dumps(info)},
    "ws": {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]},
    "change.conv1": {"dtype": "F16", "shape": [2, 2, 1, 1], "data_offsets": [32, 40]},
}
text = json.dumps(header).encode()
seed("inversion", "whole", struct.pack("<Q", len(text)) + text + np.arange(10, dtype=np.float32).tobytes())

# Bundles whose files all have the same content: directions, a vector or a network.
description = """version = 1
name = "f"
title = "t"
domain = "celeba-hq"
size = 64
licence = "l"
provenance = "p"
directions = "directions.npz"
[generator]
file = "generator.onnx"
tunable = ["w"]
[mapping]
file = "mapping.onnx"
w_avg = "w_avg.npy"
[[loss]]
kind = "lpips"
file = "loss.onnx"
distance = "squared"
"""
arrays = io.BytesIO()
np.savez(arrays, dir_a=np.ones(4, np.float32), std_a=np.float32(1), pca_components=np.eye(2, 4, dtype=np.float32), pca_std=np.ones(2, np.float32))
vector = io.BytesIO()
np.save(vector, np.ones(8, np.float32))
contents = {"npz": arrays.getvalue(), "npy": vector.getvalue(), **{f"onnx{i}": d for i, d in enumerate(onnx.values()) if i % 9 == 0}}
for name, content in contents.items():
    files = "".join(
        f'[[files]]\npath = "{file}"\nbytes = {len(content)}\nsha256 = "{"0" * 64}"\n'
        for file in ("generator.onnx", "mapping.onnx", "w_avg.npy", "directions.npz", "loss.onnx")
    )
    seed("bundle", name, (description + files).encode() + b"\0" + content)

# Arrays, and photos: every file of the tests that is small enough.
for dtype in ("<f2", "<f4", ">f8", "|u1", "|b1"):
    array = io.BytesIO()
    np.save(array, np.ones((2, 3), dtype))
    seed("npy", f"npy-{dtype[1:]}", array.getvalue())
seed("npy", "directions", arrays.getvalue())
plain = io.BytesIO()
np.savez_compressed(plain, age=np.ones((3, 4), np.float16), smile=np.ones(4))
seed("npy", "plain", plain.getvalue())
for path in sorted((HERE.parent / "tests/data/hostile").glob("*.npy")):
    seed("npy", path.stem, path.read_bytes())
for path in sorted((HERE.parent / "tests/data").rglob("*")):
    if path.suffix in (".png", ".jpg", ".tif", ".webp", ".bmp", ".gif", ".jxl") and path.stat().st_size < 65536:
        seed("photo", path.stem, path.read_bytes())

# Programs for the targets that decode their input: any bytes.
numbers = np.random.default_rng(1)
for target in ("paste", "c_abi"):
    for i in range(32):
        seed(target, f"random-{i}", numbers.integers(0, 256, 64 << i % 5, np.uint8).tobytes())
