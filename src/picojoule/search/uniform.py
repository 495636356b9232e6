"""One bit count for all sites, the yardstick that layer-wise quantisation is measured against."""

from collections.abc import Iterator
from typing import ClassVar

from picojoule.evaluate import Floor
from picojoule.formats import Format
from picojoule.plan import Plan
from picojoule.search.strategy import Decision, Problem, Step, Strategy, Trial


class Uniform(Strategy):
    """Lower the bits of all sites together until the floor fails; keep the bit count before."""

    name: ClassVar[str] = "uniform"
    summary: ClassVar[str] = "one bit count for every layer's weights and inputs"

    def bound(self, problem: Problem) -> int:
        return max(len(ladder) for ladder in problem.ladders.values())

    def steps(self, problem: Problem, floor: Floor) -> Iterator[Step]:
        plan, remaining = problem.widest(), self.bound(problem) - 1
        accuracy = problem.accuracy(plan)
        holds = floor.holds(accuracy)
        yield Step(plan, accuracy, None, remaining if holds else 0)
        if not holds:
            return
        trials = [Trial(_first(plan), accuracy, holds)]
        for rung in range(1, self.bound(problem)):
            candidate = problem.rung(rung)
            found = problem.accuracy(candidate)
            trials.append(Trial(_first(candidate), found, floor.holds(found)))
            if not trials[-1].holds:
                break
            plan, accuracy = candidate, found
            yield Step(plan, accuracy, None, remaining - rung)
        yield Step(plan, accuracy, Decision("*", _first(plan), tuple(trials)), 0)


def _first(plan: Plan) -> Format:
    """The first site's format stands for all; other sites differ only where one bit means another format there."""
    return next(iter(plan.formats.values()))
