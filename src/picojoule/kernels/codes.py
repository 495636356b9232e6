"""Numbers of an equally spaced grid as bytes, for integer layers: scale, round, clamp, and count from the least."""

import torch
from torch import Tensor

from picojoule.kernels import compiled


def codes_of(x: Tensor, factor: float, low: int, high: int) -> Tensor:
    """`clamp(round(x * factor), low, high) - low` as uint8, ties to even: what `round_to_grid` gives, as whole numbers.

    x any shape, float32, without NaN; factor a power of two; high - low at most 255. The result lies in memory as x.
    """
    factors = (compiled.constant(factor, x.dtype),)
    y = compiled.run("codes", x, factors, (low, high), dtype=torch.uint8) if compiled.direct(x) else None
    return plain(x, factor, low, high) if y is None else y


def plain(x: Tensor, factor: float, low: int, high: int) -> Tensor:
    """`codes_of` by operations of torch."""
    return torch.mul(x, factor).round_().clamp_(low, high).sub_(low).to(torch.uint8)
