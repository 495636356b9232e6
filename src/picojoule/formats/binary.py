"""Binary: one bit, the sign. A number is +1 or -1 times the site's power of two, whatever the range's sign.

Source: Moons, Bankman, Verhelst, *Embedded Deep Learning*, chapter 3 (the case Q = 1, q = Sign(w)); Sign(0) = +1.
"""

from typing import ClassVar, Self

import torch
from torch import Tensor

from picojoule.formats.base import Format, power_of_two
from picojoule.kernels.table import Table, round_to_table

_SIGNS = Table([-1.0, 1.0])


class Binary(Format):
    """`binary`: {-1, +1}; zero of either sign gives +1.

    >>> import torch
    >>> Binary().quantize(torch.tensor([0.3, 0.0, -0.0, -7.0]), exponent=-1)
    tensor([ 0.5000,  0.5000,  0.5000, -0.5000])
    """

    family = "fixed"
    summary: ClassVar[str] = "one bit, the sign: -1 or +1 (zero gives +1)"
    examples: ClassVar[tuple[str, ...]] = ("binary",)

    @classmethod
    def match(cls, text: str) -> Self | None:
        return cls() if text == "binary" else None

    @property
    def bits(self) -> int:
        return 1

    def __str__(self) -> str:
        return "binary"

    def quantize(self, x: Tensor, exponent: int | Tensor = 0, signed: bool = True, out: Tensor | None = None) -> Tensor:
        return round_to_table(x, _SIGNS, power_of_two(exponent, x), out)

    def grid(self, signed: bool = True) -> Tensor:
        return torch.tensor([-1.0, 1.0], dtype=torch.float64)

    def limits(self, signed: bool = True) -> tuple[float, float]:
        return (-1.0, 1.0)
