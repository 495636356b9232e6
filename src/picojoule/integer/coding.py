"""Weights that are few different numbers, stored as indices into a table of those: small floats, codebooks.

A weight is `table[code] · 2^shift`. The table has at most 256 numbers of 16 bits; without blocks all shifts are 0, else
each block of so many input channels has one of its own, from 0 to 15. Whole numbers come first: codes follow from them,
and so every engine may take the whole numbers, and a device look them up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from picojoule.integer.packing import pack

CODE_BITS = 8
MOST_ENTRIES = 1 << CODE_BITS
ENTRY_BITS = 16
SHIFT_BITS = 4


@dataclass(frozen=True, eq=False)
class Coding:
    """The `table`, int64, ascending; and the `shifts` of blocks of `block` inputs: [outputs, blocks, ...], or none."""

    table: Tensor
    block: int = 0
    shifts: Tensor | None = None

    @property
    def bits(self) -> int:
        """The least bits of a code."""
        return max(1, (len(self.table) - 1).bit_length())

    def codes(self, values: Tensor) -> Tensor:
        """For whole numbers their places in the table."""
        return torch.searchsorted(self.table, values >> self._shifts(values.shape))

    def values(self, codes: Tensor) -> Tensor:
        """The whole numbers of codes."""
        return self.table[codes] << self._shifts(codes.shape)

    def holds(self, values: Tensor) -> bool:
        """Whether all whole numbers are some of the table's, shifted."""
        return torch.equal(self.values(self.codes(values).clamp(max=len(self.table) - 1)), values)

    @property
    def packed_bytes(self) -> int:
        """Bytes that table and shifts are stored in."""
        return len(self.pack())

    def pack(self) -> Tensor:
        """The table's numbers at 16 bits and then the shifts at 4, as `packing.pack`."""
        table = pack(self.table, ENTRY_BITS, "signed")
        return table if self.shifts is None else torch.cat([table, pack(self.shifts, SHIFT_BITS, "unsigned")])

    def to_table(self) -> dict[str, int]:
        """What the packed bytes do not say."""
        return {"entries": len(self.table), "block": self.block}

    def _shifts(self, shape: Sequence[int]) -> Tensor:
        """The shift of each weight."""
        if self.shifts is None:
            return torch.zeros((), dtype=torch.int64)
        return self.shifts.repeat_interleave(self.block, dim=1)[:, : shape[1]]


def blocks_of(shape: Sequence[int], block: int) -> tuple[int, ...]:
    """The shape of the shifts of weights of a shape."""
    return (shape[0], -(-shape[1] // block), *shape[2:])


def coded(values: Tensor, block: int = 0) -> Coding:
    """The coding of whole numbers [outputs, inputs, ...] with the least table that its blocks' largest shifts give."""
    if not block:
        return Coding(values.unique())
    outputs, inputs, *_ = values.shape
    block = min(block, inputs)
    last = torch.where(values != 0, torch.frexp((values & -values).double())[1].long() - 1, 1 << SHIFT_BITS)
    blocks = torch.full((outputs, -(-inputs // block) * block, *values.shape[2:]), 1 << SHIFT_BITS)
    blocks[:, :inputs] = last
    shifts = blocks.unflatten(1, (-1, block)).amin(dim=2)
    shifts = torch.where(shifts < 1 << SHIFT_BITS, shifts, 0)
    each = shifts.repeat_interleave(block, dim=1)[:, :inputs]
    return Coding((values >> each).unique(), *((block, shifts) if shifts.any() else ()))
