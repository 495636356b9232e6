"""Which format keeps real numbers best: the error of rounding them, tensor by tensor and over all, best format first.

The error is the root mean square of what rounding changes, relative to that of the numbers themselves; over all tensors
it is that of all their numbers together, so that large ones count for more. Each tensor has one exponent, by `mse`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from picojoule.calibration.kmeans import codebook
from picojoule.calibration.observers import least_squares
from picojoule.calibration.statistics import Statistics
from picojoule.errors import DataError, InputError
from picojoule.formats import Format, Lut


@dataclass(frozen=True)
class Comparison:
    """One format on some tensors: its relative error over all and for each, and what it stores per element of them."""

    format: Format
    error: float
    stored_bits: float
    tensors: Mapping[str, float]


def compare(formats: Iterable[Format], tensors: Mapping[str, Tensor]) -> list[Comparison]:
    """The formats on every floating-point tensor of at least 2 dimensions, least error first.

    Of equal errors the smaller format is first. Tensors that are empty or zero throughout are left out.

    Raises:
        DataError: a tensor has NaN or Inf.
        InputError: there is no such tensor, or every one is empty or zero throughout.
    """
    taken = {name: x.detach().float() for name, x in tensors.items() if x.is_floating_point() and x.dim() >= 2}
    for name, x in taken.items():
        if lost := int((~x.isfinite()).sum()):
            raise DataError(f"tensor '{name}' has NaN or Inf in {lost} of {x.numel()} values; give finite ones")
    if not taken:
        raise InputError("there is no floating-point tensor of 2 or more dimensions to round; give a file of weights")
    compared = {name: x for name, x in taken.items() if x.any()}
    if not compared:
        others = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise InputError(f"tensor '{next(iter(taken))}'{others}: every value is zero; give weights that are trained")
    return sorted((_on(each, compared) for each in dict.fromkeys(formats)), key=lambda it: (it.error, it.stored_bits))


def _on(format: Format, tensors: Mapping[str, Tensor]) -> Comparison:
    lost = {name: _squares(_rounded(format, x) - x) for name, x in tensors.items()}
    whole = {name: _squares(x) for name, x in tensors.items()}
    size = sum(format.size_bits(x.shape) for x in tensors.values())
    return Comparison(
        format,
        math.sqrt(sum(lost.values()) / sum(whole.values())),
        size / sum(x.numel() for x in tensors.values()),
        {name: math.sqrt(lost[name] / whole[name]) for name in tensors},
    )


def _rounded(format: Format, x: Tensor) -> Tensor:
    statistics = Statistics.of(x).merged()
    signed = statistics.lowest < 0
    if isinstance(format, Lut):
        found = codebook(x, format, signed)
        return format.with_members(found.members).quantize(x, found.exponent, signed)
    (exponent,) = least_squares(statistics, format, signed)
    return format.quantize(x, exponent, signed)


def _squares(x: Tensor) -> float:
    return float(x.to(torch.float64).square().sum())
