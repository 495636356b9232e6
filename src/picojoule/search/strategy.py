"""What a search is: a strategy walks plans of one problem, asking how accurate each is, and yields the best so far.

A strategy sees the network's sites, the formats each may take, and a few functions: judge(plan, floor), and for
strategies that weigh energy cost(plan) and what is known of each site's sensitivity. It yields a `Step` whenever the
plan it would hand over changes, so that a search stopped at any moment has a plan that was tried and holds its floor.
"""

import abc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from picojoule.evaluate import Evaluator, Floor, Tally, Verdict
from picojoule.files import Fields
from picojoule.formats import Binary, Fixed, Format, parse
from picojoule.network import Network
from picojoule.plan import Limits, Plan
from picojoule.registry import members
from picojoule.search.sensitivity import Sensitivities

FAMILIES = {
    "fixed": (),
    "float": ("fp16", "bf16", "e5m2", "e4m3", "e3m2", "e2m3", "e2m1", "e3m0",
              "e4m3/32:e8m0", "e2m1/32:e8m0", "e2m1/16:e4m3"),
    "nf": ("nf4", "nf4/64"),
}  # fmt: skip
"""What a search may be asked to try, with the formats beside fixed point's ladders that each family brings."""


@dataclass(frozen=True)
class Trial:
    """One format tried at a site, everything else as decided so far, whether the floor held, and what showed it.

    `tally` may be of few of the samples: those that were enough to be certain.
    """

    format: Format
    holds: bool
    tally: Tally


@dataclass(frozen=True)
class Decision:
    """What a site got and why: the formats tried, from the most bits to the least.

    The one it got held the floor, and the next fewer bits failed it, where there are such and they were tried.
    `site` is `*` where all sites were tried together; formats of other families then follow, least energy first.
    """

    site: str
    format: Format
    trials: tuple[Trial, ...]

    def to_table(self) -> dict[str, Any]:
        """The decision as plain data."""
        trials = [
            {"format": str(trial.format), "holds": trial.holds, **trial.tally.to_table()} for trial in self.trials
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
    """The plan to hand over if the search ended now, and whether it holds the floor.

    `decision` is what was just decided, `remaining` how many evaluations may still come.
    """

    plan: Plan
    holds: bool
    decision: Decision | None
    remaining: int


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Problem:
    """One network, the formats each site may take, most bits first, and what a strategy may ask.

    `cost` is a plan's energy in pJ, without an evaluation. `sensitivities` are there for strategies whose `weighs` says
    so, and such strategies keep the `limits`. `others` are formats beside the ladders that all sites may take together,
    for strategies whose `families` say so.
    """

    network: Network
    ladders: Mapping[str, tuple[Format, ...]]
    evaluator: Evaluator
    cost: Callable[[Plan], float]
    sensitivities: Sensitivities | None = None
    limits: Limits = NO_LIMITS
    others: tuple[Format, ...] = ()

    def rung(self, steps: int) -> Plan:
        """Every site so many steps down its ladder, or at its foot."""
        return Plan({site: self.ladders[site][: steps + 1][-1] for site in self.network.sites})

    def widest(self) -> Plan:
        """The plan with the most bits everywhere."""
        return self.rung(0)

    def judge(self, plan: Plan, floor: Floor) -> Verdict:
        """Whether a plan holds a floor on the search split."""
        return self.evaluator.judge(plan, floor)


def other_formats(families: tuple[str, ...], bits: tuple[int, int]) -> tuple[Format, ...]:
    """The formats beside fixed point that families bring, of elements within the bits."""
    found = (parse(text) for family in families for text in FAMILIES[family])
    return tuple(format for format in found if bits[0] <= format.bits <= bits[1])


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


@dataclass(frozen=True)
class Defaults:
    """What a strategy takes where the user does not say: observer, preparation and confidence of jobs."""

    observer: str = "max"
    prepare: str = "none"
    confidence: float | None = None


class Strategy(abc.ABC):
    """A way to search. Its laws (`tests/contracts/strategies.py` holds each implementation to them):

    - if no plan that was judged holds the floor, there is one step, a plan that was judged, and it says so;
    - else every step's plan was judged, holds the floor, and keeps each site within its ladder, or has one of the
      problem's other formats everywhere where its `families` say so;
    - `remaining` is never less than the evaluations that really follow;
    - the same problem gives the same steps.
    """

    name: ClassVar[str]
    """Its name on the command line."""
    summary: ClassVar[str]
    """One line for listings."""
    defaults: ClassVar[Defaults] = Defaults()
    """What it takes where the user does not say."""
    weighs: ClassVar[bool] = False
    """Whether it weighs energy against sensitivities, which are then measured before, and keeps limits."""

    families: ClassVar[tuple[str, ...]] = ("fixed",)
    """Of `FAMILIES` those that it tries where it is asked to."""

    @abc.abstractmethod
    def steps(self, problem: Problem, floor: Floor) -> Iterator[Step]:
        """Search; each step is better than the one before."""

    @abc.abstractmethod
    def bound(self, problem: Problem) -> int:
        """The most evaluations that a search can take."""

    def path(self, problem: Problem) -> tuple[Plan, ...]:
        """Plans from accurate to cheap that are worth knowing beside those of the floors; none where it knows none."""
        return ()


def _trial(fields: Fields) -> Trial:
    format, holds = parse(fields.text("format")), fields.boolean("holds")
    return Trial(format, holds, Tally.from_table(fields))


@cache
def strategies() -> Mapping[str, type[Strategy]]:
    """Every strategy at hand by its name."""
    found = members("picojoule.search", Strategy, "picojoule.strategies")  # type: ignore[type-abstract]
    return {strategy.name: strategy for strategy in found}
