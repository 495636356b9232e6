"""How sites round values: fixed point by a shift, signs by the sign, and any format of few numbers by looking them up.

What matters are the numbers, not the format's name: up to 256 that are whole numbers of a power of two, of at most 16
bits, as codebooks of fixed point, ternary and small floats. The nearest is the one behind the last threshold that a sum
reaches, and thresholds are whole numbers as sums are.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.errors import InputError
from picojoule.formats import Fixed
from picojoule.integer.coding import CODE_BITS
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.types import Constant, Type
from picojoule.kernels.table import middles
from picojoule.quantize import MOST_BITS, Choice, value_steps


class Site(NamedTuple):
    """Where values are rounded: the rounding, and of what comes out the least code, the greatest, and the exponent.

    `members` are all codes that there are, ascending; none are named in fixed point, which has each from low to high.
    """

    name: str
    quantize: Callable[[Tensor], Tensor]
    low: int
    high: int
    exponent: int
    members: tuple[int, ...] = ()

    @property
    def sign(self) -> bool:
        """Whether the code is the sign, zero giving +1."""
        return self.members == (-1, 1)

    @property
    def bits(self) -> int:
        """The bits of a code."""
        return Type((), self.low, self.high, (0,)).bits


def site_of(name: str, choice: Choice) -> Site:
    """How a site of values is rounded that is quantised as chosen.

    Raises:
        InputError: its numbers are no such whole numbers; the message names the site.
    """
    format, range = choice.format, choice.range
    (exponent,) = range.exponents
    if isinstance(format, Fixed):
        low, high = format.codes(range.signed)
        return Site(name, choice.quantize, low, high, exponent - format.fraction_bits(range.signed))
    if not format.rounds or format.with_scales or format.bits > CODE_BITS:
        told = f"site '{name}' is {format}, which has no integers"
        raise InputError(f"{told}; give it fixed point, binary or a codebook in the plan")
    found = value_steps(choice)
    if not found.fit:
        raise InputError(
            f"site '{name}' is {format}: its numbers are whole numbers of {found.bits} bits, and programs have at most "
            f"{MOST_BITS}; give it fixed point, or a codebook of that, in the plan"
        )
    (step,) = found.exponents
    members = (format.grid(range.signed) * 2.0 ** (exponent - step)).long().tolist()
    return Site(name, choice.quantize, members[0], members[-1], step, tuple(members))


def rounded(made: Builder, value: str, site: Site) -> str:
    """A value rounded to a site."""
    if site.sign:
        return made.emit(site.name, "sign", (value,), exponent=site.exponent)
    if not site.members:
        return made.emit(site.name, "requantise", (value,), low=site.low, high=site.high, exponent=site.exponent)
    read = made.type(value)
    distinct = [*dict.fromkeys(read.exponents)]
    steps = [_nearest(read, each, site) for each in distinct]
    return looked_up(made, value, site, steps, [distinct.index(each) for each in read.exponents], read.axis)


def looked_up(
    made: Builder, value: str, site: Site, steps: Sequence[tuple[Tensor, Tensor]], rows: Sequence[int], axis: int
) -> str:
    """A value's codes at a site by a table: rows of thresholds and codes, and which of them each channel goes by."""
    read = made.type(value)
    thresholds, codes = (torch.cat(parts) for parts in zip(*steps, strict=True))
    forms = "signed" if read.signed else "unsigned", "sign" if site.sign else "signed" if site.low < 0 else "unsigned"
    constants = Constant(thresholds, read.bits, forms[0]), Constant(codes, 1 if site.sign else site.bits, forms[1])
    return made.emit(
        site.name, "table", (value,), *constants, exponent=site.exponent, steps=[len(each) for each, _ in steps],
        rows=[*rows], axis=axis if len(rows) > 1 else 0,
    )  # fmt: skip


def _nearest(read: Type, exponent: int, site: Site) -> tuple[Tensor, Tensor]:
    """The codes that are read from which on each member is the nearest, and the members; those that are never reached
    are left out."""
    unit = Fraction(2) ** (site.exponent - exponent) * read.divisor
    thresholds: list[int] = []
    codes = [site.members[0]]
    for (middle, goes_down), member in zip(middles(site.members), site.members[1:], strict=True):
        at = math.floor(middle * unit) + 1 if goes_down else math.ceil(middle * unit)
        if at <= read.low or at in thresholds[-1:]:  # none goes to the one before
            codes[-1] = member
        elif at <= read.high:
            thresholds.append(at)
            codes.append(member)
    if not thresholds:  # the same for all: one step that changes nothing
        thresholds, codes = [read.low], codes * 2
    return torch.tensor(thresholds), torch.tensor(codes)
