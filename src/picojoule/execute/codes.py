"""Quantised values as whole numbers, which is how a value of at most 8 bits travels between integer layers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.formats import Format
from picojoule.kernels.grid import codes_of
from picojoule.quantize import Choice


class Grid(NamedTuple):
    """An equally spaced grid of at most 256 numbers: the whole numbers from low to high, times step."""

    step: float
    low: int
    high: int


@dataclass(frozen=True)
class Codes:
    """A value as bytes: its numbers are `(bytes - zero) * step`."""

    bytes: Tensor
    step: float
    zero: int

    def values(self) -> Tensor:
        """The numbers, float32."""
        if self.zero:
            return self.bytes.float().sub_(self.zero).mul_(self.step)
        return torch.mul(self.bytes, self.step)

    def moved(self, function: Callable[[Tensor], Tensor]) -> "Codes":
        """The same numbers rearranged by a function that only moves elements."""
        return Codes(function(self.bytes), self.step, self.zero)


def grid_of(choice: Choice) -> Grid | None:
    """The grid of a choice of one exponent, where its codes are bytes; None where they are not."""
    exponents = choice.range.exponents
    unit = _unit_grid(choice.format, choice.range.signed) if len(exponents) == 1 else None
    return unit and Grid(unit.step * 2.0 ** exponents[0], unit.low, unit.high)


def encode(x: Tensor, grid: Grid) -> Codes:
    """x rounded to the grid: the numbers that `Format.quantize` gives. x is float32 and holds no NaN."""
    return Codes(codes_of(x, 1 / grid.step, grid.low, grid.high), grid.step, -grid.low)


@cache
def _unit_grid(format: Format, signed: bool) -> Grid | None:
    if not format.rounds or format.with_scales or format.fitted or format.bits > 8:
        return None  # steps of a codebook, even where they are equal, are no powers of two
    members = format.grid(signed).tolist()
    if len(members) < 2:
        return None
    step = members[1] - members[0]
    low, high = members[0] / step, members[-1] / step
    even = all(member == (low + index) * step for index, member in enumerate(members))
    return Grid(step, int(low), int(high)) if even and low == int(low) else None
