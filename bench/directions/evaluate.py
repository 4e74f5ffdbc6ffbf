# SPDX-License-Identifier: MIT OR Apache-2.0
"""Measures directions on sampled faces from which nothing was learned: amount, error, side effects, identity.

    python evaluate.py --model BUNDLE --nets NETS --measured measured.npz -n 40 DIRECTIONS.npz yaw=20 yaw=-20 smile=1
"""
import argparse
import json
from pathlib import Path

import numpy as np

from attributes import INDEX, NAMES, Networks
from learn import DIRECTIONS, RESOLUTIONS, Generator

MAX_YAW = 15


def moved(ws, directions, name, strength):
    """ws [23,512] after an edit, as core/src/edit/direction.rs applies it."""
    info = json.loads(bytes(directions["info"])).get(name, {}) if "info" in directions else {}
    low, high = info.get("resolutions", [4, 1024])
    layers = (RESOLUTIONS >= low) & (RESOLUTIONS <= high)
    scale = strength * (1 + info.get("curve", 0) * strength) * info.get("step", float(directions["std_" + name]))
    if "gain_" + name in directions:
        gain = directions["gain_" + name]
        scale /= np.clip(ws[layers].mean(0) @ gain[:-1] + gain[-1], .6, 1.6)
    return ws + layers[:, None] * scale * directions["dir_" + name]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--nets", type=Path, required=True)
    parser.add_argument("--measured", type=Path, required=True, help="of learn.py, for the standard deviations of attributes")
    parser.add_argument("-n", type=int, default=40)
    parser.add_argument("--seed", type=int, default=777, help="of the faces; learn.py uses 1")
    parser.add_argument("directions")
    parser.add_argument("edits", nargs="+")
    args = parser.parse_args()
    generator, networks, random = Generator(args.model), Networks(args.nets), np.random.default_rng(args.seed)
    sigma, directions = np.load(args.measured)["y"].std(0), dict(np.load(args.directions))
    faces = []
    while len(faces) < args.n:
        ws = np.repeat(generator.sample(random)[None], len(RESOLUTIONS), 0)
        found = networks.measure(generator.render(ws))
        if abs(found[0][INDEX["yaw"]]) <= MAX_YAW:
            faces.append((ws, found))
    for edit in args.edits:
        name, strength = edit.split("=")
        attribute = DIRECTIONS[name][0]
        pairs = [(before, networks.measure(generator.render(moved(ws, directions, name, float(strength))))) for ws, before in faces]
        change = np.array([after[0] - before[0] for before, after in pairs])
        side = np.abs(change / sigma).mean(0)
        if name == "smile":
            parts = change[:, [INDEX["mouth_corners"], INDEX["mouth_width"]]] / sigma[[INDEX["mouth_corners"], INDEX["mouth_width"]]]
            target = parts.sum(1) / 1.93
        else:
            target = change[:, INDEX[attribute]] / (1 if name in ("yaw", "pitch") else sigma[INDEX[attribute]])
        keep = [k for k in DIRECTIONS[name][3] if k in INDEX]
        faceres = np.mean([a[1] @ b[1] / np.linalg.norm(a[1]) / np.linalg.norm(b[1]) for b, a in pairs])
        mobile = np.mean([a[2] @ b[2] for b, a in pairs])
        print("%-14s got %+.2f error %.2f sum %.2f faceres %.3f mobileface %.3f  %s" % (
            edit, target.mean(), np.abs(target - float(strength)).mean(), sum(side[INDEX[k]] for k in keep), faceres, mobile,
            " ".join("%s %.2f" % (k, side[INDEX[k]]) for k in sorted(keep, key=lambda k: -side[INDEX[k]])[:6])), flush=True)


if __name__ == "__main__":
    main()
