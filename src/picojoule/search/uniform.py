"""One format for all sites, the yardstick that layer-wise quantisation is measured against."""

from collections.abc import Iterator
from typing import ClassVar

from picojoule.evaluate import Floor
from picojoule.plan import Plan
from picojoule.search.strategy import Decision, Problem, Step, Strategy, Trial


class Uniform(Strategy):
    """Lower the bits of all sites together until the floor fails; keep the bit count before.

    Of the formats of other families those that take less energy are tried next, the least first, until one holds. So
    more families never end with more energy than fixed point alone.
    """

    name: ClassVar[str] = "uniform"
    summary: ClassVar[str] = "one format for every layer's weights and inputs"

    def bound(self, problem: Problem) -> int:
        return len(problem.uniform(fixed=True)) + len(problem.uniform(fixed=False))

    def steps(self, problem: Problem, floor: Floor) -> Iterator[Step]:
        best, remaining = None, self.bound(problem)
        trials, judged = list[Trial](), list[Plan]()

        def holds(candidate: Plan) -> bool:
            judged.append(candidate)
            verdict = problem.judge(candidate, floor)
            trials.append(Trial(problem.leading(candidate), verdict.holds, verdict.tally))
            return verdict.holds

        for candidate in problem.uniform(fixed=True):
            if not holds(candidate):
                break
            best = candidate
            yield Step(best, True, None, remaining - len(trials))
        most = float("inf") if best is None else problem.cost(best)
        cheaper = (other for other in _others(problem) if best is None or problem.cost(other) < most)
        best = next(filter(holds, cheaper), best)
        decision = None if best is None else Decision("*", problem.leading(best), tuple(trials))
        widest = problem.widest()
        yield Step(best or (widest if widest in judged else judged[0]), best is not None, decision, 0)

    def path(self, problem: Problem) -> tuple[Plan, ...]:
        """Where there are other families all plans, so that they stand on one front; most energy first."""
        others = problem.uniform(fixed=False)
        return tuple(sorted((*problem.uniform(fixed=True), *others), key=problem.cost, reverse=True)) if others else ()


def _others(problem: Problem) -> list[Plan]:
    """The plans of one other format each, least energy first."""
    return sorted(problem.uniform(fixed=False), key=problem.cost)
