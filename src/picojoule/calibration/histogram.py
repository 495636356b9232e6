"""How a site's float values are spread: what a page draws beside the grid that they are rounded to."""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from picojoule.files import Fields

BINS = 64


@dataclass(frozen=True)
class Histogram:
    """Counts of values in equal bins from `low` to `high`, both included; exact zeros are counted apart.

    >>> histogram(torch.tensor([0.0, 0.0, 1.0, 2.0, 3.0, 3.0]), bins=2)
    Histogram(low=0.0, high=3.0, counts=(1, 3), zeros=2)
    """

    low: float
    high: float
    counts: tuple[int, ...]
    zeros: int

    def to_table(self) -> dict[str, Any]:
        """The histogram as plain data."""
        return {"low": self.low, "high": self.high, "counts": list(self.counts), "zeros": self.zeros}

    @classmethod
    def from_table(cls, fields: Fields) -> Self:
        """The histogram that `to_table` gave."""
        low = fields.number("low")
        counts = fields.take("counts", _all_counts, "a list of whole numbers, none below 0")
        found = cls(low, fields.number("high", low), tuple(counts), fields.integer("zeros", 0))
        fields.finish()
        return found


def histogram(values: Tensor, bins: int = BINS) -> Histogram:
    """The histogram of finite values of any shape; where there are none, one of nothing from 0 to 0."""
    if values.numel() == 0:
        return Histogram(0.0, 0.0, (0,) * bins, 0)
    low, high = float(values.min()), float(values.max())
    counted = values[values != 0].double().cpu()
    counts = torch.histc(counted, bins, low, high) if low < high else torch.zeros(bins)
    if low == high:  # histc would take the extremes of the values for bounds, and widen them
        counts[0] = counted.numel()
    return Histogram(low, high, tuple(int(count) for count in counts), int(values.numel() - counted.numel()))


def _all_counts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in value)
    )
