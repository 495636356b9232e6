"""The backward of straight-through rounding: the gradient passes where the value lay within bounds, else it is zero.

Where the values are kept anyway, as weights are, one pass over them and the gradient does (`pass_within`). Where the
rounded values take their place, a mask is kept, a byte each (`within`, `pass_where`): a fresh tensor of four bytes each
would cost more, in page faults, than all the rest. Compilers and tracers see plain torch operations, which they fuse.
"""

import torch
from torch import Tensor

from picojoule.kernels import compiled

Bound = float | Tensor
"""A number, or a tensor that broadcasts to the values, for example [c, 1, 1, 1]."""


def pass_within(gradient: Tensor, x: Tensor, low: Bound, high: Bound) -> Tensor:
    """`gradient` where `low <= x <= high`, else 0, even where it is infinite; a NaN in x passes nothing."""
    if compiled.direct(gradient) and compiled.ordinary(x):
        bounds, shape = _tensors(x, low, high)
        y = compiled.run("gate", x, bounds, shape=shape, beside=gradient)
        if y is not None:
            return y
    return torch.where((x >= low) & (x <= high), gradient, 0)


def within(x: Tensor, low: Bound, high: Bound) -> Tensor:
    """Where `low <= x <= high`, as booleans; NaN is nowhere."""
    if compiled.direct(x):
        bounds, shape = _tensors(x, low, high)
        y = compiled.run("within", x, bounds, shape=shape, dtype=torch.bool)
        if y is not None:
            return y
    return (x >= low) & (x <= high)


def pass_where(gradient: Tensor, mask: Tensor) -> Tensor:
    """`gradient` where the mask is true, else 0."""
    if compiled.direct(gradient) and compiled.ordinary(mask):
        y = compiled.run("keep", gradient, beside=mask)
        if y is not None:
            return y
    return torch.where(mask, gradient, 0)


def _tensors(x: Tensor, low: Bound, high: Bound) -> tuple[tuple[Tensor, Tensor], tuple[int, ...] | None]:
    """Bounds as loops want them, and their shape, which numbers have none of."""
    if not (isinstance(low, Tensor) or isinstance(high, Tensor)):
        return (compiled.constant(low, x.dtype), compiled.constant(high, x.dtype)), None
    one, other = torch.broadcast_tensors(torch.as_tensor(low), torch.as_tensor(high))
    return (one, other), one.shape
