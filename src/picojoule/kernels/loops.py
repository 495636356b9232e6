"""The loops themselves, in the Python that numba compiles. Imported only where machine code is first needed.

Each runs over `rows` rows of `n` numbers that lie one after the other; every row has parameters of its own. They are
written for LLVM to make vector code of: indices count from zero, nothing divides, numbers stay of one type, loads come
before choices, and writing in place (`here`) is machine code of its own, since a loop from one tensor to another is
made into vectors for the case that they lie apart.
"""

import numpy as np
import torch
from numba import carray, njit, types
from numba.extending import intrinsic

from picojoule.kernels.compiled import PART, SMALL, Loop

BLOCK = 1024
"""A long table is passed in parts, for so many numbers at a time, which stay in the nearest cache."""


def compile(name: str, here: bool, dtype: torch.dtype) -> Loop:
    """The machine code of a loop for float32 or float64; `here` for the one that writes what it reads.

    It is read from the disk if an earlier process left it there, and lets other threads run while it does.
    """
    number = types.float32 if dtype == torch.float32 else types.float64
    source, kinds = {
        "grid": lambda: (grid(here, number), "aannaff"),
        "codes": lambda: (codes(number), "aannaff"),
        "table": lambda: (table(here, number, PART), "aannaan"),
        "small table": lambda: (table(here, number, SMALL), "aannaan"),
        "gate": lambda: (gate(number), "aaannaa"),
        "within": lambda: (within(number), "aannaa"),
        "keep": lambda: (keep(number), "aaann"),
    }[name]()
    signature = types.void(*({"a": types.int64, "n": types.int64, "f": types.float64}[kind] for kind in kinds))
    try:
        return njit(signature, nogil=True, error_model="numpy", cache=True)(source)
    except Exception:  # no folder to keep it in, a full disk, a damaged file
        return njit(signature, nogil=True, error_model="numpy")(source)


def grid(here: bool, real: types.Type) -> Loop:
    """y = clamp(rint(x * factor), low, high) / factor."""

    def grid(x, y, rows, n, factors, low, high):
        xs, ys = carray(_at(y if here else x, real), (rows, n)), carray(_at(y, real), (rows, n))
        each = carray(_at(factors, real), rows)
        for r in range(rows):
            _round(xs[r], ys[r], each[r], real(1 / each[r]), real(low), real(high))

    return grid


def codes(real: types.Type) -> Loop:
    """y = clamp(rint(x * factor), low, high) - low, as bytes."""

    def codes(x, y, rows, n, factors, low, high):
        xs, ys = carray(_at(x, real), (rows, n)), carray(_at(y, types.uint8), (rows, n))
        each = carray(_at(factors, real), rows)
        for r in range(rows):
            _encode(xs[r], ys[r], each[r], real(low), real(high))

    return codes


def table(here: bool, real: types.Type, part: int) -> Loop:
    """y = the last member whose `first` is at most x; NaN where x is. Each part of a table has `part` members."""

    def table(x, y, rows, n, members, firsts, parts):
        xs, ys = carray(_at(x, real), (rows, n)), carray(_at(y, real), (rows, n))
        shape = rows, parts, part
        some, theirs = carray(_at(members, real), shape), carray(_at(firsts, real), shape)
        kept = np.empty(BLOCK, real)
        for r in range(rows):
            for start in range(0, n, BLOCK):
                values, out = xs[r, start : start + BLOCK], ys[r, start : start + BLOCK]
                if here:
                    for j in range(len(out)):
                        kept[j] = out[j]
                    values = kept[: len(out)]
                _climb(values, values, out, some[r, 0], theirs[r, 0])
                for k in range(1, parts):
                    _climb(values, out, out, some[r, k], theirs[r, k])

    return table


def gate(real: types.Type) -> Loop:
    """y = gradient where low <= x <= high, else 0."""

    def gate(gradient, x, y, rows, n, lows, highs):
        gradients, xs = carray(_at(gradient, real), (rows, n)), carray(_at(x, real), (rows, n))
        ys, low, high = carray(_at(y, real), (rows, n)), carray(_at(lows, real), rows), carray(_at(highs, real), rows)
        for r in range(rows):
            _pass(gradients[r], xs[r], ys[r], low[r], high[r], real(0))

    return gate


def within(real: types.Type) -> Loop:
    """y = low <= x <= high, as bytes."""

    def within(x, y, rows, n, lows, highs):
        xs, ys = carray(_at(x, real), (rows, n)), carray(_at(y, types.uint8), (rows, n))
        low, high = carray(_at(lows, real), rows), carray(_at(highs, real), rows)
        for r in range(rows):
            for j in range(n):
                ys[r, j] = (xs[r, j] >= low[r]) & (xs[r, j] <= high[r])

    return within


def keep(real: types.Type) -> Loop:
    """y = gradient where the byte of the mask is not zero, else 0."""

    def keep(mask, gradient, y, rows, n):
        kept, gradients = carray(_at(mask, types.uint8), rows * n), carray(_at(gradient, real), rows * n)
        ys = carray(_at(y, real), rows * n)
        for j in range(rows * n):
            passed = gradients[j]
            ys[j] = passed if kept[j] else real(0)

    return keep


@intrinsic
def _at(context, address, real):
    """The pointer to real numbers at an address, for `carray`."""
    pointer = types.CPointer(real.instance_type)

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(address, real), generate


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
def _climb(x, found, y, members, firsts):
    for j in range(len(y)):
        value, best = x[j], found[j]
        for k in range(len(members)):
            member = members[k]
            best = member if value >= firsts[k] else best
        y[j] = best


@njit(inline="always")
def _pass(gradient, x, y, low, high, zero):
    for j in range(len(y)):
        passed = gradient[j]
        y[j] = passed if (x[j] >= low) & (x[j] <= high) else zero
