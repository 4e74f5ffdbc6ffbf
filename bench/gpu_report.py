"""Compares the inversions that bench/gpu.sh made on a device and on the CPU. Prints Markdown.

Fails if a loss of the first tuning step or the final MSE or LPIPS differs by more than 5 %, or MS-SSIM or ID by more than .01. Rounding
differs between devices, and the steps of the latent before the first tuning step, and of the tuning itself, amplify it.
"""

import json
import pathlib
import sys

out = pathlib.Path(sys.argv[1])
read = lambda name: json.loads((out / name).read_text())
device, cpu = read("inspect-device.json"), read("inspect-cpu.json")
faults = []

first = [side["history"][0] for side in (device, cpu)]
print("| | device | CPU |\n|---|--:|--:|")
for name, a, b in zip(device["terms"], *(step["reconstruction"] for step in first)):
    print(f"| first tuning step, {name} | {a:.6f} | {b:.6f} |")
    if abs(a - b) > 0.05 * max(abs(b), 1e-3):
        faults.append(f"{name} of the first tuning step")
for name, b in cpu["metrics"].items():
    a = device["metrics"][name]
    if a is None or b is None:
        continue
    print(f"| {name} | {a:.5f} | {b:.5f} |")
    limit = 0.05 * b if name in ("mse", "lpips") else 0.01
    if abs(a - b) > limit:
        faults.append(name)
for key in ("invert-device", "invert-cpu"):
    file = read(f"{key}.log")["files"][0]
    print(f"| {key}: seconds, of a step, MB | {file['seconds']:.1f}, {file['seconds_per_step']:.4f}, {file['peak_memory_mb']} | |")
for key in ("bench-device", "bench-cpu"):
    if (out / f"{key}.log").exists() and (text := (out / f"{key}.log").read_text()):
        b = json.loads(text)
        fast = next(i for i in b["inversions"] if i["preset"] == "fast")
        print(f"| {key}: loss gradient, `fast` (estimate), s | {b['loss_gradient_seconds']:.4f}, {fast['seconds']:.1f} | |")
memory = out / "memory.txt"
if memory.exists() and (used := [int(line) for line in memory.read_text().split() if line.isdigit()]):
    print(f"| memory on the card, MiB: before, at most | {used[0]}, {max(used)} | |")
if faults:
    print("\nDifferent: " + ", ".join(faults))
    sys.exit(1)
