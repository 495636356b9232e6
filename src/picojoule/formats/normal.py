"""Normal floats: quantiles of the normal distribution, so that values spread like weights use every code alike often.

Source: Dettmers, Pagnoni, Holtzman, Zettlemoyer, *QLoRA*, arXiv 2305.14314, section 3 and appendix E: quantiles of
probabilities evenly spaced from ½ to `1 - ½ (1/2^(k+1) + 1/(2^(k+1) - 2))`, one side with a code more than the other,
one zero, all divided by the largest. NF4's codes are those published, which were made in float32 and with seven digits
of the last probability: up to 2e-7 off the recipe.
"""

import re
from functools import cache
from statistics import NormalDist
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from picojoule.formats.base import Format, power_of_two
from picojoule.kernels.table import Table, round_to_table

_NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip


class Normal(Format):
    """`nf<k>`, k from 2 to 8: 2^k quantiles of the normal distribution on [-1, 1], whatever the range's sign.

    It is made for values scaled by their largest, block by block (`nf4/64`); alone it takes the site's power of two.

    >>> import torch
    >>> Normal(4).quantize(torch.tensor([0.1, -5.0, 0.02]))
    tensor([ 0.0796, -1.0000,  0.0000])
    """

    arithmetic = "codebook"
    summary: ClassVar[str] = "k-bit quantiles of the normal distribution on [-1, 1], k from 2 to 8"
    examples: ClassVar[tuple[str, ...]] = tuple(f"nf{bits}" for bits in range(2, 9))

    def __init__(self, bits: int) -> None:
        if not 2 <= bits <= 8:
            raise ValueError(f"normal floats have 2 to 8 bits, not {bits}")
        self._bits = bits

    @classmethod
    def match(cls, text: str) -> Self | None:
        found = re.fullmatch(r"nf([2-8])", text, re.ASCII)
        return cls(int(found[1])) if found else None

    @property
    def bits(self) -> int:
        return self._bits

    def __str__(self) -> str:
        return f"nf{self._bits}"

    def quantize(self, x: Tensor, exponent: int | Tensor = 0, signed: bool = True, out: Tensor | None = None) -> Tensor:
        return round_to_table(x, _table(self._bits), power_of_two(exponent, x), out)

    def grid(self, signed: bool = True) -> Tensor:
        return torch.tensor(_members(self._bits), dtype=torch.float64)

    def limits(self, signed: bool = True) -> tuple[float, float]:
        return (-1.0, 1.0)


@cache
def _table(bits: int) -> Table:
    return Table(_members(bits))


@cache
def _members(bits: int) -> tuple[float, ...]:
    """The codes' numbers, ascending, each exact in float32."""
    return _NF4 if bits == 4 else recipe(bits)


def recipe(bits: int) -> tuple[float, ...]:
    """The 2^bits numbers that the recipe gives, ascending, rounded to float32."""
    half = 2 ** (bits - 1)
    last = 1 - (1 / (4 * half) + 1 / (4 * half - 2)) / 2
    above, below = (
        [NormalDist().inv_cdf(float(p)) for p in np.linspace(last, 0.5, count + 1)[:-1]] for count in (half, half - 1)
    )
    codes = np.array(sorted([*above, 0.0, *(-each for each in below)])) / max(above)
    return tuple(codes.astype(np.float32).tolist())
