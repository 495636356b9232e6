"""Samples that are hard for an engine: the ends of the range, halfway between codes, and codes at random."""

from collections.abc import Mapping

import torch
from torch import Tensor

from picojoule.integer import Program

BEYOND = 3.0
"""How far past the range's ends some samples go, in ranges."""


def adversarial(program: Program, count: int, seed: int = 0) -> Mapping[str, Tensor]:
    """Samples by kind, about `count` of each random kind, float32 and the same for the same seed.

    Ties lie exactly halfway between two codes, where half must go to even. Those beyond the range must saturate.
    """
    own = program.input.type
    random = torch.Generator().manual_seed(seed)
    step, shape = 2.0 ** own.exponents[0], (count, *own.shape)
    codes, ties = _codes(program, shape, random)
    span = own.high - own.low + 1
    ends = torch.stack([torch.full(own.shape, float(own.low)), torch.full(own.shape, float(own.high)),
                        torch.zeros(own.shape), _alternating(own.shape, own.low, own.high)])  # fmt: skip
    beyond = own.low + span * BEYOND * (2 * torch.rand(shape, generator=random) - 1)
    extremes = torch.where(torch.rand(shape, generator=random) < 0.5, own.low, own.high)
    return {
        "ends": (ends * step).float(),
        "extremes at random": (extremes * step).float(),
        "codes at random": (codes * step).float(),
        "ties": (ties * step).float(),
        "beyond the range": (beyond * step).float(),
    }


def _codes(program: Program, shape: tuple[int, ...], random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Codes at random, and what lies halfway between each and the next."""
    own, members = program.input.type, torch.tensor(program.members)
    if not len(members):
        codes = torch.randint(own.low, own.high + 1, shape, generator=random)
        return codes, codes + 0.5
    places = torch.randint(len(members), shape, generator=random)
    codes = members[places]
    return codes, (codes + members[(places + 1).clamp(max=len(members) - 1)]) / 2


def _alternating(shape: tuple[int, ...], low: int, high: int) -> Tensor:
    """The least and the largest code in turn."""
    count = torch.arange(torch.Size(shape).numel())
    return torch.where(count % 2 == 0, low, high).reshape(shape).float()
