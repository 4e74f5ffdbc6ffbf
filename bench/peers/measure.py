"""PyTorch's side: the times of the parts of a tuning step, PTI's way to a photo, the start of an edit. Prints JSON."""

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


def wait():
    """Until the GPU has done what it was given."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def timed(runs, run):
    """Seconds of each run but the first."""
    times = []
    for i in range(runs + 1):
        started = time.perf_counter()
        run(i)
        wait()
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
    # A mapping network costs nothing beside the rest: here w is what z is.
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
    """PTI (Roich et al. 2022) from the encoder's w: Adam at 3e-4 on all tuned weights, mean square + LPIPS at full size.
    LPIPS at 256 px is watched as gani's is; watching takes no time here."""
    g, _ = generator(a)
    ws, target = (load(pathlib.Path(a.inputs) / f"{name}.npy", a) for name in ("ws", "target"))
    full, watched = Loss(side=target.shape[3], lambda_lpips=1.0, device=a.device), Loss(device=a.device)
    with torch.no_grad():
        target, watched_target = full.see(target), watched.see(target)
    theta = {name: w.clone().requires_grad_() for name, w in g.theta.items()}
    adam = torch.optim.Adam(theta.values(), lr=3e-4)
    seconds, lpips, spent = [], [], 0.0
    for _ in range(a.steps):
        started = time.perf_counter()
        image = g.image(theta, ws)
        adam.zero_grad()
        full(full.see(image), target).backward()
        wait()
        spent += time.perf_counter() - started
        with torch.no_grad():
            lpips.append(watched.lpips(watched.see(image), watched_target).item())
        seconds.append(spent)
        if lpips[-1] <= a.until or spent > a.limit:
            break
        started = time.perf_counter()
        adam.step()
        wait()
        spent += time.perf_counter() - started
    return {"seconds": seconds, "lpips": lpips}


def edit(a):
    """What `gani edit` does, cold: load, move the latent, render, write a PNG."""
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
    parser.add_argument("--checkpoint", help="StyleGAN2, rosinality's layout")
    parser.add_argument("--bundle", help="a gani model: its generator.onnx")
    parser.add_argument("--blur", choices=["grouped", "published"], default="grouped")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--inputs", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--tf32", action="store_true", help="convolutions and products in TF32, PyTorch's own default for the former")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=350)
    parser.add_argument("--until", type=float, default=0.01, help="LPIPS at which `reach` ends")
    parser.add_argument("--limit", type=float, default=900, help="seconds after which it gives up")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = a.tf32
    torch.manual_seed(0)
    print(json.dumps({"step": step, "reach": reach, "edit": edit}[a.what](a)))


main()
