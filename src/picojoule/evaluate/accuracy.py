"""Accuracy as a count, with its confidence interval."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from picojoule.files import Fields


@dataclass(frozen=True)
class Accuracy:
    """`correct` of `total` samples. With a metric of fractional scores, `correct` is their sum.

    >>> accuracy = Accuracy(970, 1000)
    >>> accuracy.value, [round(bound, 4) for bound in accuracy.interval()]
    (0.97, [0.9575, 0.9789])
    """

    correct: float
    total: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "correct", float(self.correct))

    @property
    def value(self) -> float:
        """The fraction that is correct."""
        return self.correct / self.total

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The Wilson score interval of the fraction, within [0, 1].

        Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", eq. 4:
        `(p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)`. For scores between 0 and 1 it is conservative.
        """
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        n, p = self.total, self.value
        centre = p + z * z / (2 * n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = ((centre + side * half) / (1 + z * z / n) for side in (-1, 1))
        return max(0.0, min(low, p)), min(1.0, max(high, p))

    def to_table(self) -> dict[str, Any]:
        """The accuracy as plain data."""
        return {"correct": self.correct, "total": self.total}

    @classmethod
    def from_table(cls, fields: Fields) -> "Accuracy":
        """The accuracy that `to_table` gave."""
        total = fields.integer("total", 1)
        correct = fields.number("correct", 0, total)
        fields.finish()
        return cls(correct, total)
