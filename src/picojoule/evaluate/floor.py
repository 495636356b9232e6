"""The floor that a plan must hold, and when it is certain that a plan does or does not.

With a confidence, a plan holds where a one-sided test of the paired comparison says so: sample by sample the plan's
scores beside the float network's on the same samples. How often both are right matters little then; what the plan
lost and what it gained does.
"""

import math
from bisect import bisect_left
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from statistics import NormalDist
from typing import Any

from torch import Tensor

from picojoule.errors import InputError
from picojoule.evaluate.accuracy import Accuracy
from picojoule.files import Fields

GRAIN = 10_000
"""What is proven is told in whole parts of so many."""


@dataclass(frozen=True)
class Tally:
    """A plan's scores beside the float network's, summed over the `seen` of `total` samples.

    `correct` is the sum of the plan's scores, `lost` of what the float network had more, sample by sample, and `gained`
    of what it had less. Scores are multiples of 2^-32, so that the sums are exact, in any order.

    >>> tally = Tally(total=1000, seen=400, correct=390, lost=7, gained=2)
    >>> tally.low, tally.high
    (390, 990)
    """

    total: int
    seen: int
    correct: float
    lost: float
    gained: float

    @property
    def low(self) -> float:
        """The least that the scores of all samples can add up to."""
        return self.correct

    @property
    def high(self) -> float:
        """The most that the scores of all samples can add up to."""
        return self.correct + (self.total - self.seen)

    @property
    def accuracy(self) -> Accuracy:
        """The accuracy on all samples; they must have been seen."""
        assert self.seen == self.total
        return Accuracy(self.correct, self.total)

    def and_also(self, reference: Tensor, scores: Tensor) -> "Tally":
        """With more samples seen: the float network's scores and the plan's, float64 [n]."""
        more = (scores - reference).clamp(min=0).sum(), (reference - scores).clamp(min=0).sum()
        gained, lost = map(float, more)
        correct = self.correct + float(scores.sum())
        return Tally(self.total, self.seen + len(scores), correct, self.lost + lost, self.gained + gained)

    def to_table(self) -> dict[str, Any]:
        """The tally as plain data."""
        return asdict(self)

    @classmethod
    def from_table(cls, fields: Fields) -> "Tally":
        """The tally that `to_table` gave."""
        total = fields.integer("total", 1)
        seen = fields.integer("seen", 0, total)
        tally = cls(total, seen, *(fields.number(key, 0, seen) for key in ("correct", "lost", "gained")))
        if tally.gained > tally.correct or tally.lost > seen - tally.correct:
            fields.fail("keys 'correct', 'lost' and 'gained' do not fit together")
        fields.finish()
        return tally


@dataclass(frozen=True)
class Verdict:
    """Whether a plan holds a floor, and what was seen of it, which was enough to be certain."""

    holds: bool
    tally: Tally


@dataclass(frozen=True)
class Floor:
    """The accuracy a plan must keep: a fraction of the float network's on the same samples, `reference`.

    Without a confidence, the point estimate decides, without rounding error, as `correct >= keep · correct of the float
    network`. With one, such as 0.95, a plan holds where at this confidence it keeps more than that on all samples of
    the kind; see `z`. To keep all (1.0) with a confidence, it is enough to lose no sample.

    >>> Floor(0.99, Accuracy(1000, 1000)).holds(Accuracy(990, 1000))
    True
    >>> floor = Floor(0.99, Accuracy(990, 1000), confidence=0.95)
    >>> floor.holds(Tally(1000, 1000, correct=987, lost=4, gained=1)), floor.decide(Tally(1000, 400, 385, 15, 0))
    (True, False)
    """

    keep: float
    reference: Accuracy
    confidence: float | None = None

    def __post_init__(self) -> None:
        check_keep(self.keep)
        check_confidence(self.confidence)

    @property
    def needed(self) -> Fraction:
        """What the scores must add up to."""
        return Fraction(str(self.keep)) * Fraction(self.reference.correct)

    def among(self, plans: int) -> "Floor":
        """The floor for the best of so many independent plans, which may be the best by chance: each must be surer.

        Bonferroni's bound; a point estimate stays as it is.
        """
        if self.confidence is None:
            return self
        return replace(self, confidence=1 - (1 - self.confidence) / plans)

    def holds(self, found: Accuracy | Tally) -> bool:
        """Whether what was found on all of the samples is at or above the floor.

        Raises:
            TypeError: with a confidence, an accuracy alone; what was lost and gained decides.
        """
        if self.confidence is None:
            return Fraction(found.correct) >= self.needed
        if not isinstance(found, Tally):
            raise TypeError("a floor with a confidence is decided on a tally, not on an accuracy")
        if self.keep == 1 and found.lost == 0:
            return True
        return self.z(found) >= NormalDist().inv_cdf(self.confidence)

    def proven(self, tally: Tally) -> float | None:
        """The greatest share of the float network's accuracy that a plan surely keeps, in 1/10 000, below 1.

        None for a point estimate. What holds one floor holds every lower one.
        """
        if self.confidence is None:
            return None
        shares = [part / GRAIN for part in range(1, GRAIN)]
        return bisect_left(shares, True, key=lambda keep: not replace(self, keep=keep).holds(tally)) / GRAIN

    def decide(self, tally: Tally) -> bool | None:
        """Whether the floor holds whatever the samples not yet seen will say; None where they still decide.

        It rests on `holds` being monotone: nothing that is gained, or not lost, makes it fail.
        """
        unseen = tally.total - tally.seen
        right = self.reference.correct - (tally.correct + tally.lost - tally.gained)  # of the float network, unseen
        correct, lost, gained = tally.correct, tally.lost, tally.gained
        worst = self.holds(Tally(tally.total, tally.total, correct, lost + right, gained))
        best = self.holds(Tally(tally.total, tally.total, correct + unseen, lost, gained + unseen - right))
        return worst if worst == best else None

    def z(self, tally: Tally) -> float:
        """How many standard errors what a plan keeps lies above the floor; -inf where it does not lie above it.

        The score statistic of matched pairs for the ratio of two marginal probabilities, with the nuisance parameters
        at their greatest likelihood under the floor. With a pairs right in both, b lost, c gained, k to keep:
        `((1-k)a + c - kb) / sqrt((1-k)a' + (1+k)c')`, where a' = a / (1 + (1-k)x), c' = c / (1 + x), and x is the
        positive root of `k(1-k)(a+b+c) x² + (k(2-k)b - (1-k)²a - (1-2k)c) x = (1-k)a + c - kb`.
        Wald's bound, with or without pseudo-observations, accepts far too often here (simulated: 16 % where 5 % is
        meant, this one 5.8 %), since few samples are lost, and their count is skewed. Scores between 0 and 1 count as
        parts of pairs, which is on the safe side.

        A network that is never right loses nothing, and that proves nothing: no plan holds.

        Source: Nam, Blackwelder, "Analysis of the ratio of marginal probabilities in a matched-pair setting", Stat.
        Med. 21, 2002; Tang, Tang, Chan, "On tests of equivalence via non-unity relative risk for matched-pair design",
        Stat. Med. 22, 2003.
        """
        k, a, b, c = self.keep, tally.correct - tally.gained, tally.lost, tally.gained
        above = (1 - k) * a + c - k * b
        if above <= 0:
            return -math.inf
        square, linear = k * (1 - k) * (a + b + c), k * (2 - k) * b - (1 - k) ** 2 * a - (1 - 2 * k) * c
        root = math.sqrt(linear * linear + 4 * square * above)
        x = 2 * above / (linear + root) if linear > 0 else (root - linear) / (2 * square)
        return above / math.sqrt((1 - k) * a / (1 + (1 - k) * x) + (1 + k) * c / (1 + x))


def check_keep(keep: float) -> None:
    """Refuse a relative accuracy outside (0, 1].

    Raises:
        InputError: it is not a number above 0 and at most 1.
    """
    if not 0 < keep <= 1:
        raise InputError(
            f"keep {keep:g} is not a relative accuracy: give a number above 0 and at most 1, such as 0.99 for 99 % "
            "of the float network's accuracy"
        )


def check_confidence(confidence: float | None) -> None:
    """Refuse a confidence outside [0.5, 1); None is the point estimate.

    Raises:
        InputError: it is not a number from 0.5 and below 1.
    """
    if confidence is not None and not 0.5 <= confidence < 1:
        raise InputError(f"confidence {confidence:g} cannot be used; give a number from 0.5 and below 1, such as 0.95")
