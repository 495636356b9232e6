"""What a search is: a strategy walks plans of one problem, asking how accurate each is, and yields the best so far.

A strategy sees the network's sites, the formats each may take, and two functions, accuracy(plan) and (for strategies
that weigh energy) cost(plan). It yields a `Step` whenever the plan it would hand over changes, so that a search stopped
at any moment has a plan that was tried and holds its floor.
"""

import abc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from picojoule.evaluate import Accuracy, Evaluator, Floor
from picojoule.files import Fields
from picojoule.formats import Binary, Fixed, Format, parse
from picojoule.network import Network
from picojoule.plan import Plan
from picojoule.registry import members


@dataclass(frozen=True)
class Trial:
    """One format tried at a site, everything else as decided so far, and the accuracy it gave on the search split."""

    format: Format
    accuracy: Accuracy
    holds: bool


@dataclass(frozen=True)
class Decision:
    """What a site got and why: the formats tried, in order, of which the last may have failed the floor.

    `site` is `*` where all sites were tried together.
    """

    site: str
    format: Format
    trials: tuple[Trial, ...]

    def to_table(self) -> dict[str, Any]:
        """The decision as plain data."""
        trials = [
            {"format": str(trial.format), "holds": trial.holds, **trial.accuracy.to_table()} for trial in self.trials
        ]
        return {"site": self.site, "format": str(self.format), "trials": trials}

    @classmethod
    def from_table(cls, fields: Fields) -> "Decision":
        """The decision that `to_table` gave."""
        site, format = fields.text("site"), parse(fields.text("format"))
        trials = []
        for entry in fields.items("trials"):
            trial = Fields(entry, f"{fields.origin}: trial of '{site}'")
            trials.append(_trial(trial))
        fields.finish()
        return cls(site, format, tuple(trials))


@dataclass(frozen=True)
class Step:
    """The plan to hand over if the search ended now, what was just decided, and how many evaluations may still come."""

    plan: Plan
    accuracy: Accuracy
    decision: Decision | None
    remaining: int


@dataclass(frozen=True)
class Problem:
    """One network, the formats each site may take, most bits first, and the two functions a strategy rests on."""

    network: Network
    ladders: Mapping[str, tuple[Format, ...]]
    evaluator: Evaluator
    cost: Callable[[Plan], float]

    def rung(self, steps: int) -> Plan:
        """Every site so many steps down its ladder, or at its foot."""
        return Plan({site: self.ladders[site][: steps + 1][-1] for site in self.network.sites})

    def widest(self) -> Plan:
        """The plan with the most bits everywhere."""
        return self.rung(0)

    def accuracy(self, plan: Plan) -> Accuracy:
        """The accuracy of a plan on the search split."""
        return self.evaluator.accuracy(plan)


def fixed_point_ladders(signed: Mapping[str, bool], bits: tuple[int, int]) -> dict[str, tuple[Format, ...]]:
    """For each site the fixed-point formats from the most bits to the least.

    One bit is `binary` on a signed range, where one-bit fixed point would be {-1, 0}, and `fixed1` on an unsigned one,
    {0, 1/2}.
    """
    low, high = bits
    return {
        site: tuple(Binary() if b == 1 and negative else Fixed(b) for b in range(high, low - 1, -1))
        for site, negative in signed.items()
    }


class Strategy(abc.ABC):
    """A way to search. Its laws (`tests/contracts/strategies.py` holds each implementation to them):

    - the first step is the widest plan, and if that fails the floor it is the only one;
    - every later step's plan was evaluated, holds the floor, and keeps each site within its ladder;
    - `remaining` is never less than the evaluations that really follow;
    - the same problem gives the same steps.
    """

    name: ClassVar[str]
    """Its name on the command line."""
    summary: ClassVar[str]
    """One line for listings."""

    @abc.abstractmethod
    def steps(self, problem: Problem, floor: Floor) -> Iterator[Step]:
        """Search; each step is better than the one before."""

    @abc.abstractmethod
    def bound(self, problem: Problem) -> int:
        """The most evaluations that a search can take."""


def _trial(fields: Fields) -> Trial:
    format, holds = parse(fields.text("format")), fields.boolean("holds")
    return Trial(format, Accuracy.from_table(fields), holds)


@cache
def strategies() -> Mapping[str, type[Strategy]]:
    """Every strategy at hand by its name."""
    found = members("picojoule.search", Strategy, "picojoule.strategies")  # type: ignore[type-abstract]
    return {strategy.name: strategy for strategy in found}
