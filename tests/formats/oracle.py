"""The formats once more, in exact rational arithmetic, written from their definitions and not from the library's code.

`quantize` is the readable scalar reference; `quantize_array` its vectorised twin, which knows the grid alone and finds
the nearest member by bisection on the midpoints. Both are run through the same cases; the library is held to them.

A grid is listed by ascending number together with the parity of its codes, since ties go to the even code. Fixed point
of Q bits: signed, the codes -2^(Q-1) .. 2^(Q-1) - 1 at steps of 2^-(Q-1); unsigned, 0 .. 2^Q - 1 at steps of 2^-Q.
Binary: -1 and +1, and its one tie, zero, gives +1.
"""

import math
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np

Number = Fraction | float


def grid(text: str, signed: bool = True) -> list[Fraction]:
    """Every member of the format on the unit scale, ascending."""
    return [number for number, _ in _members(text, signed)]


def quantize(text: str, x: Number, exponent: int = 0, signed: bool = True) -> Fraction:
    """The member, scaled by 2^exponent, that is nearest to x; of two equally near ones the even code; ±Inf saturates.

    Every member is tried: this is the definition, not an algorithm.
    """
    scale = Fraction(2) ** exponent
    members = [(number * scale, even) for number, even in _members(text, signed)]
    if isinstance(x, float) and math.isinf(x):
        return members[-1][0] if x > 0 else members[0][0]
    exact = Fraction(x)
    nearest = min(abs(number - exact) for number, _ in members)
    tied = [(number, even) for number, even in members if abs(number - exact) == nearest]
    return tied[0][0] if len(tied) == 1 else next(number for number, even in tied if even)


def quantize_array(values: np.ndarray, text: str, exponent: int = 0, signed: bool = True) -> np.ndarray:
    """`quantize` element by element on float64 values; NaN stays NaN."""
    numbers, even, middles = _arrays(text, signed)
    numbers, middles = np.ldexp(numbers, exponent), np.ldexp(middles, exponent)  # exact: at most 17 bits each
    index = np.searchsorted(middles, values, side="left")  # the number of midpoints below each value
    inner = np.minimum(index, len(middles) - 1)
    tied = (index < len(middles)) & (values == middles[inner])
    index = np.where(tied & ~even[index], index + 1, index)
    return np.where(np.isnan(values), values, numbers[index])


def midpoints(text: str, signed: bool = True) -> list[Fraction]:
    """Every value of the unit scale that is equally near to two neighbours."""
    numbers = grid(text, signed)
    return [(one + other) / 2 for one, other in pairwise(numbers)]


@cache
def _arrays(text: str, signed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The unit scale as float64: members, whether their codes are even, midpoints."""
    members = _members(text, signed)
    numbers = np.array([float(number) for number, _ in members])
    even = np.array([parity for _, parity in members])
    return numbers, even, np.array([float(middle) for middle in midpoints(text, signed)])


@cache
def _members(text: str, signed: bool) -> list[tuple[Fraction, bool]]:
    """Each member of the unit scale, ascending, and whether its code is even."""
    if text == "binary":
        return [(Fraction(-1), False), (Fraction(1), True)]
    bits = int(text.removeprefix("fixed"))
    codes = range(-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else range(2**bits)
    step = Fraction(1, 2 ** (bits - 1) if signed else 2**bits)
    return [(code * step, code % 2 == 0) for code in codes]
