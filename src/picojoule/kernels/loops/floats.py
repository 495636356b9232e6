"""Rounding to minifloats, and to what has a scale for each block of numbers.

The bits of a float, read as a whole number, count its magnitudes; those of a minifloat do so too, with fewer bits.
Rounding is adding half of what the bits to be dropped can hold, or one less where that keeps the code even, and
dropping them: a carry goes on into the exponent, where it belongs. Below the least normal number steps are equal: there
a number is added, and taken away, so large that nothing smaller than a step has room beside it.

Blocks are worked on some at a time, in memory that stays in the nearest cache: divided by their scales, rounded as if
there were none, multiplied again. All of it is vector code, but for a block that is shorter than the others.
"""

from math import gcd

import numpy as np
from numba import carray, njit, types

from picojoule.kernels.loops import SMALL, Loop
from picojoule.kernels.loops.memory import at, cast, divide, multiply, peak
from picojoule.kernels.loops.rounding import climb

AT_ONCE = 512
"""About so many numbers of blocks are worked on at a time."""
LANES = 64
"""Of a block at most so many at once."""


def minifloat(here: bool, real: types.Type) -> Loop:
    """y = the nearest minifloat to x / scale, times the scale."""
    whole = whole_of(real)

    def minifloat(x, y, rows, n, scales, step, odd, even, least, magic, largest):
        xs, ys = carray(at(y if here else x, real), (rows, n)), carray(at(y, real), (rows, n))
        each = carray(at(scales, real), rows)
        steps, ends = _typed((step, odd, even, least, magic, largest), real, whole)
        for r in range(rows):
            factor, scale = real(1 / each[r]), each[r]
            for j in range(n):
                ys[r, j] = _nearest(xs[r, j] * factor, real, whole, steps, ends) * scale

    return minifloat


def maxima(real: types.Type, size: int) -> Loop:
    """found = the largest finite magnitude of each block of a row."""
    whole, width, lanes = whole_of(real), real.bitwidth // 8, gcd(size, LANES)

    def maxima(x, rows, n, found):
        each = carray(at(found, real), (rows, (n + size - 1) // size))
        as_it_is = whole(-1), real(1), real(0), real(np.inf)
        for r in range(rows):
            _find(x + r * n * width, n, each[r], size, lanes, real, whole, width, as_it_is)

    return maxima


def blocks(real: types.Type, size: int, members: bool) -> Loop:
    """y = what is nearest to x / the scale of its block, a minifloat or a member of a table, times that scale.

    Where there is a mask the scales are found first, and written too.
    """
    whole, width, lanes = whole_of(real), real.bitwidth // 8, gcd(size, LANES)
    length, round_them = max(AT_ONCE // size, 1) * size, rounding(members)

    def blocks(x, y, rows, n, scales, mask, divisor, floor, ceiling, a, b, c, d, e, f):
        each = carray(at(scales, real), (rows, (n + size - 1) // size))
        found = whole(mask), real(divisor), real(floor), real(ceiling)
        kept = np.empty((2, length), real)
        values, rounded = kept[0].ctypes.data, kept[1].ctypes.data
        for r in range(rows):
            for start in range(0, n, length):
                first, count, own = (r * n + start) * width, min(length, n - start), each[r, start // size :]
                if mask:
                    _find(x + first, count, own, size, lanes, real, whole, width, found)
                _scaled(divide, real(1), x + first, values, count, own, size, lanes, width)
                round_them(kept[0, :count], kept[1, :count], real, whole, (a, b, c, d, e, f))
                _scaled(multiply, real(0), rounded, y + first, count, own, size, lanes, width)

    return blocks


def whole_of(real: types.Type) -> types.Type:
    """The type of a float's bits."""
    return types.int32 if real is types.float32 else types.int64


def rounding(members: bool) -> Loop:
    """Rounding of some numbers beside each other, to a table or to a minifloat."""
    return _to_members if members else _to_floats


@njit(inline="always")
def _typed(number, real, whole):
    """How to round, as numbers of the right types."""
    step, odd, even, least, magic, largest = number
    return (whole(step), whole(odd), whole(even)), (real(least), real(magic), real(largest))


@njit(inline="always")
def _nearest(value, real, whole, steps, ends):
    step, odd, even = steps
    least, magic, largest = ends
    bits, sign = cast(value, whole), cast(real(-0.0), whole)
    positive = whole(bits & ~sign)
    size = cast(positive, real)
    found = cast(whole((positive + (odd if positive & step else even)) & -step), real)
    found = (size + magic) - magic if size < least else found
    found = largest if found > largest else found
    found = cast(whole(cast(found, whole) | (bits & sign)), real)
    return value if value != value else found  # what was NaN may be anything by now


@njit(inline="always")
def _to_floats(values, rounded, real, whole, number):
    steps, ends = _typed(number, real, whole)
    for j in range(len(rounded)):
        rounded[j] = _nearest(values[j], real, whole, steps, ends)


@njit(inline="always")
def _to_members(values, rounded, real, whole, number):
    members, firsts, count, _, _, _ = number
    some, theirs = carray(at(members, real), (count, SMALL)), carray(at(firsts, real), (count, SMALL))
    climb(values, values, rounded, some[0], theirs[0])
    for k in range(1, count):
        climb(values, rounded, rounded, some[k], theirs[k])


@njit(inline="always")
def _find(x, n, scales, size, lanes, real, whole, width, how):
    """The scale of each block: of the bits of its largest magnitude those of the mask, divided, kept within bounds.

    NaN is not counted, and Inf is the largest finite number.
    """
    mask, divisor, floor, ceiling = how
    infinity = cast(real(np.inf), whole)
    for k in range((n + size - 1) // size):
        first, bits = x + k * size * width, whole(0)
        if (k + 1) * size <= n:
            for j in range(0, size, lanes):
                bits = max(bits, peak(first + j * width, whole, lanes))
        else:
            for j in range(n - k * size):
                bits = max(bits, peak(first + j * width, whole, 1))
        scale = cast(whole(min(bits, whole(infinity - 1)) & mask), real) / divisor
        scales[k] = min(max(scale, floor), ceiling)


@njit(inline="always")
def _scaled(operation, instead_of_zero, x, y, n, scales, size, lanes, width):
    """Divide or multiply n numbers at an address by the scales of their blocks, to another address."""
    for k in range((n + size - 1) // size):
        first, scale = k * size * width, scales[k] if scales[k] != 0 else instead_of_zero
        if (k + 1) * size <= n:
            for j in range(0, size, lanes):
                operation(x + first + j * width, y + first + j * width, scale, lanes)
        else:
            for j in range(n - k * size):
                operation(x + first + j * width, y + first + j * width, scale, 1)
