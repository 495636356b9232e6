"""Rounding to an equally spaced grid, the one hot loop of fixed point: scale, round, clamp, scale back.

The factor is a power of two, so both scalings are exact in float32 and float64 and the only rounding is the one that
is meant: half to even. One output buffer is allocated (or given) and the other steps run in place in it.
"""

import torch
from torch import Tensor


def round_to_grid(x: Tensor, factor: float | Tensor, low: int, high: int, out: Tensor | None = None) -> Tensor:
    """`clamp(round(x * factor), low, high) / factor`, ties to even, element by element.

    x [n, c, h, w] float32 or float64; factor a power of two, or a tensor of them that broadcasts to x, for example
    [c, 1, 1, 1]; low and high integers of at most 24 bits. NaN stays NaN, ±Inf saturates, a value that rounds to zero
    from below gives -0 (which equals 0), an empty tensor gives an empty one. With `out`, a tensor of x's shape and
    dtype that may be x itself, nothing is allocated.
    """
    out = torch.mul(x, factor, out=out)
    return out.round_().clamp_(low, high).div_(factor)
