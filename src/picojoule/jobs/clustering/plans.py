"""Which plans are worth a retraining, and which of them to retrain: the cheapest that holds, by halving.

A search's path ends where its plans are hopeless as they are. Retrained they may not be, so from its foot all sites go
on down together, to two numbers each.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from picojoule.formats import Lut
from picojoule.plan import Plan
from picojoule.search import FAMILIES, Result

T = TypeVar("T")


def candidates(found: Result) -> tuple[Plan, ...]:
    """The plan of a search, and those of less energy that it knows or that lie below, from most energy to least."""
    most = found.energy.total_pj
    cheaper = sorted((each for each in found.path if each.energy_pj < most), key=lambda each: -each.energy_pj)
    plans = [found.plan, *(each.plan for each in cheaper)]
    return tuple(dict.fromkeys([*plans, *_below(plans[-1])]))


def cheapest(plans: Sequence[T], holds: Callable[[T], bool]) -> T | None:
    """Of plans from most energy to least the last that holds, if those before it do too; None where none was found."""
    low, high = -1, len(plans)  # holds, does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(plans[middle]) else (low, middle)
    return None if low < 0 else plans[low]


def _below(plan: Plan) -> Iterator[Plan]:
    """The plan with no more than so many numbers anywhere, fewer and fewer."""
    for most in map(Lut.match, FAMILIES["lut"]):
        assert most is not None
        yield Plan({
            site: most if isinstance(format, Lut) and format.count > most.count else format
            for site, format in plan.formats.items()
        })  # fmt: skip
