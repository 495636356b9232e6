"""Random small networks with all that a program has operations for, random plans for them, and hard inputs."""

import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (its customary name)

from picojoule.calibration import Calibration, Ranges, Settings
from picojoule.formats import parse
from picojoule.network import Network, capture
from picojoule.plan import Plan
from picojoule.quantize import quantize, settled

SHAPE = (2, 9, 8)
FORMATS = ("binary", *(f"fixed{bits}" for bits in range(1, 17)))
Step = Callable[[Tensor], Tensor]


class Case(NamedTuple):
    """A network with a plan and ranges."""

    network: Network
    plan: Plan
    ranges: Ranges

    def exact(self, x: Tensor) -> Tensor:
        """What the quantised network gives in float64, its biases whole."""
        whole = settled(*self)
        with torch.no_grad():
            result: Tensor = quantize(whole.network, self.plan, whole.ranges).double()(x.double())
        return result


class Random(nn.Module):
    """Some steps on an image, then an end to it, as chance has it; it prints as what was chosen."""

    def __init__(self, seed: int, kinds: Sequence["Kind"]) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.told: list[str] = []
        self.steps: list[Step] = []
        x = torch.zeros(1, *SHAPE)
        self._then("first", self._conv(x), x)
        x = self._last(x)
        for _ in range(self.chance.randint(1, 4)):
            kind = self.chance.choice(kinds)
            if (step := kind(self, x)) is not None:
                x = self._then(kind.__name__, step, x)
        kind = self.chance.choice(ENDS)
        self._then(kind.__name__, kind(self, x), x)

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(x)
        return x

    def extra_repr(self) -> str:
        return " ".join(self.told)

    def _then(self, name: str, step: Step, x: Tensor) -> Tensor:
        self.told.append(name)
        self.steps.append(step)
        return step(x)

    def _last(self, x: Tensor) -> Tensor:
        return self.steps[-1](x)

    def _kept(self, layer: nn.Module) -> nn.Module:
        self.add_module(f"layer{len(self._modules)}", layer)
        return layer

    def _conv(self, x: Tensor, same: bool = False) -> nn.Module:
        """A convolution of any kind; with `same` one that keeps the size."""
        channels, chance = x.shape[1], self.chance
        groups = chance.choice([each for each in (1, 1, 2, channels) if channels % each == 0])
        outputs = channels if same else groups * chance.randint(1, 3)
        kernel = (chance.randint(1, min(3, x.shape[2])), chance.randint(1, min(3, x.shape[3])))
        bias = chance.random() < 0.7
        if same or chance.random() < 0.3:
            dilation = chance.randint(1, 2)
            return self._kept(nn.Conv2d(channels, outputs, kernel, 1, "same", dilation, groups, bias))
        stride, padding = (chance.randint(1, 2), chance.randint(1, 2)), (chance.randint(0, 1), chance.randint(0, 2))
        return self._kept(nn.Conv2d(channels, outputs, kernel, stride, padding, 1, groups, bias))


def conv(net: Random, x: Tensor) -> Step:
    return net._conv(x)


def bound(net: Random, x: Tensor) -> Step:
    steps: list[Step] = [
        F.relu,
        F.relu6,
        F.hardtanh,
        lambda x: F.hardtanh(x, 0.0, 0.375),
        lambda x: x.clamp(-0.75, 1.5),
    ]
    return net.chance.choice([*steps, lambda x: x.clamp(min=-0.5), lambda x: x.clamp(max=3.0)])


def residual(net: Random, x: Tensor) -> Step:
    layer = net._conv(x, same=True)
    return lambda x: layer(x) + x


def joined(net: Random, x: Tensor) -> Step:
    layer, dim = net._conv(x, same=True), net.chance.randint(1, 3)
    return lambda x: torch.cat([x, layer(x)], dim)


def maximum(net: Random, x: Tensor) -> Step | None:
    kernel, stride, ceil = net.chance.randint(2, 3), net.chance.randint(1, 2), net.chance.random() < 0.5
    padding = net.chance.randint(0, 1)
    return None if min(x.shape[2:]) < 3 else lambda x: F.max_pool2d(x, kernel, stride, padding, 1, ceil)


def average(net: Random, x: Tensor) -> Step | None:
    """Of windows of 4, or of 9 right before a layer: sums of quotients are refused."""
    if min(x.shape[2:]) < 3:
        return None
    padding = net.chance.randint(0, 1)
    if net.chance.random() < 0.5:
        return lambda x: F.avg_pool2d(x, 2, 1, padding)
    layer = net._conv(F.avg_pool2d(x, 3, 2, 1))
    return lambda x: layer(F.avg_pool2d(x, 3, 2, 1))


def sliced(net: Random, x: Tensor) -> Step:
    choice = net.chance.randrange(3)
    if choice == 0 and x.shape[1] > 1:
        return lambda x: x[:, ::2]
    return (lambda x: x[:, :, 1:]) if x.shape[2] > 3 else (lambda x: x[:, :, :, -3:])


def padded(net: Random, x: Tensor) -> Step:
    pads = [net.chance.randint(0, 2) for _ in range(4)]
    return lambda x: F.pad(x, pads)


def turned(net: Random, x: Tensor) -> Step:
    return lambda x: x.permute(0, 1, 3, 2)


def flat(net: Random, x: Tensor) -> Step:
    layer = net._kept(nn.Linear(x[0].numel(), 3))
    return lambda x: layer(x.flatten(1))


def mean(net: Random, x: Tensor) -> Step:
    layer = net._kept(nn.Linear(x.shape[1], 3))
    return lambda x: layer(x.mean((2, 3)))


def mean_alone(net: Random, x: Tensor) -> Step:
    layer = net._conv(x, same=True)
    return lambda x: layer(x).mean((2, 3))


def adaptive(net: Random, x: Tensor) -> Step:
    layer, size = net._kept(nn.Linear(x.shape[1] * x.shape[2], 3)), x.shape[2]
    return lambda x: layer(F.adaptive_avg_pool2d(x, (size, 1)).flatten(1))


def rows(net: Random, x: Tensor) -> Step:
    """A dense layer on rows, windows along them, and another."""
    one, other = net._kept(nn.Linear(x.shape[1], 5)), net._kept(nn.Linear(5, 2))
    return lambda x: other(F.relu(F.max_pool1d(one(x.flatten(2).permute(0, 2, 1)), 3, 1, 1)))


def lines(net: Random, x: Tensor) -> Step:
    """Convolutions over one dimension."""
    one, two = net._kept(nn.Conv1d(x.shape[1], 4, 2, padding=1)), net._kept(nn.Conv1d(4, 4, 3, padding=2, groups=2))
    return lambda x: F.avg_pool1d(two(F.relu(one(x.flatten(2)))), 2).flatten(1)


def curve(net: Random, x: Tensor) -> Step:
    """A function that is rounded, and may be moved before."""
    curves: list[Step] = [F.silu, F.gelu, F.hardswish, torch.sigmoid, torch.tanh, F.mish, F.elu, F.softplus,
                          lambda x: F.leaky_relu(x, 0.1), lambda x: x * F.relu6(x + 3) / 6,
                          net._kept(nn.PReLU(x.shape[1]))]  # fmt: skip
    moves: list[Step] = [lambda x: x, lambda x: x, lambda x: F.max_pool2d(x, 2, 1, 1), lambda x: torch.cat([x, x], 1),
                         lambda x: x.permute(0, 1, 3, 2), lambda x: x[:, :, :, -2:]]  # fmt: skip
    one, other = net.chance.choice(curves), net.chance.choice(moves)
    layer = net._conv(other(one(x)))
    return lambda x: layer(other(one(x)))


Kind = Callable[[Random, Tensor], Step | None]
KINDS: list[Kind] = [
    conv, conv, bound, bound, residual, joined, maximum, average, sliced, padded, turned,
]  # fmt: skip
CURVES: list[Kind] = [curve, curve, curve, curve, conv, residual, maximum]
NARROW = ("binary", *(f"fixed{bits}" for bits in range(1, 9)))
"""Formats whose sums in a small network are of less than 24 bits."""
CODED = ("e2m1", "e3m0", "e3m2", "e2m3", "float<2,1,bias=0>", "ternary", "fixed4", "e2m1/32:e8m0", "e3m0/2:e8m0",
         "fixed3/2:e8m0")  # fmt: skip
"""Formats of weights, most of which are stored as codes."""
LOOKED_UP = ("lut2", "lut4", "lut16", "lut256", "e2m1", "e3m0", "e2m3", "ternary", "binary", "fixed4", "fixed7")
"""Formats whose values, but for the last, are looked up."""
ENDS: list[Callable[[Random, Tensor], Step]] = [flat, mean, mean_alone, adaptive, rows, lines]


@cache
def case(seed: int, formats: tuple[str, ...] = FORMATS, curved: bool = False, weights: tuple[str, ...] = ()) -> Case:
    """A random network, at a format of its own for each site, with ranges of any kind; perhaps with curves in it, and
    with formats for weights alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        chance = random.Random(seed)
        x = torch.randn(4, *SHAPE) * 2.0 ** chance.randint(-3, 3)
        if chance.random() < 0.4:
            x = x.abs()
        network = capture(Random(seed, CURVES if curved else KINDS).eval(), x[:1])
    plan = Plan({name: parse(chance.choice(weights if weights and site.kind == "weights" else formats))
                 for name, site in network.sites.items()})  # fmt: skip
    prepare = chance.choice(("none", "none", "bias"))
    settings = Settings(chance.choice(("max", "mse")), chance.choice(("layer", "channel")), "auto", prepare)
    calibration = Calibration.of(network, x, settings)
    return Case(calibration.network, plan, calibration.ranges(plan))
