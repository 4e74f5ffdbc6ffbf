"""Differentiates ONNX's own node tests with gani-onnx and compares with finite differences in f64.

    python check.py GRADIENT_PROGRAM FOLDER [--only TEXT] [--json FILE]

GRADIENT_PROGRAM is `onnx/examples/gradient`, FOLDER takes the exported models. The tests are those of the installed
`onnx` package. Each test with a floating-point input and output is differentiated with respect to all of its
floating-point inputs; the seeds are random. The gradient graph runs in ONNX Runtime (in the reference evaluator, if
ONNX Runtime has no kernel for a type), and the forward function, in f64, in the reference evaluator.

A test is
- right: values and gradients agree,
- refused: gani-onnx gave a reason instead of a gradient,
- wrong: anything else that gani-onnx is responsible for, a panic included,
- not comparable: the reference evaluator does not run the test, or has no derivative there.
"""

import argparse
import collections
import json
import math
import pathlib
import re
import subprocess
import sys
import warnings

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE}
# Floating-point inputs that set the geometry or the mode, and so must be constant in a static graph.
STATIC = {("Resize", 1), ("Resize", 2), ("Upsample", 1), ("Dropout", 1), ("Range", 0), ("Range", 1), ("Range", 2)}


class LpNormalization(OpRun):
    """The reference evaluator's takes no absolute values (onnx 1.23)."""

    op_domain = ""

    def _run(self, x, axis=-1, p=2):
        norm = np.sum(np.abs(x) ** p, axis=axis, keepdims=True) ** (1.0 / p)
        return (np.where(norm == 0, 0, x / np.where(norm == 0, 1, norm)),)


class Erf(OpRun):
    """The reference evaluator's is in f32 (onnx 1.23)."""

    op_domain = ""

    def _run(self, x):
        return (np.vectorize(math.erf, otypes=["d"])(x),)


# Between names in a job of the gradient program.
SEPARATOR = "\x1f"

OWN_OPS = [LpNormalization, Erf]


class Gradient:
    """The gradient program, one line for each job."""

    def __init__(self, program):
        self.program, self.process = program, None

    def __call__(self, words):
        if self.process is None:
            self.process = subprocess.Popen(
                [self.program, "--jobs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.process = None
            return "panic", "the program ended"
        kind, _, text = line.rstrip("\n").partition("\t")
        return kind, text


def elem_type(info):
    return info.type.tensor_type.elem_type if info.type.HasField("tensor_type") else 0


def is_static(model, name):
    """Whether every reader of the input takes it as a static parameter."""
    reads = [(n.op_type, i) for n in model.graph.node for i, x in enumerate(n.input) if x == name]
    return bool(reads) and all(r in STATIC for r in reads)


def bound(model, values):
    """The model with these inputs as initializers."""
    new = onnx.ModelProto()
    new.CopyFrom(model)
    kept = [i for i in new.graph.input if i.name not in values]
    del new.graph.input[:]
    new.graph.input.extend(kept)
    for info in model.graph.input:
        if info.name in values:
            tensor = numpy_helper.from_array(values[info.name], info.name)
            tensor.data_type = elem_type(info)
            new.graph.initializer.append(tensor)
    return new


def to_f64(model):
    """The same model in f64: declared types, constants, and the targets of casts."""
    new = onnx.ModelProto()
    new.CopyFrom(model)

    def tensor(t):
        if t.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16):
            t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float64), t.name))

    def graph(g):
        for info in [*g.input, *g.output, *g.value_info]:
            if elem_type(info) in (TensorProto.FLOAT, TensorProto.FLOAT16):
                info.type.tensor_type.elem_type = TensorProto.DOUBLE
        for t in g.initializer:
            tensor(t)
        for node in g.node:
            for a in node.attribute:
                if a.name in ("to", "dtype") and a.i in (TensorProto.FLOAT, TensorProto.FLOAT16):
                    a.i = TensorProto.DOUBLE
                if a.HasField("t"):
                    tensor(a.t)
                if a.HasField("g"):
                    graph(a.g)
            if node.op_type == "Constant":
                for a in list(node.attribute):
                    if a.name in ("value_float", "value_floats"):
                        value = np.array(a.f if a.name == "value_float" else list(a.floats), np.float64)
                        node.attribute.remove(a)
                        node.attribute.append(onnx.helper.make_attribute("value", numpy_helper.from_array(value)))

    graph(new.graph)
    return new


class Unclear(Exception):
    """The reference does not decide."""


def evaluate(evaluator, feeds, seeds):
    """Σ y·v."""
    names = list(seeds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs = evaluator.run(names, feeds)
    total = 0.0
    for name, y in zip(names, outputs):
        y = np.asarray(y)
        if y.dtype != np.float64:
            raise Unclear(f"the reference evaluator gives {y.dtype} for f64 inputs")
        if y.shape != seeds[name].shape:
            raise Unclear("the reference evaluator's shape differs")
        total += float(np.sum(np.where(seeds[name] != 0, y, 0) * seeds[name]))
    if not np.isfinite(total):
        raise Unclear("the value is not finite")
    return total


def slope(evaluator, feeds, seeds, name, direction):
    """The derivative along `direction`; Unclear at a kink."""

    def value(step):
        moved = dict(feeds)
        moved[name] = np.asarray(feeds[name] + step * np.where(np.isfinite(feeds[name]), direction, 0))
        return evaluate(evaluator, moved, seeds)

    x = feeds[name]
    scale = float(np.clip(np.abs(x[np.isfinite(x)]).max(initial=0), 1e-3, 1.0))
    found = []
    for h in (1e-5 * scale, 2.5e-6 * scale):
        ahead, here, behind = value(h), value(0.0), value(-h)
        found.append(((ahead - behind) / (2 * h), (ahead - here) / h, (here - behind) / h))
    (a, *_), (b, right, left) = found
    size = max(abs(a), abs(b), abs(right), abs(left), 1e-2)
    if max(abs(a - b), abs(right - left)) > 1e-3 * size:
        raise Unclear("no derivative there")
    return b


def directions(x, random):
    yield from (np.asarray(random.standard_normal(x.shape)) for _ in range(2))
    for at in random.permutation(x.size)[:4]:
        e = np.zeros(x.size)
        e[at] = 1.0
        yield e.reshape(x.shape)


def run_graph(path, feeds, names):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as e:
        if "NOT_IMPLEMENTED" not in str(e):
            raise
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ReferenceEvaluator(onnx.load(path)).run(names, feeds)
    return session.run(names, {i.name: feeds[i.name] for i in session.get_inputs()})


def compare(case, model, wrt, of, data, expected, grad_path):
    """None if right, otherwise what is wrong."""
    random = np.random.default_rng(len(case.name))
    evaluator = ReferenceEvaluator(to_f64(model), new_ops=OWN_OPS)
    low = any(data[n].dtype == np.float16 for n in wrt) or any(elem_type(o) == TensorProto.FLOAT16 for o in model.graph.output)
    tolerance = 3e-2 if low else 2e-3
    # First the given point: values. Then, away from kinks, the gradients.
    shapes = {n: np.asarray(expected[n]).shape for n in of}
    types = {o.name: onnx.helper.tensor_dtype_to_np_dtype(elem_type(o)) for o in model.graph.output}
    names = of + [f"grad_{n}" for n in wrt]
    live = [i.name for i in model.graph.input]
    reason = None
    for attempt, noise in enumerate([0.0, 0.01, 0.05, 0.2]):
        feeds = {n: data[n] for n in live}
        for n in wrt:
            size = np.where(np.isfinite(data[n]), np.abs(data[n]).astype(np.float64), 0)
            spread = noise * (size * 0.3 + 0.1)
            moved = data[n].astype(np.float64) + spread * random.standard_normal(data[n].shape)
            feeds[n] = np.asarray(moved, data[n].dtype)
        seeds = {n: random.standard_normal(shapes[n]) * np.isfinite(np.asarray(expected[n], np.float64)) for n in of}
        seeds = {n: np.asarray(v, types[n]) for n, v in seeds.items()}
        found = run_graph(grad_path, {**feeds, **{f"seed_{n}": v for n, v in seeds.items()}}, names)
        found = dict(zip(names, found))
        if attempt == 0:
            for n in of:
                want, got = np.asarray(expected[n], np.float64), np.asarray(found[n], np.float64)
                if want.shape != got.shape or not np.allclose(got, want, rtol=5e-3 if low else 1e-3, atol=1e-3 if low else 1e-5, equal_nan=True):
                    return f"the value of {n} differs: {np.ravel(got)[:4]} for {np.ravel(want)[:4]}"
        wide = {n: np.asarray(v, np.float64) if v.dtype.kind == "f" else v for n, v in feeds.items()}
        wide_seeds = {n: np.asarray(v, np.float64) for n, v in seeds.items()}
        try:
            wrong = None
            for n in wrt:
                gradient = np.asarray(found[f"grad_{n}"], np.float64)
                if gradient.shape != data[n].shape:
                    return f"the gradient of {n} has shape {gradient.shape}, not {data[n].shape}"
                if np.isnan(gradient).any() and any(np.isnan(np.asarray(expected[o], np.float64)).any() for o in of):
                    raise Unclear("the value is NaN there")
                for direction in directions(data[n], random):
                    s = slope(evaluator, wide, wide_seeds, n, direction)
                    p = float(np.sum((gradient * direction)[np.isfinite(data[n])]))
                    size = max(abs(s), float(np.linalg.norm(gradient)) * 0.1, 1.0 if low else 0.05)
                    if not abs(s - p) <= tolerance * size:
                        wrong = f"grad_{n} predicts {p:.6g}, the difference is {s:.6g}"
            if wrong:
                return wrong
            return None
        except Unclear as e:
            reason = e
    raise reason


def check(case, gradient, folder):
    """(kind, reason)."""
    model = case.model
    inputs = {i.name: elem_type(i) for i in model.graph.input}
    outputs = {o.name: elem_type(o) for o in model.graph.output}
    if not any(t in FLOATS for t in inputs.values()) or not any(t in FLOATS for t in outputs.values()):
        return "no float", ""
    feeds, results = case.data_sets[0]
    if len(feeds) != len(model.graph.input) or not all(isinstance(f, (np.ndarray, np.generic)) for f in feeds):
        return "not comparable", "an input is not a tensor"
    data = {i.name: np.asarray(f) for i, f in zip(model.graph.input, feeds)}
    expected = {o.name: r for o, r in zip(model.graph.output, results)}
    of = [n for n, t in outputs.items() if t in FLOATS]
    floats = [n for n, t in inputs.items() if t in FLOATS]
    static = [n for n in floats if is_static(model, n)]
    if any(data[n].size == 0 for n in floats) and not any(data[n].size for n in floats if n not in static):
        return "no float", ""
    attempts = [
        {},
        {n: data[n] for n in data if n not in floats},
        {n: data[n] for n in data if n not in floats or n in static},
    ]
    reasons, tried = [], []
    for values in attempts:
        wrt = [n for n in floats if n not in values]
        if not wrt or (values and values.keys() == tried[-1].keys()):
            continue
        tried.append(values)
        bound_model = bound(model, values)
        path, out = folder / "model.onnx", folder / "gradient.onnx"
        onnx.save(bound_model, path)
        shapes = [f"{n}={'x'.join(map(str, data[n].shape))}" for n in data if n not in values]
        kind, text = gradient([str(path), str(out), SEPARATOR.join(of), SEPARATOR.join(wrt), *shapes])
        if kind == "panic":
            return "wrong", f"panic: {text}"
        if kind == "refused":
            reasons.append(text.replace(str(path) + ": ", ""))
            continue
        try:
            wrong = compare(case, bound_model, wrt, of, data, expected, out)
        except Unclear as e:
            return "not comparable", str(e)
        except Exception as e:
            text = f"{type(e).__name__}: {e}".replace("\n", " ")
            if "onnxruntime" in type(e).__module__:
                return "wrong", text
            return "not comparable", text[:200]
        return ("wrong", wrong) if wrong else ("right", "")
    return "refused", reasons[-1] if reasons else "every floating-point input is a static parameter"


def all_cases():
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return collect_testcases(None)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--json", type=pathlib.Path, help="write the result of each test here")
    arguments.add_argument("--again", type=pathlib.Path, help="only tests that were not right in this result")
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    gradient = Gradient(given.program)
    before = {r["name"]: r["kind"] for r in json.loads(given.again.read_text())["tests"]} if given.again else {}
    rows = []
    for case in all_cases():
        if not re.search(given.only, case.name) or before.get(case.name) in ("right", "no float"):
            continue
        with np.errstate(all="ignore"):
            kind, reason = check(case, gradient, given.folder)
        rows.append({"name": case.name, "kind": kind, "reason": reason})
        if given.only or kind == "wrong":
            print(f"{kind:15} {case.name}: {reason[:300]}", flush=True)
    if given.json:
        given.json.write_text(json.dumps({"release": onnx.__version__, "tests": rows}, indent=0))
    counts = collections.Counter(r["kind"] for r in rows)
    print(f"onnx {onnx.__version__}:", ", ".join(f"{n} {k}" for k, n in counts.most_common()))
    sys.exit(1 if counts["wrong"] else 0)


if __name__ == "__main__":
    main()
