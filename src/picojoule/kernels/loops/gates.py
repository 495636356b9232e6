"""What passes backward: gradients within bounds, and where a mask says so."""

from numba import carray, njit, types

from picojoule.kernels.loops import Loop
from picojoule.kernels.loops.memory import at


def gate(real: types.Type) -> Loop:
    """y = gradient where low <= x <= high, else 0."""

    def gate(gradient, x, y, rows, n, lows, highs):
        gradients, xs = carray(at(gradient, real), (rows, n)), carray(at(x, real), (rows, n))
        ys, low, high = carray(at(y, real), (rows, n)), carray(at(lows, real), rows), carray(at(highs, real), rows)
        for r in range(rows):
            _pass(gradients[r], xs[r], ys[r], low[r], high[r], real(0))

    return gate


def within(real: types.Type) -> Loop:
    """y = low <= x <= high, as bytes."""

    def within(x, y, rows, n, lows, highs):
        xs, ys = carray(at(x, real), (rows, n)), carray(at(y, types.uint8), (rows, n))
        low, high = carray(at(lows, real), rows), carray(at(highs, real), rows)
        for r in range(rows):
            for j in range(n):
                ys[r, j] = (xs[r, j] >= low[r]) & (xs[r, j] <= high[r])

    return within


def keep(real: types.Type) -> Loop:
    """y = gradient where the byte of the mask is not zero, else 0."""

    def keep(mask, gradient, y, rows, n):
        kept, gradients = carray(at(mask, types.uint8), rows * n), carray(at(gradient, real), rows * n)
        ys = carray(at(y, real), rows * n)
        for j in range(rows * n):
            passed = gradients[j]
            ys[j] = passed if kept[j] else real(0)

    return keep


@njit(inline="always")
def _pass(gradient, x, y, low, high, zero):
    for j in range(len(y)):
        passed = gradient[j]
        y[j] = passed if (x[j] >= low) & (x[j] <= high) else zero
