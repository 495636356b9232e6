"""Observers: from what a site's values look like to the exponent of its range.

Each is one function (statistics, format, signed) → one exponent per row, in the table `OBSERVERS`. The exponent e puts
values on the format's unit scale as x / 2^e: the larger, the less saturates; the smaller, the finer the grid.
"""

import math
from collections.abc import Callable, Mapping

import torch

from picojoule.calibration.statistics import Statistics
from picojoule.formats import EXPONENT_LIMIT, Format

Observer = Callable[[Statistics, Format, bool], tuple[int, ...]]

PERCENTILE = 0.999
"""The share of values that `percentile` keeps from saturating."""

_CANDIDATES = 12
"""How many exponents `mse` tries, from one above the largest value's downwards."""


def covering(magnitude: float, end: float = 1.0) -> int:
    """The least exponent e with magnitude <= end·2^e, within [-96, 96]; 0 for a magnitude of 0.

    >>> covering(0.5), covering(0.51), covering(1.0), covering(0.0), covering(7, end=6)
    (-1, 0, 0, 0, 1)
    """
    magnitude /= end
    if magnitude == 0:
        return 0
    fraction, exponent = math.frexp(magnitude)
    return max(-EXPONENT_LIMIT, min(EXPONENT_LIMIT, exponent - 1 if fraction == 0.5 else exponent))


def end_of(format: Format, signed: bool) -> float:
    """What an exponent has to lay over a magnitude; infinite where blocks find scales of their own: then it is 0."""
    return format.limits(signed)[1] if format.rounds else 1.0


def largest(statistics: Statistics, format: Format, signed: bool) -> tuple[int, ...]:
    """`max`: the least exponent that covers the largest magnitude (Moons et al., chapter 3: rescale into [-1, 1])."""
    end = end_of(format, signed)
    return tuple(covering(magnitude, end) for magnitude in statistics.largest.tolist())


def percentile(statistics: Statistics, format: Format, signed: bool) -> tuple[int, ...]:
    """`percentile`: the least exponent that covers 99.9 % of the magnitudes; the rest saturate.

    Where those are all zero, the largest magnitude decides.
    """
    count = statistics.values.shape[1]
    kept = max(0, math.ceil(PERCENTILE * count) - 1)
    magnitudes = statistics.values.abs().sort(dim=1).values[:, kept]
    covered, end = torch.where(magnitudes > 0, magnitudes, statistics.largest), end_of(format, signed)
    return tuple(covering(magnitude, end) for magnitude in covered.tolist())


def least_squares(statistics: Statistics, format: Format, signed: bool) -> tuple[int, ...]:
    """`mse`: the exponent of least squared error in this format; of equal ones the larger; 0 for an all-zero row."""
    values = statistics.values.double()  # whose squares float32 may not hold
    tops = torch.tensor(largest(statistics, format, signed), dtype=torch.int32)
    best = torch.full(tops.shape, float("inf"), dtype=torch.float64)
    chosen = tops.clone()
    for step in range(_CANDIDATES) if math.isfinite(end_of(format, signed)) else ():
        exponents = (tops + 1 - step).clamp(-EXPONENT_LIMIT, EXPONENT_LIMIT)
        error = (statistics.rounded(format, exponents, signed) - values).square().sum(dim=1)
        better = error < best
        best = torch.where(better, error, best)
        chosen = torch.where(better, exponents, chosen)
    return tuple(torch.where(statistics.largest == 0, 0, chosen).tolist())


OBSERVERS: Mapping[str, Observer] = {"max": largest, "percentile": percentile, "mse": least_squares}
