"""Rounding to the nearest of a sorted table of numbers: what small floats, NF4, codebooks and the sign have in common.

A table knows the first value that goes to each member, in the type of the values. So ties are settled once, when the
table is made; rounding is comparisons alone, no distance is computed and nothing is rounded twice.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from picojoule.kernels import compiled
from picojoule.kernels.loops import PART, SMALL

_KINDS: dict[torch.dtype, type[np.floating[Any]]] = {torch.float32: np.float32, torch.float64: np.float64}


class Table:
    """At least two numbers in ascending order, each exact in float32.

    A value midway between two members goes to the one an even number of members away from zero, and where zero is no
    member to the greater: the law of `Format`.

    >>> Table([-1.0, 0.0, 0.5, 1.0]).at(2.0, torch.float32)[1]
    tensor([   -inf, -1.0000,  0.5000,  1.5000])
    """

    def __init__(self, members: Sequence[float]) -> None:
        if len(members) < 2 or any(not one < other for one, other in pairwise(members)):
            raise ValueError("a table has at least two members, in ascending order")
        more = (SMALL if len(members) <= SMALL else -(-len(members) // PART) * PART) - len(members)
        self._members = [*members, *[members[-1]] * more]
        self._firsts = {dtype: _firsts(members, kind) + [np.inf] * more for dtype, kind in _KINDS.items()}
        self._kept: dict[tuple[float, torch.dtype], tuple[Tensor, Tensor]] = {}

    def at(
        self, scale: float | Tensor, dtype: torch.dtype, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor]:
        """The members, and the first value of each, times the scale: [k], or [*scale.shape, k].

        The scale is a power of two, the dtype float32 or float64. There may be more entries than members: the last one
        again, which nothing reaches.
        """
        numbers = (torch.tensor(each, dtype=dtype, device=device) for each in (self._members, self._firsts[dtype]))
        members, firsts = (each * (scale[..., None] if isinstance(scale, Tensor) else scale) for each in numbers)
        return members, firsts

    def kept(self, scale: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """`at` in main memory, made once; not to be changed."""
        if (scale, dtype) not in self._kept:
            self._kept[scale, dtype] = self.at(scale, dtype)
        return self._kept[scale, dtype]


def middles(members: Sequence[float]) -> Iterator[tuple[Fraction, bool]]:
    """What lies midway between each two neighbours, and whether it goes to the lower.

    >>> [*middles([-1.0, 0.0, 1.0])]
    [(Fraction(-1, 2), False), (Fraction(1, 2), True)]
    """
    zero = members.index(0) if 0 in members else None
    for place, (one, other) in enumerate(pairwise(members)):
        yield (Fraction(one) + Fraction(other)) / 2, zero is not None and (place - zero) % 2 == 0


def round_to_table(x: Tensor, table: Table, scale: float | Tensor = 1.0, out: Tensor | None = None) -> Tensor:
    """The nearest member of the table times the scale, element by element; the gradient passes straight through between
    the table's ends.

    x float32 or float64 of any shape; the scale a power of two, or a tensor of them of x's type that broadcasts to x,
    for example [c, 1, 1, 1]. NaN stays NaN, ±Inf goes to the ends, an empty tensor gives an empty one. With `out`, a
    tensor of x's shape and dtype that may be x itself, nothing is allocated.
    """
    if x.dtype not in _KINDS:  # what is shorter than float32 is exact there
        wide = round_to_table(x.float(), table, scale.float() if isinstance(scale, Tensor) else scale)
        return wide.to(x.dtype) if out is None else out.copy_(wide)
    if compiled.direct(x):
        if x.is_cpu and not isinstance(scale, Tensor):
            return eager(x, *table.kept(scale, x.dtype), out)
        return eager(x, *table.at(scale, x.dtype, x.device), out)
    result: Tensor = torch.ops.picojoule.round_to_table(x, *table.at(scale, x.dtype, x.device))
    return result if out is None else out.copy_(result)


def eager(x: Tensor, members: Tensor, firsts: Tensor, out: Tensor | None = None) -> Tensor:
    """`round_to_table` of tensors as they lie there: compiled where a loop serves.

    Of members and firsts [..., k] all axes but the last broadcast to x.
    """
    k = members.shape[-1]
    name, parts = ("small table", 1) if k == SMALL else ("table", k // PART)
    y = compiled.run(name, x, (members, firsts), (parts,), members.shape[:-1], out=out)
    return plain(x, members, firsts, out) if y is None else y


def plain(x: Tensor, members: Tensor, firsts: Tensor, out: Tensor | None = None) -> Tensor:
    """`round_to_table` by operations of torch."""
    if members.dim() == 1:
        place = torch.bucketize(x.contiguous(), firsts[1:].contiguous(), right=True)
        result = torch.where(x.isnan(), x, members[place])
    else:
        result = x
        for k in range(members.shape[-1]):  # the first of all is -inf: only NaN stays what it was
            result = torch.where(x >= firsts[..., k], members[..., k], result)
    return result if out is None else out.copy_(result)


def _firsts(members: Sequence[float], kind: type[np.floating[Any]]) -> list[float]:
    """From which value of a kind on each member is the nearest; the least is from -inf on."""
    firsts = [-np.inf]
    for middle, goes_down in middles(members):
        near = kind(float(middle))
        later = Fraction(float(near)) < middle or (Fraction(float(near)) == middle and goes_down)
        firsts.append(float(np.nextafter(near, kind(np.inf)) if later else near))
    return firsts
