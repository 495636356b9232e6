"""The note's forward sweep: layer by layer from the first, its inputs and then its weights, down until the floor fails.

Source: Moons, Bankman, Verhelst, *Embedded Deep Learning*, chapter 3 (layer-wise quantisation). Sites not yet reached
have the most bits. A value that several layers read is decided at its first reader.

The sweep need not try every bit count. That a plan fails is certain after few of the samples, that it holds after
nearly all; so each site starts a little below where the one before of its kind ended, and goes up to the boundary,
where the floor holds at b bits and fails at the next fewer. Where accuracy falls with every bit, that is the plan of
the sweep that tries them all.
"""

from collections.abc import Callable, Iterator
from typing import ClassVar

from picojoule.evaluate import Floor, Tally
from picojoule.plan import Plan
from picojoule.search.strategy import Decision, Problem, Step, Strategy, Trial

BELOW = 2
"""By how many rungs a site starts below the one before."""


class Greedy(Strategy):
    """Forward sweep: each site is lowered to a bit count that holds the floor while the next fewer bits fail it."""

    name: ClassVar[str] = "greedy"
    summary: ClassVar[str] = "the forward sweep: each layer's inputs, then its weights, down until the floor fails"

    def bound(self, problem: Problem) -> int:
        return 1 + sum(len(problem.ladders[site]) - 1 for site in problem.network.sites)

    def steps(self, problem: Problem, floor: Floor) -> Iterator[Step]:
        plan, remaining = problem.widest(), self.bound(problem) - 1
        verdict = problem.judge(plan, floor)
        yield Step(plan, verdict.holds, None, remaining if verdict.holds else 0)
        if not verdict.holds:
            return
        held = verdict.tally
        ended: dict[str, int] = {}  # by kind of site, the rung that the last one ended on
        for name, site in problem.network.sites.items():
            ladder = problem.ladders[name]
            start = ended.get(site.kind, len(ladder)) + BELOW
            plan, held, decision = _lower(problem, floor, plan, held, name, start)
            ended[site.kind] = ladder.index(decision.format)
            remaining -= len(ladder) - 1
            yield Step(plan, True, decision, remaining)


def _lower(
    problem: Problem, floor: Floor, plan: Plan, held: Tally, site: str, start: int
) -> tuple[Plan, Tally, Decision]:
    """Lower one site to the last rung that holds the floor, with the plan it gives and what was seen of that."""
    ladder = problem.ladders[site]
    trials = {0: Trial(ladder[0], True, held)}

    def holds(rung: int) -> bool:
        verdict = problem.judge(plan.replace(site, ladder[rung]), floor)
        trials[rung] = Trial(ladder[rung], verdict.holds, verdict.tally)
        return verdict.holds

    rung = boundary(holds, len(ladder), start)
    tried = tuple(trials[each] for each in sorted(trials))
    return plan.replace(site, ladder[rung]), trials[rung].tally, Decision(site, ladder[rung], tried)


def boundary(holds: Callable[[int], bool], count: int, start: int) -> int:
    """The last of `count` rungs before one that does not hold; rung 0 is known to hold. No rung is tried twice.

    From the start it goes up the ladder, to fewer rungs, until one holds; or, if the start holds, down until one does
    not. Where all that hold come before all that do not, the start does not matter.

    >>> boundary([True, True, True, False, False].__getitem__, 5, start=4)
    2
    """
    rung = min(start, count - 1)
    if rung == 0 or holds(rung):
        while rung + 1 < count and holds(rung + 1):
            rung += 1
        return rung
    while rung > 1 and not holds(rung - 1):
        rung -= 1
    return rung - 1
