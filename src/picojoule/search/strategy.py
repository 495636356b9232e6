"""What a search is: a strategy walks plans of one problem, asking how accurate each is, and yields the best so far.

A strategy sees the network's sites, the formats each may take, and a few functions: judge(plan, floor), and for
strategies that weigh energy cost(plan) and what is known of each site's sensitivity. It yields a `Step` whenever the
plan it would hand over changes, so that a search stopped at any moment has a plan that was tried and holds its floor.
"""

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from heapq import merge
from typing import Any, ClassVar

from picojoule.energy import Platform, has_figure
from picojoule.evaluate import Evaluator, Floor, Tally, Verdict
from picojoule.files import Fields
from picojoule.formats import NUMBER_BITS, Binary, Format, parse
from picojoule.network import Network
from picojoule.plan import Limits, Plan
from picojoule.registry import members
from picojoule.search.sensitivity import Sensitivities, series

FAMILIES = {
    "fixed": tuple(f"fixed{bits}" for bits in range(16, 0, -1)),
    "float": ("fp16", "bf16", "e5m2", "e4m3", "e3m2", "e2m3", "e2m1", "e3m0",
              "e4m3/32:e8m0", "e2m1/32:e8m0", "e2m1/16:e4m3"),
    "nf": ("nf4", "nf4/64"),
    "lut": tuple(f"lut{2**bits}" for bits in range(8, 0, -1)),
}  # fmt: skip
"""What a search may be asked to try, and the formats of each; a new family is one line here."""


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
    """What a site got and why: the formats tried, of one family from the most bits to the least.

    The one it got held the floor, and the next one down in its family failed it, where there is one and it was tried.
    Formats of other families follow, least energy first. `site` is `*` where all sites were tried together.
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
    """One network, the formats each site may take, most energy first, and what a strategy may ask.

    Weights have one ladder, and inputs the same or another of theirs, up to what one bit means by sign. Of fixed point
    fewer bits always stand lower. Beside others a format of less energy may hold where one of more fails, and cost more
    than that where a layer's other operand is of another family.

    `cost` is a plan's energy in pJ, without an evaluation. `sensitivities` are there for strategies whose `weighs` says
    so, and such strategies keep the `limits`.
    """

    network: Network
    ladders: Mapping[str, tuple[Format, ...]]
    evaluator: Evaluator
    cost: Callable[[Plan], float]
    sensitivities: Sensitivities | None = None
    limits: Limits = NO_LIMITS

    def rung(self, steps: int) -> Plan:
        """Every site so many steps down its ladder, or at its foot."""
        return Plan({site: self.ladders[site][: steps + 1][-1] for site in self.network.sites})

    def widest(self) -> Plan:
        """The plan with the most bits everywhere, in fixed point where that has as many as others."""
        return self._everywhere(lambda format: (format.bits, series(format) == "fixed"))

    def narrowest(self) -> Plan:
        """The plan that takes the fewest bytes, of equal ones in fixed point."""
        return Plan({site: self._smallest(site) for site in self.network.sites})

    def uniform(self, fixed: bool) -> tuple[Plan, ...]:
        """The plans of one format everywhere, most energy first: those of fixed point, or all others."""
        ladder = self.ladders[self._longest]
        return tuple(self.rung(rung) for rung, format in enumerate(ladder) if (series(format) == "fixed") == fixed)

    def leading(self, plan: Plan) -> Format:
        """The format that stands for a plan of one format everywhere: where inputs have formats of their own, that of
        the operands that have more of them; by sign one bit may be another elsewhere."""
        return plan.formats[self._longest]

    @property
    def _longest(self) -> str:
        """The first site of those that have the most formats."""
        return max(self.ladders, key=lambda site: len(self.ladders[site]))

    def _smallest(self, name: str) -> Format:
        """Of a site's ladder the format of fewest bits in memory; a codebook's table is left out."""
        inputs = self.network.sites[name].kind == "inputs"

        def taken(format: Format) -> tuple[float, bool]:
            decoded = format.fitted and inputs
            return NUMBER_BITS if decoded else format.stored_bits, series(format) != "fixed"

        return min(self.ladders[name], key=taken)

    def _everywhere(self, most: Callable[[Format], tuple[float, bool]]) -> Plan:
        """Of each ladder the first that has most of something."""
        return Plan({site: max(self.ladders[site], key=most) for site in self.network.sites})

    def judge(self, plan: Plan, floor: Floor) -> Verdict:
        """Whether a plan holds a floor on the search split."""
        return self.evaluator.judge(plan, floor)


def formats_of(families: Iterable[str], bits: tuple[int, int]) -> tuple[Format, ...]:
    """The formats that families bring, of elements within the bits; what is no family is a format itself."""
    found = (parse(text) for family in families for text in FAMILIES.get(family, (family,)))
    return tuple(dict.fromkeys(format for format in found if bits[0] <= format.bits <= bits[1]))


def left_out(families: Iterable[str], bits: tuple[int, int], platform: Platform) -> dict[str, str]:
    """Those of the families of which nothing can be tried, with the reason."""
    reasons = {}
    for family in families:
        formats = formats_of((family,), bits)
        if not formats:
            reasons[family] = f"none has {bits[0]} to {bits[1]} bits"
        elif not any(has_figure(format, platform) for format in formats):
            reasons[family] = f"platform '{platform.name}' has no figure for them"
    return reasons


def ladders_of(signed: Mapping[str, bool], formats: Iterable[Format]) -> dict[str, tuple[Format, ...]]:
    """The formats as each site takes them: one bit is `binary` on a signed range, where `fixed1` would be {-1, 0}."""
    one_bit = {parse("fixed1"): Binary()}
    formats = tuple(formats)
    return {
        site: tuple(dict.fromkeys(one_bit.get(each, each) if negative else each for each in formats))
        for site, negative in signed.items()
    }


def by_energy(formats: Iterable[Format], energy: Callable[[Format], float]) -> tuple[Format, ...]:
    """Formats from the most energy to the least, then by what they store and by text; those of fixed point from the
    most bits to the fewest."""
    formats = tuple(formats)
    fixed, others = ([each for each in formats if (series(each) == "fixed") == of] for of in (True, False))
    fixed.sort(key=lambda format: -format.bits)
    if not others:
        return tuple(fixed)
    order = {each: (-energy(each), -each.stored_bits, str(each)) for each in formats}
    return tuple(merge(fixed, sorted(others, key=order.__getitem__), key=order.__getitem__))


@dataclass(frozen=True)
class Defaults:
    """What a strategy takes where the user does not say: observer, preparation and confidence of jobs."""

    observer: str = "max"
    prepare: str = "none"
    confidence: float | None = None


class Strategy(abc.ABC):
    """A way to search. Its laws (`tests/contracts/strategies.py` holds each implementation to them):

    - if no plan that was judged holds the floor, there is one step, a plan that was judged, and it says so;
    - else every step's plan was judged, holds the floor, and keeps each site within its ladder;
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
