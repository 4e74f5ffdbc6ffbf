# SPDX-License-Identifier: MIT OR Apache-2.0
"""Learns the editing directions of the face bundles from samples of the 1024 px generator. README.md explains the method.

    python learn.py sample  --model BUNDLE --seed 1 -n 900 samples.npz
    python learn.py measure --nets NETS samples.npz measured.npz
    python learn.py write   --pca OLD.npz --calibration calibration.json measured.npz directions.npz

BUNDLE is the folder of ffhq-1024. OLD.npz has w_mean, pca_components, pca_std, and the directions that stay. NETS has facemesh.onnx, faceres.onnx and mobileface.onnx.
"""
import argparse
import json
from pathlib import Path

import numpy as np

from attributes import INDEX, NAMES, Networks, session

PSI = .7
# Resolutions of the style layers, and the three blocks of layers that get independent latents: 4-8 px, 16-32 px, 64 px and more.
RESOLUTIONS = np.array([4] + [4 << (i + 2) // 3 for i in range(1, 23)])
BLOCKS = [(4, 8), (16, 32), (64, 1024)]
BLOCK_OF_LAYER = np.array([next(b for b, (low, high) in enumerate(BLOCKS) if low <= r <= high) for r in RESOLUTIONS])
RIDGE = 100  # of the regression of attributes on whitened components
GAIN_RIDGE = 100
IDENTITIES = 20  # components of the identity features that must stay

ALWAYS = ["gender", "age", "glasses", "lum", "red", "bg", "contrast"]
LIGHT = ["side_light", "gaze"]
POSE = ["yaw", "pitch", "roll"]
MOUTH = ["smile", "mouth_open", "mouth_corners", "mouth_width"]
SHAPE = ["face_width", "jaw", "nose_width", "eye_dist"]


def but(name, *lists, without=()):
    return [a for names in lists for a in names if a != name and a not in without]


# Direction: attribute, blocks, weight of what must stay, attributes that must stay.
DIRECTIONS = {
    "yaw": ("yaw", (0, 1), .3, but("yaw", POSE, MOUTH, LIGHT, ALWAYS, ["eyes_open", "brows", "lips", "face_width", "jaw", "nose_width"])),
    "pitch": ("pitch", (0, 1), .3, but("pitch", ["yaw", "roll"], MOUTH, ["side_light"], ALWAYS, ["eyes_open", "nose_width", "jaw", "face_width"])),
    "smile": ("smile", (0, 1), .2, but("smile", POSE, LIGHT, ALWAYS, ["eyes_open", "brows", "face_width"])),
    "mouth_open": ("mouth_open", (0, 1), .1, but("mouth_open", POSE, MOUTH, LIGHT, ALWAYS, ["eyes_open", "brows", "nose_width"])),
    "eyes_open": ("eyes_open", (0, 1), .2, but("eyes_open", POSE, MOUTH, LIGHT, ALWAYS, ["nose_width", "jaw", "face_width", "lips"])),
    "age": ("age", (1, 2), .05, but("age", POSE, LIGHT, ["smile", "mouth_open", "eyes_open", "jaw", "mouth_width", "gender", "glasses", "lum", "red", "bg"])),
    "gender": ("gender", (0, 1), .05, but("gender", POSE, LIGHT, ["smile", "mouth_open", "mouth_corners", "age", "glasses", "lum", "red", "bg"])),
    "brows": ("brows", (1,), .6, but("brows", POSE, MOUTH, LIGHT, ALWAYS, SHAPE, ["eyes_open"])),
    "face_width": ("face_width", (0, 1), .2, but("face_width", POSE, MOUTH, LIGHT, ALWAYS, ["eyes_open", "brows"])),
    "side_light": ("side_light", (1, 2), .6, but("side_light", POSE, ALWAYS, ["gaze", "smile", "mouth_open", "eyes_open", "brows"], without=["contrast"])),
    "brightness": ("lum", (2,), .2, but("lum", POSE, MOUTH, LIGHT, ALWAYS, ["eyes_open", "nose_width", "jaw"], without=["contrast"])),
    "warmth": ("red", (2,), .2, but("red", POSE, MOUTH, LIGHT, ALWAYS, ["eyes_open"], without=["contrast"])),
}


class Generator:
    def __init__(self, bundle):
        self.mapping, self.synthesis = session(bundle / "mapping.onnx"), session(bundle / "generator.onnx")
        self.w_avg = np.load(bundle / "w_avg.npy").reshape(-1)

    def sample(self, random):
        z = random.standard_normal((1, 512)).astype("f4")
        return self.w_avg + PSI * (self.mapping.run(None, {"z": z})[0][0] - self.w_avg)

    def render(self, ws):
        """ws [23,512] to uint8 [256,256,3]."""
        image = self.synthesis.run(None, {"ws": ws[None].astype("f4")})[0][0].reshape(3, 256, 4, 256, 4).mean((2, 4))
        return np.clip((image + 1) * 127.5 + .5, 0, 255).astype("u1").transpose(1, 2, 0)


def sample(args):
    generator, random = Generator(args.model), np.random.default_rng(args.seed)
    latents, images = [], []
    for _ in range(args.n):
        latents.append(np.stack([generator.sample(random) for _ in BLOCKS]))
        images.append(generator.render(latents[-1][BLOCK_OF_LAYER]))
    np.savez(args.output, w=np.array(latents, "f4"), images=np.array(images))


def measure(args):
    samples, networks = np.load(args.samples), Networks(args.nets)
    values, identities, _, _ = zip(*(networks.measure(image) for image in samples["images"]))
    np.savez(args.output, w=samples["w"], y=np.array(values), identity=np.array(identities, "f4"))


class Jacobian:
    """Linear effect of whitened principal components of w, in each block of layers, on standardized attributes."""

    def __init__(self, measured, pca):
        self.components, self.sigma, self.mean = pca["pca_components"], pca["pca_std"], pca["w_mean"]
        w = np.stack([(w - pca["w_mean"]) @ self.components.T for w in measured["w"].transpose(1, 0, 2)], 1)
        x = (w / self.sigma / PSI).reshape(len(w), -1)
        y = measured["y"].copy()
        y[:, INDEX["gender"]] = np.clip(y[:, INDEX["gender"]], -5, 5)
        for name, offset in (("glasses", 0), ("mouth_open", .03), ("contrast", 0)):
            y[:, INDEX[name]] = np.log(y[:, INDEX[name]] + offset)
        y = (y - y.mean(0)) / y.std(0)
        smile = y[:, INDEX["mouth_corners"]] + y[:, INDEX["mouth_width"]]
        # Identity features without what pose and mouth explain.
        identity = measured["identity"] - measured["identity"].mean(0)
        known = np.column_stack([np.ones(len(y)), y[:, :7]])
        identity = identity - known @ np.linalg.lstsq(known, identity, rcond=None)[0]
        identity = np.linalg.svd(identity, full_matrices=False)[0][:, :IDENTITIES] * np.sqrt(len(y))
        self.names = NAMES + ["smile"] + ["id%d" % i for i in range(IDENTITIES)]
        y, x = np.column_stack([y, smile / smile.std(), identity]), x - x.mean(0)
        self.x, self.y = x.reshape(len(y), len(BLOCKS), -1), y
        self.blocks = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y).reshape(len(BLOCKS), -1, y.shape[1])

    def direction(self, target, blocks, weight, keep):
        """The step in W for one standard deviation of the target by the linear model."""
        j = self.blocks[list(blocks)].sum(0)
        target, keep = self.names.index(target), [self.names.index(k) for k in keep]
        identity = [self.names.index("id%d" % i) for i in range(IDENTITIES)]
        k = len(j)
        metric = np.eye(k) + k * weight * j[:, keep] @ j[:, keep].T + k * weight / 2 * j[:, identity] @ j[:, identity].T
        d = np.linalg.solve(metric, j[:, target])
        d /= d @ j[:, target]
        return ((d * self.sigma) @ self.components * PSI).astype("f4")

    def gain(self, target, blocks, weight):
        """How the effect differs between faces: slope [512] and bias of 1 + weight * <b, x>, x the face's whitened components.

        b is the interaction of x with the predicted target t in what the linear model leaves: y - J x = t <b, x>.
        """
        blocks, target = list(blocks), self.names.index(target)
        y, x = self.y[:, target], self.x
        flat = x.reshape(len(x), -1)
        left = y - flat @ self.blocks[:, :, target].reshape(-1)
        t = np.einsum("nbk,bk->n", x[:, blocks], self.blocks[blocks][:, :, target])
        z = x[:, blocks].sum(1) * t[:, None]
        b = weight * np.linalg.solve(z.T @ z + GAIN_RIDGE * np.eye(z.shape[1]), z.T @ left)
        slope = (b / self.sigma / PSI) @ self.components
        return np.append(slope, 1 - slope @ self.mean).astype("f4")


def write(args):
    """calibration.json: {direction: {"unit", "range", "group", "curve", "gain", "units": {sha256 of a generator: units in a step}}}.

    A step is that of Jacobian.direction. "gain" is the weight of Jacobian.gain, without which all faces have one gain. A direction
    without "units" is copied from OLD.npz.
    """
    pca = dict(np.load(args.pca))
    jacobian, calibration = Jacobian(np.load(args.measured), pca), json.loads(args.calibration.read_text())
    out = {name: pca[name] for name in ("w_mean", "pca_components", "pca_std")}
    info = {}
    for name, entry in calibration.items():
        if "units" in entry:
            step = jacobian.direction(*DIRECTIONS[name])
            low, high = BLOCKS[DIRECTIONS[name][1][0]][0], BLOCKS[DIRECTIONS[name][1][-1]][1]
            length = float(np.linalg.norm(step))
            unit = step / length
            steps = {sha: length / units for sha, units in entry["units"].items()}
            info[name] = {"unit": entry["unit"], "range": entry["range"], "resolutions": [low, high],
                          "group": entry["group"], "step": next(iter(steps.values())), "calibrations": steps,
                          "curve": entry.get("curve", 0)}
            if "gain" in entry:
                out["gain_" + name] = jacobian.gain(*DIRECTIONS[name][:2], entry["gain"])
        else:  # a direction of the earlier file that no new one surpasses
            unit = pca["dir_" + name]
            info[name] = {"unit": "sigma", "range": entry["range"], "group": entry["group"]}
        out["dir_" + name] = unit.astype("f4")
        out["std_" + name] = np.float32(np.sqrt(((pca["pca_components"] @ unit * pca["pca_std"]) ** 2).sum())
                                        if "units" in entry else pca["std_" + name])
    out["info"] = np.frombuffer(json.dumps(info, indent=1).encode(), "u1")
    np.savez(args.output, **out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(required=True)
    task = tasks.add_parser("sample")
    task.set_defaults(run=sample)
    task.add_argument("--model", type=Path, required=True)
    task.add_argument("--seed", type=int, default=1)
    task.add_argument("-n", type=int, default=900)
    task.add_argument("output")
    task = tasks.add_parser("measure")
    task.set_defaults(run=measure)
    task.add_argument("--nets", type=Path, required=True)
    task.add_argument("samples")
    task.add_argument("output")
    task = tasks.add_parser("write")
    task.set_defaults(run=write)
    task.add_argument("--pca", required=True, help="an .npz with w_mean, pca_components and pca_std")
    task.add_argument("--calibration", type=Path, required=True)
    task.add_argument("measured")
    task.add_argument("output")
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
