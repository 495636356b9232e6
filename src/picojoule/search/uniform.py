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
        trials: list[Trial] = []
        for rung in range(self.bound(problem)):
            candidate = problem.rung(rung)
            verdict = problem.judge(candidate, floor)
            trials.append(Trial(_first(candidate), verdict.holds, verdict.tally))
            if not verdict.holds:
                break
            plan = candidate
            yield Step(plan, True, None, remaining - rung)
        held = len(trials) > 1 or trials[0].holds
        yield Step(plan, held, Decision("*", _first(plan), tuple(trials)) if held else None, 0)


def _first(plan: Plan) -> Format:
    """The first site's format stands for all; other sites differ only where one bit means another format there."""
    return next(iter(plan.formats.values()))
