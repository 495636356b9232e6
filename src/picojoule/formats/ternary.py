"""Ternary: a sign or nothing, the least fixed point that has a zero, for hardware that skips zeros."""

from typing import ClassVar, Self

import torch
from torch import Tensor

from picojoule.formats.base import Format, power_of_two
from picojoule.kernels.table import Table, round_to_table

_MEMBERS = (-1.0, 0.0, 1.0)
_TABLE = Table(_MEMBERS)


class Ternary(Format):
    """`ternary`: {-1, 0, +1}, stored in two bits, whatever the range's sign.

    >>> import torch
    >>> Ternary().quantize(torch.tensor([0.5, 0.51, -7.0]))
    tensor([ 0.,  1., -1.])
    """

    family = "fixed"
    summary: ClassVar[str] = "-1, 0 or +1, stored in two bits"
    examples: ClassVar[tuple[str, ...]] = ("ternary",)

    @classmethod
    def match(cls, text: str) -> Self | None:
        return cls() if text == "ternary" else None

    @property
    def bits(self) -> int:
        return 2

    def __str__(self) -> str:
        return "ternary"

    def quantize(self, x: Tensor, exponent: int | Tensor = 0, signed: bool = True, out: Tensor | None = None) -> Tensor:
        return round_to_table(x, _TABLE, power_of_two(exponent, x), out)

    def grid(self, signed: bool = True) -> Tensor:
        return torch.tensor(_MEMBERS, dtype=torch.float64)

    def limits(self, signed: bool = True) -> tuple[float, float]:
        return (-1.0, 1.0)
