"""PyTorch measurements: the parts of a tuning step, convergence of PTI, an edit from a cold start. Prints JSON."""

import argparse
import json
import pathlib
import time
import tomllib

import numpy as np
import torch

from gani import Gani, Loss
from onnx_graph import OnnxGenerator
from stylegan2 import StyleGan2, grouped, published


def load(path, a):
    return torch.from_numpy(np.load(path)).to(a.device)


def synchronize():
    """Waits for the GPU."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def timed(runs, run):
    """Seconds of each run, without the first one (warm-up)."""
    times = []
    for i in range(runs + 1):
        started = time.perf_counter()
        run(i)
        synchronize()
        times.append(time.perf_counter() - started)
    return times[1:]


def memory_mb():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def generator(a):
    """The generator and its mapping network."""
    if a.checkpoint:
        checkpoint = torch.load(a.checkpoint, map_location=a.device)["g_ema"]
        g = StyleGan2(checkpoint, published if a.blur == "published" else grouped)
        return g, g.mapping
    bundle = pathlib.Path(a.bundle)
    about = tomllib.loads((bundle / "bundle.toml").read_text())["generator"]
    # The time of a mapping network is negligible; here w is z.
    return OnnxGenerator(bundle / about["file"], about["tunable"], a.device), lambda z: z


def step(a):
    """One part of a tuning step."""
    g, mapping = generator(a)
    inputs = pathlib.Path(a.inputs)
    ws, z, target = (load(inputs / f"{name}.npy", a) for name in ("ws", "z", "target"))
    gani = Gani(g, mapping, Loss(device=a.device), ws, target, a.compile)
    more = {}
    if a.part == "forward":
        image = torch.compile(g.image) if a.compile else g.image
        with torch.no_grad():
            seconds = timed(a.runs, lambda i: image(g.theta, ws))
    elif a.part == "gradient":
        seconds = timed(a.runs, lambda i: gani.gradient())
        loss, gradient = gani.gradient()
        norm = sum(d.double().square().sum().item() for d in gradient.values()) ** 0.5
        more = {"loss": loss, "gradient_norm": norm}
    elif a.part == "modules":
        run = gani.modules()
        seconds = timed(a.runs, lambda i: run())
    else:
        run = gani.tuner() if a.part == "gani" else gani.direct()
        seconds = timed(a.runs, lambda i: run(z[i][None]))
    about = {"runtime": f"PyTorch {torch.__version__}", "device": a.device, "threads": torch.get_num_threads(), "memory_mb": memory_mb()}
    return about | {"seconds": seconds} | more


def reach(a):
    """PTI (Roich et al. 2022) from the encoder's w: Adam at 3e-4 on all tuned weights, MSE + LPIPS at full resolution.
    LPIPS at 256 px is monitored as in gani; its time is not counted."""
    g, _ = generator(a)
    ws, target = (load(pathlib.Path(a.inputs) / f"{name}.npy", a) for name in ("ws", "target"))
    full, monitor = Loss(side=target.shape[3], lambda_lpips=1.0, device=a.device), Loss(device=a.device)
    with torch.no_grad():
        target, monitor_target = full.features(target), monitor.features(target)
    theta = {name: w.clone().requires_grad_() for name, w in g.theta.items()}
    adam = torch.optim.Adam(theta.values(), lr=3e-4)
    seconds, lpips, elapsed = [], [], 0.0
    for _ in range(a.steps):
        started = time.perf_counter()
        image = g.image(theta, ws)
        adam.zero_grad()
        full(full.features(image), target).backward()
        synchronize()
        elapsed += time.perf_counter() - started
        with torch.no_grad():
            lpips.append(monitor.lpips(monitor.features(image), monitor_target).item())
        seconds.append(elapsed)
        if lpips[-1] <= a.until or elapsed > a.limit:
            break
        started = time.perf_counter()
        adam.step()
        synchronize()
        elapsed += time.perf_counter() - started
    return {"seconds": seconds, "lpips": lpips}


def edit(a):
    """The steps of `gani edit` from a cold start: load, move the latent, render, write a PNG."""
    from torchvision.io import write_png

    g, _ = generator(a)
    ws = load(pathlib.Path(a.inputs) / "ws.npy", a)
    with torch.no_grad():
        image = g.image(g.theta, ws + 0.1)
    pixels = ((image[0].cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    write_png(pixels, str(pathlib.Path(a.inputs) / "edited.png"))
    return {}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["step", "reach", "edit"])
    parser.add_argument("part", nargs="?", choices=["forward", "gradient", "modules", "gani", "direct"])
    parser.add_argument("--checkpoint", help="StyleGAN2 checkpoint in rosinality's format")
    parser.add_argument("--bundle", help="folder of a gani model")
    parser.add_argument("--blur", choices=["grouped", "published"], default="grouped")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--inputs", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--tf32", action="store_true", help="TF32 for convolutions (PyTorch's default) and matrix products")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=350)
    parser.add_argument("--until", type=float, default=0.01, help="LPIPS at which `reach` stops")
    parser.add_argument("--limit", type=float, default=900, help="time limit of `reach` in seconds")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = a.tf32
    torch.manual_seed(0)
    print(json.dumps({"step": step, "reach": reach, "edit": edit}[a.what](a)))


main()
