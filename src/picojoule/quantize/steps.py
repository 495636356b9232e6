"""The steps of which weights and values are whole numbers: powers of two, one for a layer or one for each channel.

A format whose members are whole numbers of one step, of at most 16 bits, has that step whatever the weights are. Of
others, as `e4m3` or blocks with scales, the weights that there are decide.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.quantize.choice import Choice

MOST_BITS = 16
"""Of weights as whole numbers, with the sign of those that have one."""
_DIGITS = 53
_FAR = 1 << 20


class Steps(NamedTuple):
    """`exponents` of steps, one or one for each output channel, and the bits of weights as whole numbers of them."""

    exponents: tuple[int, ...]
    bits: int

    @property
    def fit(self) -> bool:
        """Whether the weights are whole numbers of at most 16 bits."""
        return self.bits <= MOST_BITS


def steps_of(choice: Choice, weights: Tensor) -> Steps:
    """The steps of weights [outputs, ...] that are quantised as chosen, by a format that rounds.

    One step serves all channels wherever 16 bits allow. With scales by block each channel may have its own: the
    coarsest of which its weights are multiples where the common one would take it beyond. Zeros have any step.
    """
    format, range = choice.format, choice.range
    if not format.with_scales and format.bits <= MOST_BITS:
        members = format.grid(range.signed)
        last, _ = _places(members[None])
        whole = members * 2.0 ** -int(last)
        if (bits := _bits(int(whole.min()), int(whole.max()))) <= MOST_BITS:
            return Steps(tuple(each + int(last) for each in range.exponents), bits)
    powers = torch.tensor(range.exponents, dtype=torch.float64).exp2()
    rows = choice.quantize(weights.double()).flatten(1) / powers[:, None]
    last, top = _places(rows if format.with_scales else rows.reshape(1, -1))
    there = rows.any(dim=1) if format.with_scales else rows.any()[None]
    if not bool(there.any()):
        return Steps(range.exponents, 1)
    common = torch.maximum(last[there].min(), (top[there] - MOST_BITS + 1).max())
    steps = torch.where(there, torch.minimum(last, common), common)
    whole = rows * (-steps).double().exp2()[:, None]
    bits = _bits(min(int(whole.min()), -1), int(whole.max()))
    exponents = (steps + torch.tensor(range.exponents)).tolist()
    return Steps(tuple(exponents[: 1 if len({*exponents}) == 1 else None]), bits)


def value_steps(choice: Choice) -> Steps:
    """The step of whatever numbers a site of values may have, by a format that rounds, without scales by block."""
    return steps_of(choice, choice.format.grid(choice.range.signed)[None] * 2.0 ** choice.range.exponents[0])


def _places(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row of numbers the exponent of the last bit that is set in any, and that above the first; of zeros 0."""
    mantissa, exponent = torch.frexp(rows)
    whole = (mantissa * 2.0**_DIGITS).long()
    last = exponent + torch.frexp((whole & -whole).double())[1] - 1 - _DIGITS
    ends = torch.where(whole != 0, last, _FAR).amin(dim=1), torch.where(whole != 0, exponent, -_FAR).amax(dim=1)
    return torch.where(ends[0] < _FAR, ends[0], 0), torch.where(ends[1] > -_FAR, ends[1], 0)


def _bits(low: int, high: int) -> int:
    """The bits of whole numbers from low to high, in two's complement where any is negative."""
    return max(high.bit_length(), (-low - 1).bit_length()) + 1 if low < 0 else high.bit_length()
