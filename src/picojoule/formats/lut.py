"""Codebooks: each element is an index into a small table of 16-bit numbers, which calibration finds for each site.

Sources: Moons, Bankman, Verhelst, *Embedded Deep Learning*, chapter 3 (clusters of weights and activations); Han, Mao,
Dally, *Deep Compression*, arXiv 1510.00149 (weights shared in k-means clusters).
"""

import re
from collections.abc import Sequence
from functools import cache
from math import prod
from typing import ClassVar, Self

import torch
from torch import Tensor

from picojoule.errors import FormatError
from picojoule.formats.base import Format, power_of_two
from picojoule.formats.fixed import Fixed
from picojoule.formats.minifloat import Minifloat
from picojoule.kernels.table import Table, round_to_table

ENTRIES = ("fixed16", "fp16")
"""What a table may hold."""
MOST_NUMBERS, NUMBER_BITS = 256, 16
"""How many, and the bits of each."""


class Lut(Format):
    """`lut<k>[:fp16]`, k a power of two from 2 to 256: k numbers of 16 bits, fixed point or fp16, that a site's values
    were clustered to.

    The text names no numbers: those are part of a site's range, and `with_members` gives the format that rounds to
    them. Without, it has neither grid nor limits. There may be fewer than k.

    >>> import torch
    >>> Lut(4).with_members((-0.5, 0.0, 0.25)).quantize(torch.tensor([0.1, -5.0, 0.2]))
    tensor([ 0.0000, -0.5000,  0.2500])
    """

    arithmetic = "codebook"
    summary: ClassVar[str] = "an index into a table of 2 to 256 numbers of 16 bits that calibration finds; also :fp16"
    fitted: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("lut2", "lut4", "lut16", "lut256", "lut16:fp16")

    def __init__(self, count: int, entry: str = "fixed16", members: Sequence[float] = ()) -> None:
        if count not in (2, 4, 8, 16, 32, 64, 128, 256):
            raise FormatError(f"format 'lut{count}' has {count} numbers; give a power of two from 2 to 256")
        if entry not in ENTRIES:
            raise FormatError(f"format 'lut{count}:{entry}' has a table of {entry}; leave it out, or give fp16")
        if len(members) > count:
            raise ValueError(f"{len(members)} members are more than lut{count} has room for")
        self._count, self.entry, self._members = count, entry, tuple(members)

    @classmethod
    def match(cls, text: str) -> Self | None:
        found = re.fullmatch(r"lut([1-9]\d{0,5})(?::fp16)?", text, re.ASCII)
        return cls(int(found[1]), "fp16" if text.endswith("fp16") else "fixed16") if found else None

    def with_members(self, members: Sequence[float]) -> "Lut":
        """The same format with its numbers on the unit scale, ascending, each one that its table holds."""
        return Lut(self._count, self.entry, members)

    def rounded(self, values: Tensor, signed: bool) -> Tensor:
        """Values on the unit scale as what the table holds."""
        number = Fixed(16) if self.entry == "fixed16" else Minifloat.match("fp16")
        assert number is not None
        return number.quantize(values, 0, signed)

    def entries(self, values: Tensor, signed: bool) -> tuple[float, ...]:
        """The same, ascending, none twice."""
        return tuple(self.rounded(values.double(), signed).unique().tolist())

    def takes(self, members: Sequence[float], signed: bool) -> bool:
        """Whether these can be its numbers: some, not too many, ascending, and each one that its table holds."""
        return _fits(self, tuple(members), signed)

    @property
    def bits(self) -> int:
        return self._count.bit_length() - 1

    @property
    def count(self) -> int:
        """How many numbers there is room for."""
        return self._count

    def size_bits(self, shape: Sequence[int]) -> int:
        return self.bits * prod(shape) + NUMBER_BITS * self._count

    def __str__(self) -> str:
        return f"lut{self._count}" + (":fp16" if self.entry == "fp16" else "")

    def quantize(self, x: Tensor, exponent: int | Tensor = 0, signed: bool = True, out: Tensor | None = None) -> Tensor:
        members = self._found()
        if len(members) == 1:
            only = torch.where(x.isnan(), x, members[0] * power_of_two(exponent, x))
            return only if out is None else out.copy_(only)
        return round_to_table(x, _table(members), power_of_two(exponent, x), out)

    def grid(self, signed: bool = True) -> Tensor:
        return torch.tensor(self._found(), dtype=torch.float64)

    def limits(self, signed: bool = True) -> tuple[float, float]:
        members = self._found()
        return members[0], members[-1]

    def _found(self) -> tuple[float, ...]:
        if not self._members:
            raise FormatError(
                f"format '{self}' has no numbers before calibration finds them for a site; "
                "calibrate, or give them by with_members"
            )
        return self._members

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lut) and (str(self), self._members) == (str(other), other._members)

    def __hash__(self) -> int:
        return hash((str(self), self._members))


@cache
def _fits(format: Lut, members: tuple[float, ...], signed: bool) -> bool:
    held = format.entries(torch.tensor(members, dtype=torch.float64), signed)
    return 0 < len(members) <= format.count and held == members


@cache
def _table(members: tuple[float, ...]) -> Table:
    return Table(members)
