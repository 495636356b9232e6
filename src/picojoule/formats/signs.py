"""One- and two-bit sets of signs: binary, ±1, and ternary, a sign or nothing, whatever the range's sign.

Source: Moons, Bankman, Verhelst, *Embedded Deep Learning*, chapter 3 (binary is the case Q = 1, q = Sign(w)); Sign(0) =
+1. Ternary is the least fixed point that has a zero, for hardware that skips zeros.
"""

from typing import ClassVar, Self

import torch
from torch import Tensor

from picojoule.formats.base import Format, power_of_two
from picojoule.kernels.table import Table, round_to_table


class _Signs(Format):
    """A few whole numbers of the site's power of two, from -1 to 1."""

    arithmetic = "fixed"
    members: ClassVar[tuple[float, ...]]
    table: ClassVar[Table]

    @classmethod
    def match(cls, text: str) -> Self | None:
        return cls() if text in cls.examples else None

    def __str__(self) -> str:
        return self.examples[0]

    def quantize(self, x: Tensor, exponent: int | Tensor = 0, signed: bool = True, out: Tensor | None = None) -> Tensor:
        return round_to_table(x, self.table, power_of_two(exponent, x), out)

    def grid(self, signed: bool = True) -> Tensor:
        return torch.tensor(self.members, dtype=torch.float64)

    def limits(self, signed: bool = True) -> tuple[float, float]:
        return (-1.0, 1.0)


class Binary(_Signs):
    """`binary`: {-1, +1}; zero of either sign gives +1.

    >>> import torch
    >>> Binary().quantize(torch.tensor([0.3, 0.0, -0.0, -7.0]), exponent=-1)
    tensor([ 0.5000,  0.5000,  0.5000, -0.5000])
    """

    summary: ClassVar[str] = "one bit, the sign: -1 or +1 (zero gives +1)"
    examples: ClassVar[tuple[str, ...]] = ("binary",)
    members = (-1.0, 1.0)
    table = Table(members)

    @property
    def bits(self) -> int:
        return 1


class Ternary(_Signs):
    """`ternary`: {-1, 0, +1}, stored in two bits.

    >>> import torch
    >>> Ternary().quantize(torch.tensor([0.5, 0.51, -7.0]))
    tensor([ 0.,  1., -1.])
    """

    summary: ClassVar[str] = "-1, 0 or +1, stored in two bits"
    examples: ClassVar[tuple[str, ...]] = ("ternary",)
    members = (-1.0, 0.0, 1.0)
    table = Table(members)

    @property
    def bits(self) -> int:
        return 2
