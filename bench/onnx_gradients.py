"""Compares gani-onnx with onnx-ad and the training build of ONNX Runtime: coverage of ONNX's node tests, speed and memory.

    python onnx_gradients.py coverage GRADIENT_PROGRAM [--every N]    # onnx, onnxruntime, onnx-ad, ml_dtypes
    python onnx_gradients.py emit TOOL GRADIENT_PROGRAM NET OUT INPUT=SHAPE…
    python onnx_gradients.py time NET GRADIENT INPUT=SHAPE…

GRADIENT_PROGRAM is `onnx/examples/gradient`; TOOL is gani-onnx, onnx-ad or onnxruntime-training. `coverage` takes every N-th
node test and compares each tool's gradients with finite differences, as `cargo xtask check-onnx` does. `time` runs a file with
random inputs in a new process and prints the median of 10 runs after a warm-up and the process's peak memory.
"""

import argparse
import collections
import pathlib
import resource
import statistics
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


def coverage(program, every):
    import check

    cases = check.all_cases()[::every]
    tools = {"gani-onnx": check.Gradient(program), "onnx-ad": with_onnx_ad}
    for tool, gradient in tools.items():
        counts = collections.Counter()
        with tempfile.TemporaryDirectory() as folder:
            for case in cases:
                with np.errstate(all="ignore"):
                    try:
                        kind, reason = check.check(case, gradient, pathlib.Path(folder))
                    except Exception as e:
                        kind, reason = "wrong", f"{type(e).__name__}: {e}"
                counts[kind] += 1
                if kind == "wrong":
                    print(f"  {tool} {case.name}: {reason[:160]}", flush=True)
        print(f"{tool}, {len(cases)} node tests:", ", ".join(f"{n} {k}" for k, n in counts.most_common()), flush=True)


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
        case "emit":
            emit(given.tool, given.program, given.net, given.out, given.shapes)
        case _:
            measure(given.net, given.gradient, given.shapes)


if __name__ == "__main__":
    main()
