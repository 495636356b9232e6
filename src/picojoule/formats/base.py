"""What every number format is: a set of numbers on a unit scale and the one rule that rounds to it.

A format holds no scale. A site's range (a power-of-two exponent and whether it is signed) is given to `quantize`
beside the values, so the same format serves every site, and a plan that names formats stays valid for other weights.
"""

import abc
import math
from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor

EXPONENT_LIMIT = 96
"""Exponents lie in [-96, 96], so that scaling never leaves float32's normal range for grids of up to 16 bits."""


class Format(abc.ABC):
    """A set of numbers on a unit scale and the rule that rounds to it.

    A format is immutable, hashable and equal to any other with the same text. Its laws, for every exponent e and
    signedness (`tests/contracts/formats.py` holds each implementation to them):

    - canonical: `str(parse(text)) == text`;
    - membership: `quantize(x)` is in `grid()` scaled by 2^e, for every finite x;
    - nearest: no member of the grid is nearer to x; of two equally near ones the one an even number of members away
      from zero is taken, and where zero is no member the greater;
    - idempotent: `quantize(quantize(x)) == quantize(x)`;
    - monotone: x <= y gives `quantize(x) <= quantize(y)`;
    - saturating: ±Inf and anything beyond the grid give its ends; NaN stays NaN; an empty tensor stays empty;
    - scaling: `quantize(x * 2^e, e) == quantize(x) * 2^e`; without a range it is signed, on the unit scale;
    - pure: x is not changed, and `out`, where given, holds the result and is returned.

    Of a scaled grid count the members that x's type holds: those of `bf16` times 2^96 go beyond float32.

    A format `with_scales` shares a scale among the elements of a block: its grid is another for each block, and it has
    laws of its own (`formats/block.py`).
    """

    arithmetic: str
    """The kind of arithmetic it needs, by which an energy model charges it: "fixed", "float" or "codebook"."""
    summary: ClassVar[str]
    """One line for the list of formats."""
    rounds: ClassVar[bool] = True
    """Whether it changes values at all; only the format of what is left in floating point does not."""
    with_scales: ClassVar[bool] = False
    """Whether blocks of elements have scales of their own, stored beside them."""
    fitted: ClassVar[bool] = False
    """Whether calibration finds its members for each site, which the site's range then holds (`formats/lut.py`)."""
    examples: ClassVar[tuple[str, ...]]
    """Canonical texts of members of this class, for listings and contract tests."""

    @classmethod
    @abc.abstractmethod
    def match(cls, text: str) -> Self | None:
        """The format that `text` names, or None where this class does not know the text."""

    def with_members(self, members: Sequence[float]) -> "Format":
        """The format with the members that a site's range has; itself, where it has its own."""
        return self

    @property
    @abc.abstractmethod
    def bits(self) -> int:
        """Bits of an element's code: what a datapath sees."""

    @property
    def significand_bits(self) -> int:
        """Bits of an element that a multiplier multiplies: all but those of an exponent and of a float's sign."""
        return self.bits

    @property
    def stored_bits(self) -> float:
        """Bits per element in storage: those of its code, and its share of the scales of whole blocks."""
        return self.bits

    def size_bits(self, shape: Sequence[int]) -> int:
        """The bits that a tensor of a shape takes, with every scale that it really has."""
        return self.bits * math.prod(shape)

    @abc.abstractmethod
    def __str__(self) -> str:
        """The canonical text."""

    @abc.abstractmethod
    def quantize(self, x: Tensor, exponent: int | Tensor = 0, signed: bool = True, out: Tensor | None = None) -> Tensor:
        """Round each element of x to the nearest member of the grid scaled by 2^exponent.

        x any shape, float32 or float64; exponent a whole number in [-96, 96] or an integer tensor that broadcasts to
        x, for example [c, 1, 1, 1] for one exponent per output channel; `signed` is the range's.
        """

    @abc.abstractmethod
    def grid(self, signed: bool = True) -> Tensor:
        """Every member on the unit scale, ascending, float64 [at most 2^bits]; for formats of at most 16 bits.

        Raises:
            FormatError: the format has too many members to list, or another grid for each block.
        """

    @abc.abstractmethod
    def limits(self, signed: bool = True) -> tuple[float, float]:
        """The closed interval of the unit scale in which the straight-through gradient passes, and which calibration
        lays over a site's values; infinite where no exponent is needed, for every block finds its own scale."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"format({str(self)!r})"


def power_of_two(exponent: int | Tensor, like: Tensor) -> float | Tensor:
    """2^exponent for exponents within [-126, 127]: a float for a whole number, else of `like`'s dtype and device.

    A tensor's powers are laid down as float32 bits, exact on every device, where `pow` promises a few ulp.
    """
    if isinstance(exponent, int):
        return float(2.0**exponent)
    biased = exponent.to(like.device, torch.int32) + 127
    return (biased << 23).view(torch.float32).to(like.dtype)
