"""Fixed point: 2^Q equally spaced numbers, signed on [-1, 1) or, for a range that is never negative, on [0, 1).

Source: Moons, Bankman, Verhelst, *Embedded Deep Learning*, chapter 3, equation of the test-time quantiser:
`q = clip(round(2^(Q-1) x) / 2^(Q-1), -1, 1 - 2^-(Q-1))`; unsigned, `clip(round(2^Q x) / 2^Q, 0, 1 - 2^-Q)`.
"""

import re
from typing import ClassVar, Self

import torch
from torch import Tensor

from picojoule.formats.base import Format, power_of_two
from picojoule.kernels.grid import round_to_grid


class Fixed(Format):
    """`fixed<Q>`, Q from 1 to 16: Q-bit fixed point. `fixed1` is {0, 1/2} unsigned and {-1, 0} signed.

    >>> import torch
    >>> Fixed(3).quantize(torch.tensor([0.30, 0.125, -2.0, 0.99]))
    tensor([ 0.2500,  0.0000, -1.0000,  0.7500])
    >>> Fixed(3).quantize(torch.tensor([0.30, 0.99]), exponent=1, signed=False)
    tensor([0.2500, 1.0000])
    """

    arithmetic = "fixed"
    summary: ClassVar[str] = "Q-bit fixed point, Q from 1 to 16: signed on [-1, 1), unsigned on [0, 1)"
    examples: ClassVar[tuple[str, ...]] = tuple(f"fixed{bits}" for bits in range(1, 17))

    def __init__(self, bits: int) -> None:
        if not 1 <= bits <= 16:
            raise ValueError(f"fixed point has 1 to 16 bits, not {bits}")
        self._bits = bits

    @classmethod
    def match(cls, text: str) -> Self | None:
        found = re.fullmatch(r"fixed([1-9]|1[0-6])", text, re.ASCII)
        return cls(int(found[1])) if found else None

    @property
    def bits(self) -> int:
        return self._bits

    def __str__(self) -> str:
        return f"fixed{self._bits}"

    def fraction_bits(self, signed: bool = True) -> int:
        """Bits behind the point on the unit scale: neighbouring numbers differ by 2^-fraction_bits."""
        return self._bits - 1 if signed else self._bits

    def codes(self, signed: bool = True) -> tuple[int, int]:
        """The least and the largest integer code; a number is its code times 2^-fraction_bits."""
        half = 1 << (self._bits - 1)
        return (-half, half - 1) if signed else (0, 2 * half - 1)

    def quantize(self, x: Tensor, exponent: int | Tensor = 0, signed: bool = True, out: Tensor | None = None) -> Tensor:
        factor = power_of_two(self.fraction_bits(signed) - exponent, x)
        low, high = self.codes(signed)
        return round_to_grid(x, factor, low, high, out)

    def grid(self, signed: bool = True) -> Tensor:
        low, high = self.codes(signed)
        return torch.arange(low, high + 1, dtype=torch.float64) * 2.0 ** -self.fraction_bits(signed)

    def limits(self, signed: bool = True) -> tuple[float, float]:
        return (-1.0, 1.0) if signed else (0.0, 1.0)
