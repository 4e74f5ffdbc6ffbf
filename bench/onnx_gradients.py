"""Compares gani-onnx with onnx-ad, the training build of ONNX Runtime, candle and tract: coverage of ONNX's node tests, speed
and memory.

    python onnx_gradients.py coverage GRADIENT_PROGRAM [--every N]    # onnx, onnxruntime, onnx-ad, ml_dtypes
    python onnx_gradients.py peers FOLDER [--every N]                 # the same tests with candle and tract
    python onnx_gradients.py emit TOOL GRADIENT_PROGRAM NET OUT INPUT=SHAPE…
    python onnx_gradients.py time NET GRADIENT INPUT=SHAPE…

GRADIENT_PROGRAM is `onnx/examples/gradient`; TOOL is gani-onnx, onnx-ad or onnxruntime-training. `coverage` takes every N-th
node test and compares each tool's gradients with finite differences, as `cargo xtask check-onnx` does. `peers` does so with the
programs of `onnx_peers` (FOLDER is where cargo puts them), which run a network instead of writing one. `time` runs a file with
random inputs in a new process and prints the median of 10 runs after a warm-up and the process's peak memory.
"""

import argparse
import collections
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnx.version_converter
from onnx import helper

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "onnx_node_tests"))


def with_onnx_ad(words):
    """Does the gradient program's job with onnx-ad: the same names of inputs and outputs."""
    import check
    from onnx_ad import reverse

    net, out, of, wrt, *shapes = words
    of, wrt = of.split(check.SEPARATOR), wrt.split(check.SEPARATOR)
    model = onnx.load(net)
    given = {s.rsplit("=", 1)[0]: s.rsplit("=", 1)[1] for s in shapes}
    for info in model.graph.input:
        if info.name in given:
            sizes = [int(n) for n in given[info.name].split("x") if n]
            t = info.type.tensor_type.elem_type
            info.CopyFrom(helper.make_tensor_value_info(info.name, t, sizes))
    try:
        # onnx-ad asks for opset 16; ONNX's own converter raises older files.
        if model.opset_import[0].version < 16:
            model = onnx.version_converter.convert_version(model, 18)
        adjoint = reverse(onnx.shape_inference.infer_shapes(model), layout="onnx")
    except Exception as e:
        return "refused", f"{type(e).__name__}: {e}".replace("\n", " ")[:200]
    graph = adjoint.graph
    last = helper.make_tensor("last_axis", onnx.TensorProto.INT64, [1], [-1])
    graph.initializer.append(last)
    before, after = [], []
    seeds = {i.name: i for i in graph.input if i.name.startswith("adj_")}
    kept = [i for i in graph.input if i.name not in seeds]
    types = {o.name: o for o in model.graph.output}
    for name in of:
        before.append(helper.make_node("Unsqueeze", [f"seed_{name}", "last_axis"], [f"adj_{name}"]))
        t = types[name].type.tensor_type.elem_type
        kept.append(helper.make_tensor_value_info(f"seed_{name}", t, None))
    outputs = [o for o in graph.output if o.name in of]
    have = {o.name for o in graph.output}
    for name in wrt:
        if f"adj_{name}" not in have:
            return "refused", f"no gradient of {name}"
        after.append(helper.make_node("Squeeze", [f"adj_{name}", "last_axis"], [f"grad_{name}"]))
        t = next(i for i in model.graph.input if i.name == name).type.tensor_type.elem_type
        outputs.append(helper.make_tensor_value_info(f"grad_{name}", t, None))
    nodes = [*before, *graph.node, *after]
    for field, values in ((graph.node, nodes), (graph.input, kept), (graph.output, outputs)):
        del field[:]
        field.extend(values)
    onnx.save(adjoint, out)
    return "ok", ""


def count(title, cases, judge):
    """Prints how many cases are of each kind, and those that are wrong."""
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            with np.errstate(all="ignore"):
                try:
                    kind, reason = judge(case, pathlib.Path(folder))
                except Exception as e:
                    kind, reason = "wrong", f"{type(e).__name__}: {e}"
            counts[kind] += 1
            if kind not in ("right", "no float", "not comparable"):
                print(f"  {title} {case.name}: {kind}: {reason[:160]}", flush=True)
    print(f"{title}, {len(cases)} node tests:", ", ".join(f"{n} {k}" for k, n in counts.most_common()), flush=True)


def coverage(program, every):
    import check

    tools = {"gani-onnx": check.Gradient(program), "onnx-ad": with_onnx_ad}
    for tool, gradient in tools.items():
        count(tool, check.all_cases()[::every], lambda case, folder: check.check(case, gradient, folder))


class Refused(Exception):
    """A peer's reason for not running a network."""


class Peer:
    """A program of onnx_peers."""

    def __init__(self, program):
        self.program, self.process = program, None

    def __call__(self, model, folder, feeds, wrt=(), seeds=None):
        """The values of the outputs and, as grad_NAME, the gradients of Σ y·v, by name."""
        arrays = [("wrt" if n in wrt else "feed", n, v) for n, v in feeds.items()]
        arrays += [("seed", n, v) for n, v in (seeds or {}).items()]
        words = [str(model), str(folder)]
        for i, (kind, name, value) in enumerate(arrays):
            path = folder / f"array{i}"
            path.write_bytes(np.ascontiguousarray(value).tobytes())
            words.append("\x1f".join([kind, name, value.dtype.name, "x".join(map(str, value.shape)), str(path)]))
        if self.process is None:
            self.process = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.process = None
            raise Refused("the program ended")
        kind, *words = line.rstrip("\n").split("\t")
        if kind != "ok":
            raise Refused(words[0])
        found = {}
        for word in words:
            name, shape, path = word.split("\x1f")
            found[name] = np.fromfile(path).reshape([int(n) for n in shape.split("x") if n])
        return found


def tensors(case):
    """The inputs and the expected outputs of a node test, or None if it is not about floating-point tensors."""
    import check

    infos = [*case.model.graph.input, *case.model.graph.output]
    inputs, outputs = case.data_sets[0]
    sides = case.model.graph.input, case.model.graph.output
    if not all(any(check.elem_type(i) in check.FLOATS for i in side) for side in sides):
        return None
    values = [*inputs, *outputs]
    if len(values) != len(infos) or not all(isinstance(v, (np.ndarray, np.generic)) for v in values):
        return None
    named = {i.name: np.asarray(v) for i, v in zip(infos, values)}
    return {i.name: named[i.name] for i in sides[0]}, {o.name: named[o.name] for o in sides[1]}


def forward(peer, case, folder):
    """Whether a peer computes the outputs of a node test."""
    arrays = tensors(case)
    if arrays is None:
        return "no float", ""
    onnx.save(case.model, folder / "model.onnx")
    try:
        found = peer(folder / "model.onnx", folder, arrays[0])
    except Refused as e:
        return "refused", str(e)
    for name, want in arrays[1].items():
        got, want = found.get(name), np.asarray(want, np.float64)
        low = arrays[1][name].dtype == np.float16
        if got is None or got.shape != want.shape or not np.allclose(got, want, 5e-3 if low else 1e-3, 1e-3 if low else 1e-5, equal_nan=True):
            return "wrong", f"the value of {name} differs"
    return "right", ""


def backward(peer, case, folder):
    """Whether a peer's gradients of a node test agree with differences."""
    import check

    arrays = tensors(case)
    if arrays is None:
        return "no float", ""
    absent = set()

    def run(path, feeds, names):
        wrt = [n.removeprefix("grad_") for n in names if n.startswith("grad_")]
        seeds = {n.removeprefix("seed_"): v for n, v in feeds.items() if n.startswith("seed_")}
        inputs = {n: v for n, v in feeds.items() if not n.startswith("seed_")}
        found = peer(path.parent / "model.onnx", path.parent, inputs, wrt, seeds)
        absent.update(n for n in wrt if f"grad_{n}" not in found)
        return [found.get(n, np.zeros(np.shape(feeds.get(n.removeprefix("grad_"))))) for n in names]

    def gradient(words):
        net, _, of, wrt, *_ = words
        of, wrt = of.split(check.SEPARATOR), wrt.split(check.SEPARATOR)
        feeds = {i.name: arrays[0][i.name] for i in onnx.load(net).graph.input}
        seeds = {f"seed_{n}": np.ones_like(arrays[1][n]) for n in of}
        try:
            run(pathlib.Path(net), {**feeds, **seeds}, of + [f"grad_{n}" for n in wrt])
        except Refused as e:
            return "refused", str(e)
        return "ok", ""

    check.run_graph = run
    kind, reason = check.check(case, gradient, folder)
    if kind == "wrong" and absent:
        return "no gradient", ", ".join(sorted(absent))
    return kind, reason


def peers(programs, every):
    import check

    cases = check.all_cases()[::every]
    candle, tract = Peer(programs / "candle"), Peer(programs / "tract")
    count("tract, values", cases, lambda case, folder: forward(tract, case, folder))
    count("candle, values", cases, lambda case, folder: forward(candle, case, folder))
    count("candle, gradients", cases, lambda case, folder: backward(candle, case, folder))


def with_training(net, out, wrt, of):
    """The gradient graph of ONNX Runtime's training build, of the sum of the first output."""
    from onnxruntime.capi._pybind_state import GradientGraphBuilder

    model = onnx.load(net)
    y = of[0]
    loss = "gradient_loss"
    model.graph.node.append(helper.make_node("ReduceSum", [y], [loss], keepdims=0))
    model.graph.output.append(helper.make_tensor_value_info(loss, 1, []))
    model = onnx.shape_inference.infer_shapes(model)
    builder = GradientGraphBuilder(model.SerializeToString(), {loss}, set(wrt), loss)
    try:
        builder.build()
    except RuntimeError as e:
        return "refused", str(e).strip().split(" was false. ")[-1]
    builder.save(str(out))
    return "ok", ""


def emit(tool, program, net, out, shapes):
    import check

    model = onnx.load(net)
    names = {t.name for t in model.graph.initializer}
    wrt = [i.name for i in model.graph.input if i.name not in names]
    of = [o.name for o in model.graph.output]
    words = [net, out, check.SEPARATOR.join(of), check.SEPARATOR.join(wrt), *shapes]
    started = time.perf_counter()
    match tool:
        case "gani-onnx":
            kind, text = check.Gradient(program)(words)
        case "onnx-ad":
            kind, text = with_onnx_ad(words)
        case _:
            kind, text = with_training(net, out, wrt, of)
    print(f"{tool}: {kind} {text} {time.perf_counter() - started:.2f} s")


def measure(net, gradient, shapes):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 2, 4
    forward = onnxruntime.InferenceSession(net, options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    sizes = {s.rsplit("=", 1)[0]: [int(n) for n in s.rsplit("=", 1)[1].split("x")] for s in shapes}
    feeds = {n: random.random(shape, np.float32) for n, shape in sizes.items()}
    for name, y in zip([o.name for o in forward.get_outputs()], forward.run(None, feeds)):
        feeds[f"seed_{name}"] = np.ones_like(y)
    del forward
    session = onnxruntime.InferenceSession(gradient, options, providers=["CPUExecutionProvider"])
    feeds = {i.name: feeds[i.name] for i in session.get_inputs() if i.name in feeds}
    times = []
    for _ in range(11):
        started = time.perf_counter()
        session.run(None, feeds)
        times.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{statistics.median(times[1:]) * 1000:.1f} ms, {peak:.0f} MB, ONNX Runtime {onnxruntime.__version__}")


def main():
    arguments = argparse.ArgumentParser()
    commands = arguments.add_subparsers(dest="command", required=True)
    c = commands.add_parser("coverage")
    c.add_argument("program")
    c.add_argument("--every", type=int, default=1)
    p = commands.add_parser("peers")
    p.add_argument("programs", type=pathlib.Path)
    p.add_argument("--every", type=int, default=1)
    e = commands.add_parser("emit")
    for name in ("tool", "program", "net", "out"):
        e.add_argument(name)
    t = commands.add_parser("time")
    for name in ("net", "gradient"):
        t.add_argument(name)
    for command in (e, t):
        command.add_argument("shapes", nargs="*")
    given = arguments.parse_args()
    match given.command:
        case "coverage":
            coverage(given.program, given.every)
        case "peers":
            peers(given.programs, given.every)
        case "emit":
            emit(given.tool, given.program, given.net, given.out, given.shapes)
        case _:
            measure(given.net, given.gradient, given.shapes)


if __name__ == "__main__":
    main()
