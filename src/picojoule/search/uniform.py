"""One format for all sites, the yardstick that layer-wise quantisation is measured against."""

from collections.abc import Iterator
from typing import ClassVar

from picojoule.evaluate import Floor
from picojoule.formats import Format
from picojoule.plan import Plan
from picojoule.search.strategy import FAMILIES, Decision, Problem, Step, Strategy, Trial


class Uniform(Strategy):
    """Lower the bits of all sites together until the floor fails; keep the bit count before.

    Of the problem's other formats those that take less energy are tried next, the least first, until one holds.
    """

    name: ClassVar[str] = "uniform"
    summary: ClassVar[str] = "one format for every layer's weights and inputs"
    families: ClassVar[tuple[str, ...]] = tuple(FAMILIES)

    def bound(self, problem: Problem) -> int:
        return _depth(problem) + len(problem.others)

    def steps(self, problem: Problem, floor: Floor) -> Iterator[Step]:
        plan, remaining = problem.widest(), self.bound(problem) - 1
        trials: list[Trial] = []

        def holds(candidate: Plan) -> bool:
            verdict = problem.judge(candidate, floor)
            trials.append(Trial(_first(candidate), verdict.holds, verdict.tally))
            return verdict.holds

        for rung in range(_depth(problem)):
            candidate = problem.rung(rung)
            if not holds(candidate):
                break
            plan = candidate
            yield Step(plan, True, None, remaining - rung)
        held = trials[0].holds
        cheaper = (other for other in _others(problem) if not held or problem.cost(other) < problem.cost(plan))
        found = next(filter(holds, cheaper), None)
        plan, held = found or plan, held or found is not None
        yield Step(plan, held, Decision("*", _first(plan), tuple(trials)) if held else None, 0)

    def path(self, problem: Problem) -> tuple[Plan, ...]:
        """Where there are other formats all plans, so that they stand on one front; most energy first."""
        if not problem.others:
            return ()
        plans = [*map(problem.rung, range(_depth(problem))), *_others(problem)]
        return tuple(sorted(plans, key=problem.cost, reverse=True))


def _depth(problem: Problem) -> int:
    return max(len(ladder) for ladder in problem.ladders.values())


def _others(problem: Problem) -> list[Plan]:
    """The plans of one other format each, least energy first."""
    plans = (Plan(dict.fromkeys(problem.network.sites, format)) for format in problem.others)
    return sorted(plans, key=problem.cost)


def _first(plan: Plan) -> Format:
    """The first site's format stands for all; other sites differ only where one bit means another format there."""
    return next(iter(plan.formats.values()))
