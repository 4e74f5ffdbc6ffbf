"""GANI in PyTorch: gradient modification modules (Eq. 2-4), Eq. 1 with pixel and LPIPS terms, and a step of Algorithm 1."""

import sys
import types

import torch
import torch.nn.functional as F
from pytorch_ranger import Ranger

# stlpips_pytorch imports these modules, but does not use them.
sys.modules["IPython"] = types.SimpleNamespace(embed=None)
sys.modules["torchsummary"] = types.SimpleNamespace(summary=None)
from stlpips_pytorch import stlpips, utils  # noqa: E402

LAMBDA_LOCALIZATION = 0.2


class Loss:
    """Eq. 1: mean squared error + λ · shift-tolerant LPIPS, at a resolution of at most `side` px."""

    def __init__(self, side=256, lambda_lpips=0.8, device="cpu"):
        self.side, self.lambda_lpips = side, lambda_lpips
        self.network = stlpips.LPIPS(net="alex", variant="shift_tolerant", verbose=False).eval().requires_grad_(False)
        self.network.to(device)

    def features(self, image):
        """The features that the loss compares: the pooled image and the LPIPS layers."""
        side = min(image.shape[3], self.side)
        small = F.avg_pool2d(image, image.shape[3] // side)
        layers = self.network.net(self.network.scaling_layer(small))
        return [small] + [utils.normalize_tensor(layer) for layer in layers]

    def lpips(self, features, target):
        pairs = zip(features[1:], target[1:], self.network.lins)
        return sum(lin.model[-1]((a - b).square()).mean() for a, b, lin in pairs)

    def __call__(self, features, target):
        return (features[0] - target[0]).square().mean() + self.lambda_lpips * self.lpips(features, target)


class Block(torch.nn.Module):
    """y + W2 σ(SN(W1 σ(SN(y)))) + b   (Eq. 3, 4)."""

    def __init__(self, c):
        super().__init__()
        normal = lambda: torch.nn.Parameter(torch.randn(c, c) * 0.1 * (2 / c) ** 0.5)
        self.w1, self.w2 = normal(), normal()
        self.b = torch.nn.Parameter((torch.rand(c) * 2 - 1) / c**0.5)
        self.g1, self.g2 = (torch.nn.Parameter(torch.tensor(c**0.5)) for _ in range(2))

    def forward(self, y):
        scale_norm = lambda x, g: x * (g / x.norm(dim=1, keepdim=True).clamp(min=1e-5))
        x = F.leaky_relu(scale_norm(y, self.g1), 0.01)
        x = F.leaky_relu(scale_norm(F.linear(x, self.w1), self.g2), 0.01)
        return y + F.linear(x, self.w2) + self.b


class Modules(torch.nn.Module):
    """One shared module for the square convolutions with the most channels, and one module for each other weight."""

    def __init__(self, theta):
        super().__init__()
        square = lambda w: w.shape[0] == w.shape[1]
        widest = max((w.shape[1] for w in theta.values() if square(w)), default=0)
        key = lambda name, w: "shared" if square(w) and w.shape[1] == widest else name.replace(".", "_")
        self.module_of = {name: key(name, w) for name, w in theta.items()}
        self.blocks = torch.nn.ModuleDict({self.module_of[name]: Block(w.shape[1]) for name, w in theta.items()})

    def forward(self, theta, g):
        """θ' = θ ⊙ (1 + M(∂L/∂θ))   (Eq. 2)."""
        return {name: w * (1 + self.change(name, g[name])) for name, w in theta.items()}

    def change(self, name, g):
        o, i, k, l = g.shape
        rows = g.permute(0, 2, 3, 1).reshape(o * k * l, i)
        return self.blocks[self.module_of[name]](rows).reshape(o, k, l, i).permute(0, 3, 1, 2)


class Gani:
    """Algorithm 1 with both terms of Eq. 5 in every step. `compiled` applies torch.compile to generator and loss."""

    def __init__(self, generator, mapping, loss, ws, target, compiled):
        self.generator, self.mapping, self.ws = generator, mapping, ws
        wrap = torch.compile if compiled else (lambda f: f)
        self.similarity = wrap(lambda theta, ws, target: loss(loss.features(generator.image(theta, ws)), target))
        self.features = wrap(lambda theta, ws: loss.features(generator.image(theta, ws)))
        with torch.no_grad():
            self.target = loss.features(target)

    def gradient(self):
        """L(I, G(w, θ)) and ∂L/∂θ."""
        theta = {name: w.clone().requires_grad_() for name, w in self.generator.theta.items()}
        loss = self.similarity(theta, self.ws, self.target)
        return loss.item(), dict(zip(theta, torch.autograd.grad(loss, list(theta.values()))))

    def total(self, theta, z):
        """The gradient of Eq. 5. The terms are differentiated separately, so that only one graph is in memory."""
        with torch.no_grad():
            w = self.mapping(z).expand_as(self.ws)
            reference = self.features(self.generator.theta, w)
        leaves = {name: t.detach().requires_grad_() for name, t in theta.items()}
        self.similarity(leaves, self.ws, self.target).backward()
        (LAMBDA_LOCALIZATION * self.similarity(leaves, w, reference)).backward()
        return {name: leaf.grad for name, leaf in leaves.items()}

    def tuner(self):
        """A step of GANI with Ranger, as a function of z."""
        modules, (_, g) = Modules(self.generator.theta).to(self.ws.device), self.gradient()
        ranger = Ranger(modules.parameters(), lr=1e-3)

        def step(z):
            ranger.zero_grad()
            theta = modules(self.generator.theta, g)
            d = self.total(theta, z)
            torch.autograd.backward(list(theta.values()), [d[name] for name in theta])
            ranger.step()

        return step

    def direct(self):
        """A step of direct tuning with Adam, as a function of z."""
        theta = {name: w.clone().requires_grad_() for name, w in self.generator.theta.items()}
        adam = torch.optim.Adam(theta.values(), lr=1e-4)

        def step(z):
            for name, gradient in self.total(theta, z).items():
                theta[name].grad = gradient
            adam.step()

        return step

    def modules(self):
        """Forward and backward pass of the modules alone."""
        modules, theta = Modules(self.generator.theta).to(self.ws.device), self.generator.theta
        g = {name: torch.full_like(w, 1e-3) for name, w in theta.items()}

        def step():
            tuned = modules(theta, g)
            torch.autograd.backward(list(tuned.values()), [g[name] for name in tuned])

        return step
