"""Rounding in blocks whose numbers lie apart in memory, those of neighbouring blocks side by side.

So lie the channels of images: x [rows, channels, positions] has a block for each position. Vector code is made over the
positions, as memory lies: the largest magnitudes of some blocks at once, their scales, and then row by row what is
nearest. Where positions are few, as in weights of 3 x 3, several rows of channels are taken as one.
"""

import numpy as np
from numba import carray, njit, types

from picojoule.kernels.loops import Loop
from picojoule.kernels.loops.floats import rounding, whole_of
from picojoule.kernels.loops.memory import at, cast

AT_ONCE = 256
"""At most so many numbers that lie side by side are worked on at a time."""
TOGETHER = 8
"""At most so many rows are taken as one."""


def maxima_across(real: types.Type) -> Loop:
    """found = the largest finite magnitude of each block of a row."""
    whole, width = whole_of(real), real.bitwidth // 8

    def maxima_across(x, rows, n, found, size, apart):
        count = (n // apart + size - 1) // size
        each = carray(at(found, real), (rows, count, apart))
        peaks, as_it_is = np.empty(AT_ONCE, whole), (whole(-1), real(1), real(0), real(np.inf))
        for r in range(rows):
            for k in range(count):
                tall = min(size, n // apart - k * size)
                some = _together(tall, apart)
                tile = carray(at(x + (r * n + k * size * apart) * width, real), (tall // some, some * apart))
                for start in range(0, some * apart, AT_ONCE):
                    part = tile[:, start : start + AT_ONCE]
                    _find(part, each[r, k, start:], apart, some, peaks[: part.shape[1]], real, whole, as_it_is)

    return maxima_across


def blocks_across(real: types.Type, members: bool) -> Loop:
    """y = what is nearest to x / the scale of its block, a minifloat or a member of a table, times that scale.

    Where there is a mask the scales are found first, and written too.
    """
    whole, width, round_them = whole_of(real), real.bitwidth // 8, rounding(members)

    def blocks_across(x, y, rows, n, scales, mask, divisor, floor, ceiling, a, b, c, d, e, f, size, apart):
        count = (n // apart + size - 1) // size
        each = carray(at(scales, real), (rows, count, apart))
        kept, peaks = np.empty((3, AT_ONCE), real), np.empty(AT_ONCE, whole)
        found = whole(mask), real(divisor), real(floor), real(ceiling)
        for r in range(rows):
            for k in range(count):
                tall, first = min(size, n // apart - k * size), (r * n + k * size * apart) * width
                some = _together(tall, apart)
                shape = tall // some, some * apart
                tile, target = carray(at(x + first, real), shape), carray(at(y + first, real), shape)
                for start in range(0, some * apart, AT_ONCE):
                    own, wide = each[r, k, start:], min(AT_ONCE, some * apart - start)
                    values, rounded, factors = kept[0, :wide], kept[1, :wide], kept[2, :wide]
                    if mask:
                        _find(tile[:, start : start + wide], own, apart, some, peaks[:wide], real, whole, found)
                    for other in range(some):
                        for i in range(min(apart, wide)):
                            factors[other * apart + i] = own[i]
                    for j in range(tall // some):
                        _divide(tile[j, start : start + wide], factors, values, real)
                        round_them(values, rounded, real, whole, (a, b, c, d, e, f))
                        _multiply(rounded, factors, target[j, start : start + wide])

    return blocks_across


@njit(inline="always")
def _together(tall, apart):
    """How many rows of a block to take as one, so that there are some hundred numbers, and nothing is left over."""
    some = 1
    while 2 * some <= TOGETHER and tall % (2 * some) == 0 and 2 * some * apart <= AT_ONCE:
        some *= 2
    return some


@njit(inline="always")
def _find(part, scales, apart, some, peaks, real, whole, how):
    """The scales of blocks that lie side by side, as `floats` finds those of one."""
    mask, divisor, floor, ceiling = how
    infinity, magnitude, wide = cast(real(np.inf), whole), whole(~cast(real(-0.0), whole)), len(peaks)
    for i in range(wide):
        peaks[i] = 0
    for j in range(len(part)):
        for i in range(wide):
            bits = whole(cast(part[j, i], whole) & magnitude)
            peaks[i] = max(peaks[i], bits if bits <= infinity else whole(0))
    for other in range(1, some):
        for i in range(apart):
            peaks[i] = max(peaks[i], peaks[other * apart + i])
    for i in range(wide // some):
        scale = cast(whole(min(peaks[i], whole(infinity - 1)) & mask), real) / divisor
        scales[i] = min(max(scale, floor), ceiling)


@njit(inline="always")
def _divide(x, scales, y, real):
    for i in range(len(y)):
        y[i] = x[i] / (scales[i] if scales[i] != 0 else real(1))


@njit(inline="always")
def _multiply(x, scales, y):
    for i in range(len(y)):
        y[i] = x[i] * scales[i]
