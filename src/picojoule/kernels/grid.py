"""Rounding to an equally spaced grid, the one hot loop of fixed point: scale, round, clamp, scale back, or stop there
and count from the least: numbers as bytes, for integer layers.

The factor is a power of two, so both scalings are exact in float32 and float64 and the only rounding is the one that
is meant: half to even.
"""

import torch
from torch import Tensor

from picojoule.kernels import compiled


def round_to_grid(x: Tensor, factor: float | Tensor, low: int, high: int, out: Tensor | None = None) -> Tensor:
    """`clamp(round(x * factor), low, high) / factor`, ties to even, element by element; the gradient passes straight
    through where `low / factor <= x <= (high + 1) / factor`.

    x [n, c, h, w] float32 or float64; factor a power of two, or a tensor of them that broadcasts to x, for example
    [c, 1, 1, 1]; low and high integers of at most 24 bits. NaN stays NaN, ±Inf saturates, a value that rounds to zero
    from below gives -0 (which equals 0), an empty tensor gives an empty one. With `out`, a tensor of x's shape and
    dtype that may be x itself, nothing is allocated.
    """
    if compiled.direct(x):
        if out is not None and type(factor) is float and compiled.at_once("grid", x, factor, (low, high), out):
            return out
        return eager(x, factor, low, high, out)
    if not isinstance(factor, Tensor):
        factor = torch.full((), factor, dtype=x.dtype, device=x.device)
    result: Tensor = torch.ops.picojoule.round_to_grid(x, factor, low, high)
    return result if out is None else out.copy_(result)


def eager(x: Tensor, factor: float | Tensor, low: int, high: int, out: Tensor | None = None) -> Tensor:
    """`round_to_grid` of tensors as they lie there: compiled where a loop serves."""
    if isinstance(factor, Tensor):
        y = compiled.run("grid", x, (factor,), (low, high), factor.shape, out=out)
    else:
        y = compiled.run("grid", x, (compiled.constant(factor, x.dtype),), (low, high), out=out)
    return plain(x, factor, low, high, out) if y is None else y


def plain(x: Tensor, factor: float | Tensor, low: int, high: int, out: Tensor | None = None) -> Tensor:
    """`round_to_grid` by operations of torch: one output buffer, and the other steps in place in it."""
    out = torch.mul(x, factor, out=out)
    return out.round_().clamp_(low, high).div_(factor)


def codes_of(x: Tensor, factor: float, low: int, high: int) -> Tensor:
    """`clamp(round(x * factor), low, high) - low` as uint8, ties to even: what `round_to_grid` gives, as whole numbers.

    x any shape, float32, without NaN; factor a power of two; high - low at most 255. The result lies in memory as x.
    """
    factors = (compiled.constant(factor, x.dtype),)
    y = compiled.run("codes", x, factors, (low, high), dtype=torch.uint8) if compiled.direct(x) else None
    return plain_codes(x, factor, low, high) if y is None else y


def plain_codes(x: Tensor, factor: float, low: int, high: int) -> Tensor:
    """`codes_of` by operations of torch."""
    return torch.mul(x, factor).round_().clamp_(low, high).sub_(low).to(torch.uint8)
