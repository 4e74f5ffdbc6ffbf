"""StyleGAN2 in PyTorch for one latent, from checkpoints with rosinality's keys.

Two implementations of the blur: `grouped` is one convolution with a group per channel; `published` is the fallback without
CUDA in rosinality's and NVIDIA's code, which treats every channel as an image.
"""

import functools

import torch
import torch.nn.functional as F

STYLE, MAPPING_LAYERS, SQRT2 = 512, 8, 2**0.5
TAPS = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 16  # includes the gain of 4 for upsampling


@functools.cache
def taps(device):
    return TAPS.to(device)


def width(resolution):
    """Channels of config F (Karras et al. 2020)."""
    return min(32768 // resolution, 512)


def random_checkpoint(size):
    """A state dictionary with rosinality's keys and random weights. The time of a step does not depend on the weights."""
    g = torch.Generator().manual_seed(size)
    randn = lambda *shape: torch.randn(*shape, generator=g)
    p = {}
    for i in range(1, MAPPING_LAYERS + 1):
        p[f"style.{i}.weight"], p[f"style.{i}.bias"] = 100 * randn(STYLE, STYLE), randn(STYLE)
    p["input.input"] = randn(1, width(4), 4, 4)

    def modulated(name, to, of, k):
        p[f"{name}.conv.weight"] = randn(1, to, of, k, k)
        p[f"{name}.conv.modulation.weight"], p[f"{name}.conv.modulation.bias"] = randn(of, STYLE), torch.ones(of)

    def styled(name, noise, to, of, resolution):
        modulated(name, to, of, 3)
        p[f"{name}.noise.weight"], p[f"{name}.activate.bias"] = torch.tensor([0.1]), 0.1 * randn(to)
        p[f"noises.noise_{noise}"] = randn(1, 1, resolution, resolution)

    def to_rgb(name, of):
        modulated(name, 3, of, 1)
        p[f"{name}.bias"] = 0.1 * randn(1, 3, 1, 1)

    styled("conv1", 0, width(4), width(4), 4)
    to_rgb("to_rgb1", width(4))
    for k in range(size.bit_length() - 3):
        r = 8 << k
        styled(f"convs.{2 * k}", 2 * k + 1, width(r), width(r // 2), r)
        p[f"convs.{2 * k}.conv.blur.kernel"] = TAPS.clone()
        styled(f"convs.{2 * k + 1}", 2 * k + 2, width(r), width(r), r)
        to_rgb(f"to_rgbs.{k}", width(r))
        p[f"to_rgbs.{k}.upsample.kernel"] = TAPS.clone()
    return p


def grouped(x, pad):
    c = x.shape[1]
    return F.conv2d(F.pad(x, pad), taps(x.device).expand(c, 1, 4, 4), groups=c)


def published(x, pad):
    n, c, h, w = x.shape
    x = F.pad(x.reshape(n * c, 1, h, w), pad)
    x = F.conv2d(x, taps(x.device)[None, None])
    return x.reshape(n, c, *x.shape[2:])


class StyleGan2:
    """Functions of θ, a dictionary of the tuned convolution weights `[o, i, 3, 3]`."""

    def __init__(self, checkpoint, blur):
        self.p, self.blur = checkpoint, blur
        self.blocks = sum(key.endswith("upsample.kernel") for key in checkpoint)
        self.tuned = ["conv1"] + [f"convs.{i}" for i in range(2 * self.blocks)]
        self.theta = {name: checkpoint[f"{name}.conv.weight"][0] for name in self.tuned}

    def mapping(self, z):
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for i in range(1, MAPPING_LAYERS + 1):
            w, b = self.p[f"style.{i}.weight"], self.p[f"style.{i}.bias"]
            x = F.leaky_relu(F.linear(x, w * (0.01 / STYLE**0.5), b * 0.01), 0.2) * SQRT2
        return x

    def modulate(self, w, weight, name):
        a, b = self.p[f"{name}.conv.modulation.weight"], self.p[f"{name}.conv.modulation.bias"]
        s = F.linear(w, a / STYLE**0.5, b)
        return weight * s.view(1, -1, 1, 1) / weight[0].numel() ** 0.5

    def styled(self, theta, x, w, name, noise, up):
        weight = self.modulate(w, theta[name], name)
        weight = weight * torch.rsqrt(weight.square().sum([1, 2, 3], keepdim=True) + 1e-8)
        if up:
            x = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), (1, 1, 1, 1))
        else:
            x = F.conv2d(x, weight, padding=1)
        x = x + self.p[f"{name}.noise.weight"] * self.p[f"noises.noise_{noise}"]
        return F.leaky_relu(x + self.p[f"{name}.activate.bias"].view(1, -1, 1, 1), 0.2) * SQRT2

    def to_rgb(self, x, w, name):
        return F.conv2d(x, self.modulate(w, self.p[f"{name}.conv.weight"][0], name)) + self.p[f"{name}.bias"]

    def image(self, theta, ws):
        """G(ws, θ): `[n, 512]` → `[1, 3, R, R]`."""
        x = self.styled(theta, self.p["input.input"], ws[0], "conv1", 0, False)
        rgb = self.to_rgb(x, ws[1], "to_rgb1")
        for k in range(self.blocks):
            x = self.styled(theta, x, ws[2 * k + 1], f"convs.{2 * k}", 2 * k + 1, True)
            x = self.styled(theta, x, ws[2 * k + 2], f"convs.{2 * k + 1}", 2 * k + 2, False)
            n, c, h, v = rgb.shape
            spread = F.pad(rgb.reshape(n, c, h, 1, v, 1), (0, 1, 0, 0, 0, 1)).reshape(n, c, 2 * h, 2 * v)
            rgb = self.blur(spread, (2, 1, 2, 1)) + self.to_rgb(x, ws[2 * k + 3], f"to_rgbs.{k}")
        return rgb
