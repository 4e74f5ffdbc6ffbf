"""Compares gani with PyTorch on this machine. `cargo xtask bench` runs it; see README.md.

All programs use the same weights, inputs and number of threads. Each measurement is a separate process.
Writes results.json, table.md and steps.png to the folder `--out`.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "peers"))

# Peers: options of peers/measure.py, and the parts that they affect. Modules and optimizers do not blur, and torch.compile only
# affects the two gradients of a step.
PEERS = {
    "PyTorch": ([], ["forward", "gradient", "modules", "gani", "direct"]),
    "PyTorch, compiled": (["--compile"], ["forward", "gradient"]),
    "PyTorch, blur as published": (["--blur", "published"], ["forward", "gradient"]),
}
PARTS = {
    "forward": "G(w, θ)",
    "gradient": "Eq. 1 and ∂L/∂θ",
    "modules": "the modules",
    "gani": "GANI step",
    "direct": "direct step",
}
TOLERANCE = 2e-3  # relative difference between gani and its peers


class Bench:
    def __init__(self, a):
        self.a, self.folder = a, pathlib.Path(a.out).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = self.folder / "results.json"
        self.results = json.loads(self.file.read_text()) if self.file.exists() else {}

    def measure(self, key, command):
        """Runs a command and stores the JSON that it prints. Results of an earlier run are reused."""
        if key not in self.results:
            print(">", key, flush=True)
            done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True)
            if done.returncode:
                print(f"  failed with {done.returncode}", flush=True)
                return None
            self.results[key] = json.loads(done.stdout.strip().splitlines()[-1])
            self.file.write_text(json.dumps(self.results, indent=1))
        return self.results[key]

    def gani(self, *arguments):
        return [self.a.program, "--threads", self.a.threads, "--device", self.a.device, *arguments]

    def torch(self, *arguments):
        return [sys.executable, HERE / "peers" / "measure.py", *arguments, "--threads", self.a.threads, "--device", self.a.device]

    def step(self, size):
        """All parts of a step of StyleGAN2 at full width with random weights."""
        import torch
        from stylegan2 import random_checkpoint

        folder = self.folder / f"stylegan2-{size}"
        checkpoint = folder / "generator.pt"
        if not checkpoint.exists():
            folder.mkdir(exist_ok=True)
            part = checkpoint.with_suffix(".part")
            torch.save({"g_ema": random_checkpoint(size), "latent_avg": torch.zeros(512)}, part)
            part.rename(checkpoint)
        self.inputs(folder, size, styles=2 * size.bit_length() - 4)
        self.parts(f"StyleGAN2 {size} px", folder, ["--checkpoint", checkpoint], ["--checkpoint", checkpoint], PEERS)

    def mobile(self):
        """All parts of a step of MobileStyleGAN."""
        folder = self.folder / "mobilestylegan"
        folder.mkdir(exist_ok=True)
        self.inputs(folder, 1024, styles=23)
        peers = {"PyTorch": PEERS["PyTorch"]}
        self.parts("MobileStyleGAN 1024 px", folder, ["--model", "ffhq-1024"], ["--bundle", self.a.bundle], peers)

    def inputs(self, folder, size, styles):
        rng = np.random.default_rng(1)
        normal = lambda *shape: rng.standard_normal(shape, dtype=np.float32)
        np.save(folder / "ws.npy", normal(styles, 512))
        np.save(folder / "target.npy", np.tanh(normal(1, 3, size, size)))
        np.save(folder / "z.npy", normal(self.a.runs + 1, 512))

    def parts(self, label, folder, gani, torch, peers):
        more = ["--inputs", folder, "--runs", self.a.runs]
        for part in self.a.parts:
            ours = self.measure(f"{label}: {part}: gani", self.gani("step", part, *gani, *more))
            for name, (options, known) in peers.items():
                if part not in known or name not in self.a.peers:
                    continue
                theirs = self.measure(f"{label}: {part}: {name}", self.torch("step", part, *torch, *options, *more))
                for metric in ["loss", "gradient_norm"] if ours and theirs and part == "gradient" else []:
                    a, b = ours[metric], theirs[metric]
                    assert abs(a - b) <= TOLERANCE * abs(b), f"{label}: {metric} is {b} in {name}, but {a} in gani"

    def reach(self):
        """Time to LPIPS 0.03 and 0.01 on a photograph at 1024 px: gani, and PTI in PyTorch from the same w."""
        photo = HERE.parent / "tests" / "data" / "astronaut.png"
        gani = lambda preset, *more: self.gani("reach", photo, "--model", "ffhq-1024", "--preset", preset, "--until", self.a.until, *more)
        folder = self.folder / "reach"
        if not (folder / "target.npy").exists():  # the last file written
            folder.mkdir(exist_ok=True)
            subprocess.run([str(c) for c in gani("fast", "--dump", folder)], check=True, stdout=subprocess.DEVNULL)
        self.measure("reach: gani, fast", gani("fast"))
        self.measure("reach: PTI in PyTorch", self.torch("reach", "--bundle", self.a.bundle, "--inputs", folder, "--until", self.a.until))
        self.measure("reach: gani, best", gani("best"))
        self.measure("reach: gani, paper", gani("paper"))

    def edit(self):
        """`gani edit` from a cold start, and the same in PyTorch: load, render an image at 1024 px, write the file."""
        photo, folder = HERE.parent / "tests" / "data" / "astronaut.png", self.folder / "edit"
        inversion = folder / "astronaut.safetensors"
        if not inversion.exists():
            invert = [self.a.gani, "invert", photo, "--model", "ffhq-1024", "--preset", "fast", "--iterations", 2]
            subprocess.run([str(c) for c in [*invert, "--refine", 2, "-q", "-o", folder]], check=True)
            np.save(folder / "ws.npy", np.zeros((23, 512), np.float32))
        edit = [self.a.gani, "edit", inversion, "--set", "smile=1", "--threads", self.a.threads, "--device", self.a.device, "--force", "-q", "-o", folder / "smile.png"]
        commands = {"gani": edit, "PyTorch": self.torch("edit", "--bundle", self.a.bundle, "--inputs", folder)}
        for name, command in commands.items():
            key = f"edit: {name}"
            if key in self.results:
                continue
            print(">", key, flush=True)
            seconds = []
            for _ in range(self.a.runs + 2):
                started = time.perf_counter()
                subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)
                seconds.append(time.perf_counter() - started)
            self.results[key] = {"seconds": seconds[1:]}
            self.file.write_text(json.dumps(self.results, indent=1))

    # ---- reports ---------------------------------------------------------------------------------------------------

    def labels(self, part=""):
        """Measured generators (in one part, if given), sorted by family and size."""
        keys = [key.split(": ") for key in self.results if key.count(": ") == 2]
        found = {key[0] for key in keys if part in ("", key[1])}
        return sorted(found, key=lambda label: (label.startswith("Mobile"), int(label.split()[1])))

    def table(self):
        """Markdown table: median times of gani, and the ratios of the peers' times to them."""
        peers = list(PEERS)
        lines = ["| | part | gani | " + " | ".join(f"{p} / gani" for p in peers) + " | gani MB | PyTorch MB |", "|---|---|--:|" + "--:|" * (len(peers) + 2)]
        for label in self.labels():
            for part, title in PARTS.items():
                of = lambda name: self.results.get(f"{label}: {part}: {name}")
                if not (ours := of("gani")):
                    continue
                median = lambda r: statistics.median(r["seconds"])
                ratios = [f"{median(r) / median(ours):.2f}" if (r := of(p)) else "" for p in peers]
                theirs = of("PyTorch")
                memory = f"{ours['memory_mb']} | {theirs['memory_mb'] if theirs else ''}"
                lines.append(f"| {label} | {title} | {median(ours):.3g} s | " + " | ".join(ratios) + f" | {memory} |")
        if any(key.startswith("reach: ") for key in self.results):
            lines += ["", "| from the encoder's w, 1024 px | LPIPS 0.03 | LPIPS 0.01 |", "|---|--:|--:|"]
            for key in [k for k in self.results if k.startswith("reach: ")]:
                r = self.results[key]
                first = lambda bound: next((s for s, d in zip(r["seconds"], r["lpips"]) if d <= bound), None)
                show = lambda s: f"not in {r['seconds'][-1]:.0f} s" if s is None else f"{s:.0f} s"
                lines.append(f"| {key.removeprefix('reach: ')} | {show(first(0.03))} | {show(first(0.01))} |")
        if "edit: gani" in self.results and "edit: PyTorch" in self.results:
            ours, theirs = (statistics.median(self.results[f"edit: {n}"]["seconds"]) for n in ("gani", "PyTorch"))
            lines += ["", f"An edit from a cold start, 1024 px: gani {ours:.2f} s, PyTorch {theirs:.2f} s."]
        for key, r in self.results.items():
            forward = self.results.get(key.replace(": gradient: gani", ": forward: gani"))
            if key.endswith(": gradient: gani") and "flops" in r and forward:
                rate = r["flops"] / statistics.median(r["seconds"])
                share = rate / forward["matrix_flops_per_second"]
                lines += ["", f"{key.split(': ')[0]}: Eq. 1 and ∂L/∂θ run at {rate / 1e9:.0f} GFLOP/s, {share:.0%} of the rate of a large MatMul."]
        text = "\n".join(lines) + "\n"
        (self.folder / "table.md").write_text(text)
        print(text)

    def plot(self):
        """Bar chart: gradient and steps by size, for gani and its peers."""
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        names = ["gani", *PEERS]
        parts = [p for p in ("gradient", "gani", "direct")]
        if not self.labels():
            return
        figure, axes = plt.subplots(1, len(parts), figsize=(4.2 * len(parts), 3.4), constrained_layout=True)
        for axis, part in zip(axes, parts):
            labels = self.labels(part)
            for i, name in enumerate(names):
                times = [self.results.get(f"{label}: {part}: {name}") for label in labels]
                heights = [statistics.median(t["seconds"]) if t else 0 for t in times]
                axis.bar(np.arange(len(labels)) + 0.2 * i, heights, 0.18, label=name)
            axis.set_xticks(np.arange(len(labels)) + 0.3, [label.replace("StyleGAN2", "StyleGAN2\n").replace("MobileStyleGAN", "Mobile\nStyleGAN\n") for label in labels], fontsize=7)
            axis.set_title(PARTS[part], fontsize=10)
            axis.set_ylabel("seconds")
        axes[0].legend(fontsize=8)
        figure.savefig(self.folder / "steps.png", dpi=110)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True, help="the gani-bench executable")
    parser.add_argument("--gani", required=True, help="the gani executable")
    parser.add_argument("--bundle", required=True, help="folder of the model ffhq-1024")
    parser.add_argument("--out", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--until", type=float, default=0.01, help="LPIPS at which `reach` stops")
    parser.add_argument("--parts", nargs="*", default=list(PARTS))
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--only", nargs="*", default=["64", "256", "512", "1024", "mobile", "edit", "reach"])
    a = parser.parse_args()
    bench = Bench(a)
    for what in a.only:
        bench.step(int(what)) if what.isdigit() else getattr(bench, what)()
    bench.table()
    bench.plot()


main()
