"""Weights that share the few numbers of a codebook: which weight has which stays, the numbers train.

The gradient of a number is the sum of those of the weights that have it (Han, Mao, Dally, *Deep Compression*, arXiv
1510.00149, equation 3).
"""

from typing import Any

import torch
from torch import Tensor, nn

from picojoule.calibration import Range
from picojoule.formats import Lut
from picojoule.quantize import Choice


class Shared(nn.Module):
    """A layer's weights as indices into a table that trains, which holds what the format's table can.

    The table is on the unit scale of the range's exponent, where its numbers end.
    """

    indices: Tensor

    def __init__(self, choice: Choice, weights: Tensor) -> None:
        """Indices and table as the weights are quantised now."""
        super().__init__()
        format, self._range, _ = choice
        assert isinstance(format, Lut)
        self.format = format
        members = torch.tensor(self._range.members, dtype=torch.float64)
        units = choice.quantize(weights.detach().double()) * 2.0 ** -self._range.exponents[0]
        self.register_buffer("indices", torch.searchsorted(members, units).clamp(max=len(members) - 1).to(torch.uint8))
        self.table = nn.Parameter(members.float())

    @property
    def range(self) -> Range:
        """The range with the numbers as they are now."""
        members = self.format.entries(self.table.detach().cpu(), self._range.signed)
        return Range(self._range.exponents, self._range.signed, members=members)

    def forward(self, weights: Tensor) -> Tensor:
        """The weights that the layer sees, whatever those given."""
        if self.training:
            self.table.data.clamp_(-1 if self._range.signed else 0, 1)
        rounded = self.format.rounded(self.table.detach(), self._range.signed)
        through = self.table + (rounded - self.table.detach())
        shared: Tensor = _Shared.apply(through, self.indices)  # type: ignore[no-untyped-call]
        return shared * 2.0 ** self._range.exponents[0]


class _Shared(torch.autograd.Function):
    """The table's numbers by index; backward, the sum over all that have an index."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, indices: Tensor) -> Tensor:
        ctx.save_for_backward(indices)
        ctx.count = len(table)
        return table[indices.int()]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (indices,) = ctx.saved_tensors
        flat = gradients[0].reshape(-1)
        sums = torch.zeros(ctx.count, dtype=torch.float64, device=flat.device)
        return sums.index_add_(0, indices.reshape(-1).int(), flat.double()).to(flat.dtype), None
