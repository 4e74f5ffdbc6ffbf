"""Writes fixtures/onnx_nodes.npz: one node test of ONNX for each op, with slopes by finite differences in f64.

    python sample.py GRADIENT_PROGRAM FOLDER RESULT.json

RESULT.json is what check.py wrote; only tests that are right are taken. Stored for each test, as `NAME|KEY`: `model` (the
file), `x INPUT`, `y OUTPUT`, `v OUTPUT` (the seed), `u INPUT` (a direction) and `s INPUT` (the slope of Σ y·v along it).
"""

import json
import pathlib
import sys

import check
import numpy as np
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

LARGEST = 400  # elements of all inputs together

kinds = {t["name"]: t["kind"] for t in json.loads(pathlib.Path(sys.argv[3]).read_text())["tests"]}
gradient, folder = check.Gradient(sys.argv[1]), pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
stored, ops = {}, set()
for case in check.all_cases():
    nodes = case.model.graph.node
    if kinds.get(case.name) != "right" or len(nodes) != 1 or nodes[0].op_type in ops:
        continue
    inputs = {i.name: np.asarray(v) for i, v in zip(case.model.graph.input, case.data_sets[0][0])}
    types = {i.name: check.elem_type(i) for i in case.model.graph.input}
    wrt = [n for n, t in types.items() if t == TensorProto.FLOAT and not check.is_static(case.model, n)]
    of = [o.name for o in case.model.graph.output if check.elem_type(o) in check.FLOATS]
    if len(of) != len(case.model.graph.output) or any(check.elem_type(o) != TensorProto.FLOAT for o in case.model.graph.output):
        continue
    if sum(v.size for v in inputs.values()) > LARGEST or any(t in check.FLOATS and n not in wrt for n, t in types.items()):
        continue
    model = check.bound(case.model, {n: v for n, v in inputs.items() if n not in wrt})
    random = np.random.default_rng(5)
    evaluator = ReferenceEvaluator(check.to_f64(model), new_ops=check.OWN_OPS)
    # Away from kinks.
    feeds = {n: (inputs[n] + 0.02 * random.standard_normal(inputs[n].shape)).astype(np.float32) for n in wrt}
    wide = {n: np.asarray(v, np.float64) for n, v in feeds.items()}
    try:
        with np.errstate(all="ignore"):
            ys = dict(zip(of, evaluator.run(of, wide)))
            seeds = {n: np.asarray(random.standard_normal(np.shape(ys[n]))).astype(np.float32) for n in of}
            wide_seeds = {n: v.astype(np.float64) for n, v in seeds.items()}
            us = {n: np.asarray(random.standard_normal(feeds[n].shape)).astype(np.float32) for n in wrt}
            slopes = {n: check.slope(evaluator, wide, wide_seeds, n, us[n].astype(np.float64)) for n in wrt}
    except check.Unclear:
        continue
    ops.add(nodes[0].op_type)
    stored[f"{case.name}|model"] = np.frombuffer(model.SerializeToString(), np.uint8)
    for n in wrt:
        stored |= {f"{case.name}|x {n}": feeds[n], f"{case.name}|u {n}": us[n]}
        stored[f"{case.name}|s {n}"] = np.array(slopes[n], np.float32)
    for n in of:
        stored |= {f"{case.name}|y {n}": np.asarray(ys[n], np.float32), f"{case.name}|v {n}": seeds[n]}
path = pathlib.Path(__file__).parent.parent / "fixtures" / "onnx_nodes.npz"
np.savez_compressed(path, **stored)
print(len(ops), "tests,", path.stat().st_size, "bytes")
