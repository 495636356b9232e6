"""Rounding to grids, to tables and to minifloats."""

import numpy as np
from numba import carray, njit, types

from picojoule.kernels.loops import Loop
from picojoule.kernels.loops.memory import at

BLOCK = 1024
"""A long table is passed in parts, for so many numbers at a time, which stay in the nearest cache."""


def grid(here: bool, real: types.Type) -> Loop:
    """y = clamp(rint(x * factor), low, high) / factor."""

    def grid(x, y, rows, n, factors, low, high):
        xs, ys = carray(at(y if here else x, real), (rows, n)), carray(at(y, real), (rows, n))
        each = carray(at(factors, real), rows)
        for r in range(rows):
            _round(xs[r], ys[r], each[r], real(1 / each[r]), real(low), real(high))

    return grid


def codes(real: types.Type) -> Loop:
    """y = clamp(rint(x * factor), low, high) - low, as bytes."""

    def codes(x, y, rows, n, factors, low, high):
        xs, ys = carray(at(x, real), (rows, n)), carray(at(y, types.uint8), (rows, n))
        each = carray(at(factors, real), rows)
        for r in range(rows):
            _encode(xs[r], ys[r], each[r], real(low), real(high))

    return codes


def table(here: bool, real: types.Type, part: int) -> Loop:
    """y = the last member whose `first` is at most x; NaN where x is. Each part of a table has `part` members."""

    def table(x, y, rows, n, members, firsts, parts):
        xs, ys = carray(at(x, real), (rows, n)), carray(at(y, real), (rows, n))
        shape = rows, parts, part
        some, theirs = carray(at(members, real), shape), carray(at(firsts, real), shape)
        kept = np.empty(BLOCK, real)
        for r in range(rows):
            for start in range(0, n, BLOCK):
                values, out = xs[r, start : start + BLOCK], ys[r, start : start + BLOCK]
                if here:
                    for j in range(len(out)):
                        kept[j] = out[j]
                    values = kept[: len(out)]
                climb(values, values, out, some[r, 0], theirs[r, 0])
                for k in range(1, parts):
                    climb(values, out, out, some[r, k], theirs[r, k])

    return table


@njit(inline="always")
def _round(x, y, factor, inverse, low, high):
    for j in range(len(y)):
        value = np.rint(x[j] * factor)
        value = low if value < low else value  # NaN fails both comparisons and stays, and so does -0
        value = high if value > high else value
        y[j] = value * inverse


@njit(inline="always")
def _encode(x, y, factor, low, high):
    for j in range(len(y)):
        value = np.rint(x[j] * factor)
        value = low if value < low else value
        value = high if value > high else value
        y[j] = np.uint8(value - low)


@njit(inline="always")
def climb(x, found, y, members, firsts):
    for j in range(len(y)):
        value, best = x[j], found[j]
        for k in range(len(members)):
            member = members[k]
            best = member if value >= firsts[k] else best
        y[j] = best
