"""Convolutions of bytes: exact in whole numbers, and by a multiple faster than in floating point.

torch's oneDNN convolutions of unsigned by signed bytes add up in 32 bits. What comes out is the very sum, scaled and
with the bias added, rounded once to float32: the number that a network in float64 gives. Older CPUs add products in 16
bits, which overflow, so each machine is put to the test before it is trusted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from picojoule.execute.codes import Codes, Grid
from picojoule.formats.base import power_of_two

MOST_PRODUCTS = (2**31 - 1) // (255 * 128)
"""Products of two bytes that certainly add up in 32 bits."""
_SCALES = (2.0**-60, 2.0**60)
"""Steps within these multiply in float32's normal range."""


@dataclass(frozen=True)
class Convolution:
    """The arguments of a two-dimensional convolution."""

    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int

    def is_ordinary(self, kernel: Sequence[int]) -> bool:
        """Whether the operation is right on it: one stride, no dilation, and every window sees some of the input.

        oneDNN of torch 2.13 gives wrong sums on others, or ends the process: 1 in 500 of random small ones, none in
        40 000 of these.
        """
        sees = all(padding < size for padding, size in zip(self.padding, kernel, strict=True))
        return sees and len({*self.stride}) == 1 and {*self.dilation} == {1}


class Weights:
    """A layer's quantised weights: `values`, and for convolutions their bytes, packed when they are first asked for."""

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.bytes: Tensor | None
        self.steps: Tensor | None
        self.bytes, self.steps = as_bytes(values) or (None, None)
        self._packed: dict[Any, Tensor] = {}

    @property
    def size(self) -> int:
        """Bytes of memory, once packed."""
        return self.values.numel() * (4 if self.bytes is None else 6)

    def packed(self, how: Convolution, zero: int) -> Tensor:
        """The bytes as oneDNN wants them."""
        key = (*how.stride, *how.padding, *how.dilation, how.groups, zero)
        if key not in self._packed:
            self._packed[key] = torch.ops.onednn.qconv_prepack(
                self.bytes, self.steps, 1.0, zero, how.stride, how.padding, how.dilation, how.groups, None
            )
        return self._packed[key]


def as_bytes(values: Tensor) -> tuple[Tensor, Tensor] | None:
    """Weights of a convolution [c, ...] as whole numbers from -128 to 127, and for each channel the power of two they
    count; None where they are none, or products of them may not add up in 32 bits."""
    if values.dim() != 4 or values[0].numel() > MOST_PRODUCTS or not values.is_cpu:
        return None
    rows = values.reshape(len(values), -1)
    exponents = torch.frexp(rows.abs().amax(dim=1, keepdim=True)).exponent  # magnitudes lie below 2^exponent
    finer = rows * power_of_two(8 - exponents, rows)
    fits = (finer.amin(dim=1, keepdim=True) >= -128) & (finer.amax(dim=1, keepdim=True) <= 127)
    codes = torch.where(fits, finer, finer / 2).to(torch.int8)
    steps = power_of_two(exponents - torch.where(fits, 8, 7), rows)
    assert isinstance(steps, Tensor)
    if not torch.equal(codes * steps, rows) or not all(_SCALES[0] <= step <= _SCALES[1] for step in steps.aminmax()):
        return None
    return codes.reshape(values.shape), steps.flatten()


def convolve(
    x: Codes, weights: Weights, bias: Tensor | None, how: Convolution, relu: bool, grid: Grid | None = None
) -> Tensor:
    """The convolution of a value [n, c, h, w] as float32, with the negative cut off if asked.

    On a grid from zero the result is rounded to it, and is bytes: those that `encode` makes of the float32.
    """
    assert weights.steps is not None
    ends = ("relu" if relu else "none", []) if grid is None else ("hardtanh", [0.0, grid.high * grid.step])
    result: Tensor = torch.ops.onednn.qconv2d_pointwise(
        x.bytes.contiguous(memory_format=torch.channels_last), x.step, x.zero,
        weights.packed(how, x.zero), weights.steps, torch.zeros(len(weights.steps), dtype=torch.int64),
        bias, how.stride, how.padding, how.dilation, how.groups,
        1.0 if grid is None else grid.step, 0, torch.float32 if grid is None else torch.uint8, *ends, "",
    )  # fmt: skip
    return result


def serves(step: float) -> bool:
    """Whether values of this step may be convolved as bytes on this machine."""
    return _SCALES[0] <= step <= _SCALES[1] and _exact()


@cache
def _exact() -> bool:
    """Whether this machine and this torch convolve the largest bytes without an error."""
    if not torch.backends.mkldnn.is_available():
        return False
    random = torch.Generator().manual_seed(0)
    x = torch.randint(2, (2, 64, 8, 8), generator=random, dtype=torch.uint8) * 255
    w = torch.randint(2, (16, 64, 3, 3), generator=random).mul(255).sub(128).float()
    w[0], w[1] = 127, -128
    how = Convolution([1, 1], [1, 1], [1, 1], 1)
    try:
        found = [convolve(Codes(x, 1.0, zero), Weights(w), None, how, relu=False) for zero in (0, 128)]
    except (AttributeError, RuntimeError, TypeError):  # a torch without these operations, or with others
        return False
    expected = [torch.nn.functional.conv2d(x.double() - zero, w.double(), padding=1).float() for zero in (0, 128)]
    return all(map(torch.equal, found, expected))
