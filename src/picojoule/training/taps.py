"""What is tapped into a network's graph while it trains: latent weights, and batch norm after each layer.

Both keep their parameters where they belong in the forward pass, before they are used: to the loss that is the same as
after each step, and it asks nothing of whose loop it is.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from picojoule.calibration import Range
from picojoule.formats import Format
from picojoule.formats.base import power_of_two
from picojoule.quantize import Quantizer
from picojoule.training.topology import unit_end, unit_exponent

EPS, MOMENTUM = 1e-4, 0.1
"""Of batch norm. Source: the public code to arXiv 1711.00215; the momentum is torch's, the weight of what is new."""
GAMMA, LEAST_GAMMA = 0.25, 2.0**-6
"""A scale of batch norm, at first and at least. At first, four standard deviations fill a range; with 1, as usual, a
4-bit LeNet-5 ends 0.5 points lower on mnist5k."""


class Latent(nn.Module):
    """A layer's weights: kept in [-1, 1], or as far as the format goes, rounded there, and scaled to the range of their
    exponents, one for all or one per channel.

    Backward the gradient passes straight through: none of the weights is out of range.
    """

    exponents: Tensor

    def __init__(self, format: Format, exponents: tuple[int, ...] | None = None) -> None:
        """Without exponents they are those of [-1, 1]."""
        super().__init__()
        self.unit, self.end = unit_exponent(format), unit_end(format)
        self.quantizer = Quantizer(format, Range((self.unit,), signed=True))
        given = (self.unit,) if exponents is None else exponents
        self.register_buffer("exponents", torch.tensor(given, dtype=torch.int32))

    @property
    def range(self) -> Range:
        """The range of the weights that the layer sees."""
        return Range(tuple(self.exponents.tolist()), signed=True)

    def forward(self, weights: Tensor) -> Tensor:
        """The weights that the layer sees; in training those given are clipped where they lie."""
        if (
            self.training and self.end < math.inf
        ):  # .data: what a pass before kept for its gradient is as good as before
            weights.data.clamp_(-self.end, self.end)
        rounded: Tensor = self.quantizer(weights)
        return rounded * self.scale(weights)

    def scale(self, weights: Tensor) -> Tensor:
        """The powers of two, in a shape that broadcasts to the weights."""
        scale = power_of_two(self.exponents - self.unit, weights)
        assert isinstance(scale, Tensor)
        return scale.reshape(-1, *[1] * (weights.dim() - 1))


class Norm(nn.Module):
    """Batch norm of a layer's outputs: x [n, c], [n, c, ...], or of a dense layer on rows [n, ..., c].

    Its scales stay above zero: a sign there would be the weights' own, whose grid is not symmetric.
    """

    def __init__(self, channels: int, images: bool, last: bool) -> None:
        """`images` says that x has two more dimensions, `last` that channels are x's last one."""
        super().__init__()
        self.last = last
        self.norm = (nn.BatchNorm2d if images else nn.BatchNorm1d)(channels, eps=EPS, momentum=MOMENTUM)
        nn.init.constant_(self.norm.weight, GAMMA)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, -2) if self.last else x
        norm = self.norm
        if self.training:
            norm.weight.data.clamp_(min=LEAST_GAMMA)
            y: Tensor = norm(rows)
        else:
            gamma = norm.weight.clamp(min=LEAST_GAMMA)
            y = batch_norm(rows, norm.running_mean, norm.running_var, gamma, norm.bias, eps=norm.eps)
        return y.view(x.shape) if self.last else y

    def affine(self) -> tuple[Tensor, Tensor, Tensor]:
        """Scale, mean, offset by channel, float64 on the CPU: in evaluation it gives `scale * (x - mean) + offset`."""
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None
        assert variance is not None
        kept = (self.norm.weight, self.norm.bias, mean, variance)
        gamma, beta, mean, variance = (each.detach().cpu().double() for each in kept)
        return gamma.clamp(min=LEAST_GAMMA) * (variance + self.norm.eps).rsqrt(), mean, beta
