"""Rounding in blocks along an axis of a tensor, each with a scale: what MX formats, NVFP4 and NF4 are used with.

Where the scale of a block follows from its own numbers (`Scales`), one pass over memory finds it and rounds with it.
Where it takes more than that, `maxima` is one pass, and rounding with the scales that were made of them another.

Everything is computed in x's own type: a number is divided by the scale, rounded to the nearest member, multiplied by
the scale. NaN stays NaN and does not count in its block; ±Inf counts as the type's largest number.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from picojoule.kernels import compiled, minifloat, table
from picojoule.kernels.loops import SMALL
from picojoule.kernels.table import Table

_BITS = {torch.float32: (torch.int32, 0xFF << 23), torch.float64: (torch.int64, 0x7FF << 52)}
"""A float as a whole number, and where in that its exponent is."""


class Floats(NamedTuple):
    """The numbers of a minifloat, or with none above 2^least_exponent those of fixed point."""

    mantissa_bits: int
    least_exponent: int
    largest: float


class Scales(NamedTuple):
    """Scales that follow from the largest magnitude of a block: that itself, in float32, or the power of two that does
    not exceed it (E8M0), divided by a number, which is the largest member, or a power of two.

    They are at least the least float32 above zero, and powers from 2^-127 to 2^127.
    """

    divisor: float = 1.0
    powers: bool = False

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest."""
        if self.powers:
            return 2.0**-127, 2.0**127
        most = torch.finfo(torch.float32).max
        end = torch.tensor(most / self.divisor, dtype=torch.float32)
        return 2.0**-149, float(end if float(end) * self.divisor <= most else end.nextafter(torch.tensor(0.0)))

    def of(self, largest: Tensor) -> Tensor:
        """The scales of blocks with these largest magnitudes."""
        if self.powers:
            whole, mask = _BITS[largest.dtype]
            largest = (largest.view(whole) & mask).view(largest.dtype)
        scales = (largest / self.divisor).clamp(*self.bounds)
        return scales if self.powers else scales.float().to(largest.dtype)


def maxima(x: Tensor, size: int, axis: int = -1) -> Tensor:
    """The largest magnitude of each block along an axis of x [..., n, ...], as [..., blocks, ...]; no gradient passes.

    x float32 or float64; the last block of a row may be shorter. NaN counts as 0, ±Inf as the type's largest number.
    """
    x, axis = x.detach(), axis % x.dim()
    if _lies_along(x, axis):
        return maxima(x.movedim(axis, -1), size).movedim(-1, axis)
    x = x.contiguous()
    found = _for_each_block(x, size, axis)
    if compiled.direct(x) and compiled.over_blocks("maxima", x, axis, size, found):
        return found
    return plain_maxima(x, size, axis)


def round_in_blocks(
    x: Tensor, size: int, scales: Scales | Tensor, members: Floats | Table, out: Tensor | None = None, axis: int = -1
) -> Tensor:
    """The nearest member to each number of x [..., n, ...] over the scale of its block along an axis, times the scale.

    No gradient passes. x float32 or float64, blocks of at least two, of which the last of a row may be shorter;
    `scales` how to find them, or the scales themselves [..., blocks, ...] of x's type, not negative, where 0 makes
    zeros of its block. With `out`, a tensor of x's shape and dtype that may be x itself, the result is written there.
    """
    x, axis = x.detach(), axis % x.dim()
    if _lies_along(x, axis):
        given = scales.movedim(axis, -1) if isinstance(scales, Tensor) else scales
        target = torch.empty_like(x) if out is None else out
        round_in_blocks(x.movedim(axis, -1), size, given, members, target.movedim(axis, -1))
        return target
    x = x.contiguous()
    target = torch.empty_like(x) if out is None or not out.is_contiguous() else out
    if compiled.direct(x) and _compiled(x, size, scales, members, target, axis):
        return target if out is None or target is out else out.copy_(target)
    result = plain(x, size, scales.of(maxima(x, size, axis)) if isinstance(scales, Scales) else scales, members, axis)
    return result if out is None else out.copy_(result)


def plain_maxima(x: Tensor, size: int, axis: int = -1) -> Tensor:
    """`maxima` by operations of torch."""
    runs = x.movedim(axis, -1)
    blocks = -(-runs.shape[-1] // size)
    whole = pad(runs.abs().nan_to_num(nan=0.0), (0, blocks * size - runs.shape[-1]))
    largest: Tensor = whole.unflatten(-1, (blocks, size)).amax(-1)
    return largest.movedim(-1, axis)


def plain(x: Tensor, size: int, scales: Tensor, members: Floats | Table, axis: int = -1) -> Tensor:
    """`round_in_blocks` with given scales, by operations of torch."""
    each = scales.repeat_interleave(size, axis).movedim(axis, 0)[: x.shape[axis]].movedim(0, axis)
    units = x / torch.where(each == 0, 1, each)
    if isinstance(members, Table):
        return table.plain(units, *members.at(1.0, x.dtype, x.device)).mul_(each)
    return minifloat.plain(units, *members).mul_(each)


def _lies_along(x: Tensor, axis: int) -> bool:
    """Whether the numbers of a block lie side by side in memory, though the axis is not the last: channels last."""
    return axis != x.dim() - 1 and not x.is_contiguous() and x.movedim(axis, -1).is_contiguous()


def _for_each_block(x: Tensor, size: int, axis: int) -> Tensor:
    """A tensor to be filled, with a number for each block."""
    return x.new_empty(*x.shape[:axis], -(-x.shape[axis] // size), *x.shape[axis + 1 :])


def _compiled(x: Tensor, size: int, scales: Scales | Tensor, members: Floats | Table, out: Tensor, axis: int) -> bool:
    """`round_in_blocks` to `out` by a loop: whether one could."""
    found: tuple[float, ...] = (0, 1.0, 0.0, 0.0)
    if isinstance(scales, Scales):
        if x.dtype != torch.float32:  # scales are float32
            scales = scales.of(maxima(x, size, axis))
        else:
            found = (_BITS[x.dtype][1] if scales.powers else -1, scales.divisor, *scales.bounds)
            scales = _for_each_block(x, size, axis)
    numbers: tuple[float, ...]
    if isinstance(members, Table):
        name, entries = "blocks of members", members.kept(1.0, x.dtype)
        numbers = (*(each.data_ptr() for each in entries), len(entries[0]) // SMALL, 0, 0, 0)
    else:
        name, numbers = "blocks of floats", minifloat.within_type(x.dtype, *members)
    return bool(numbers) and compiled.over_blocks(name, x, axis, size, scales.contiguous(), (*found, *numbers), out)
