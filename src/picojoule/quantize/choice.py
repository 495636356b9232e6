"""How each site is quantised at a plan: its format and its range, and the biases that go with them."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.calibration import Range, Ranges
from picojoule.errors import PlanError
from picojoule.formats import Format, Lut
from picojoule.network import Network
from picojoule.plan import Plan


class Choice(NamedTuple):
    """How one site is quantised, and along which axis blocks lie (`network.Site`); where its format does not round, the
    range says nothing and is the same for all."""

    format: Format
    range: Range
    axis: int = 1

    def quantize(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """x at this format and range; with one exponent per channel, a row of axis 0 is a channel."""
        exponents = self.range.exponents
        if len(exponents) == 1:
            return along(self.axis, self.format, x, exponents[0], self.range.signed, out)
        by_row = torch.tensor(exponents, dtype=torch.int32, device=x.device).reshape(-1, *[1] * (x.dim() - 1))
        return along(self.axis, self.format, x, by_row, self.range.signed, out)


def along(
    axis: int, format: Format, x: Tensor, exponent: int | Tensor, signed: bool, out: Tensor | None = None
) -> Tensor:
    """`format.quantize`, with blocks along an axis of x: formats lay them along dimension 1 of what they are given."""
    if axis == 1 or not format.with_scales:
        return format.quantize(x, exponent, signed, out)
    out = torch.empty_like(x) if out is None else out
    format.quantize(x.movedim(axis, 1), exponent, signed, out.movedim(axis, 1))
    return out


def choices(network: Network, plan: Plan, ranges: Ranges) -> dict[str, Choice]:
    """How each site is quantised at an expanded plan.

    Raises:
        PlanError: the plan or the ranges do not fit the network.
    """
    chosen = {}
    for name, format in plan.formats.items():
        site = network.sites[name]
        found = ranges.sites.get(name, None if format.rounds else Range((0,), signed=True))
        if found is None:
            raise PlanError(f"the ranges have no site '{name}'; calibrate this network again")
        if len(found.exponents) not in (1, site.channels):
            raise PlanError(
                f"the ranges of '{name}' have {len(found.exponents)} exponents; the site has {site.channels} channels"
            )
        if found.shift and (name not in network.biases or len(found.shift) != site.channels):
            raise PlanError(f"the shift of '{name}' does not fit the layer's biases; calibrate this network again")
        if isinstance(format, Lut) and not format.takes(found.members, found.signed):
            raise PlanError(f"the ranges of '{name}' do not have the numbers of {format}; calibrate this network again")
        chosen[name] = Choice(format.with_members(found.members), found, site.axis)
    unknown = [name for name in ranges.sites if name not in network.sites]
    if unknown:
        raise PlanError(f"the ranges name '{unknown[0]}', which is no site of the network; calibrate it again")
    return chosen


def shifted_biases(network: Network, chosen: Mapping[str, Choice]) -> dict[str, Tensor]:
    """The biases that the ranges shift, by their names in the network."""
    return {
        bias: network.tensors[bias] + torch.tensor(choice.range.shift, dtype=network.tensors[bias].dtype)
        for site, bias in network.biases.items()
        if (choice := chosen[site]).format.rounds and any(choice.range.shift)
    }
