"""The formats once more, in exact rational arithmetic, written from their definitions and not from the library's code.

`quantize` is the readable scalar reference; `quantize_array` its vectorised twin, which knows the grid alone and finds
the nearest member by bisection on the midpoints. Both are run through the same cases; the library is held to them.

A grid is listed by ascending number together with the parity of its codes, since ties go to the even code. Fixed point
of Q bits: signed, the codes -2^(Q-1) .. 2^(Q-1) - 1 at steps of 2^-(Q-1); unsigned, 0 .. 2^Q - 1 at steps of 2^-Q.
Binary: -1 and +1, and its one tie, zero, gives +1. Ternary: -1, 0, +1. Minifloats: every code read as the standards
define it, those of a magnitude counted from zero. Normal floats: as the library lists them, of which `test_normal.py`
holds the numbers themselves to what is published.
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


FLOATS = {
    "fp16": (5, 10, 15, "ieee"),
    "bf16": (8, 7, 127, "ieee"),
    "e5m2": (5, 2, 15, "ieee"),
    "e4m3": (4, 3, 7, "fn"),
    "e3m2": (3, 2, 3, "finite"),
    "e2m3": (2, 3, 1, "finite"),
    "e2m1": (2, 1, 1, "finite"),
    "e3m0": (3, 0, 3, "finite"),
    "float<2,1,bias=0>": (2, 1, 0, "finite"),
    "float<4,3,bias=11,ieee>": (4, 3, 11, "ieee"),
    "float<8,0,bias=140>": (8, 0, 140, "finite"),
    "float<8,0,bias=128,fn>": (8, 0, 128, "fn"),
    "float<1,3,bias=2>": (1, 3, 2, "finite"),
    "float<1,2,bias=0,ieee>": (1, 2, 0, "ieee"),
    "float<0,3,bias=-2>": (0, 3, -2, "finite"),
    "float<0,10,bias=7>": (0, 10, 7, "finite"),
    "float<5,3,bias=-30>": (5, 3, -30, "finite"),
    "float<6,2,bias=95>": (6, 2, 95, "finite"),
    "float<7,8,bias=63,fn>": (7, 8, 63, "fn"),
}
"""Small floats: exponent bits, mantissa bits, bias, policy."""


def float_of(code: int, exponent_bits: int, mantissa_bits: int, bias: int, policy: str) -> Number:
    """What a code stands for: a sign, an exponent's field and a mantissa, from the highest bit down."""
    mantissa = code & (2**mantissa_bits - 1)
    field = (code >> mantissa_bits) & (2**exponent_bits - 1)
    sign = -1 if code >> (mantissa_bits + exponent_bits) else 1
    if policy == "ieee" and field == 2**exponent_bits - 1:
        return math.nan if mantissa else sign * math.inf
    if policy == "fn" and field == 2**exponent_bits - 1 and mantissa == 2**mantissa_bits - 1:
        return math.nan
    if field == 0:
        return sign * Fraction(2) ** (1 - bias) * Fraction(mantissa, 2**mantissa_bits)
    return sign * Fraction(2) ** (field - bias) * (1 + Fraction(mantissa, 2**mantissa_bits))


@cache
def finite_codes(exponent_bits: int, mantissa_bits: int, bias: int, policy: str) -> list[Fraction]:
    """The finite numbers without a sign by their codes, from zero up."""
    codes = range(2 ** (exponent_bits + mantissa_bits))
    numbers = (float_of(code, exponent_bits, mantissa_bits, bias, policy) for code in codes)
    return [number for number in numbers if isinstance(number, Fraction)]


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
    if text == "ternary":
        return [(Fraction(-1), False), (Fraction(0), True), (Fraction(1), False)]
    if not text.startswith("fixed"):
        codes = finite_codes(*FLOATS[text])
        above = [(number, code % 2 == 0) for code, number in enumerate(codes)]
        return [(-number, even) for number, even in above[:0:-1]] + above
    bits = int(text.removeprefix("fixed"))
    codes = range(-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else range(2**bits)
    step = Fraction(1, 2 ** (bits - 1) if signed else 2**bits)
    return [(code * step, code % 2 == 0) for code in codes]
