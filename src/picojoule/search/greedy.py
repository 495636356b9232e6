"""The note's forward sweep: layer by layer from the first, its inputs and then its weights, down until the floor fails.

Source: Moons, Bankman, Verhelst, *Embedded Deep Learning*, chapter 3 (layer-wise quantisation). Sites not yet reached
have the most bits. A value that several layers read is decided at its first reader.
"""

from collections.abc import Iterator
from typing import ClassVar

from picojoule.evaluate import Accuracy, Floor
from picojoule.plan import Plan
from picojoule.search.strategy import Decision, Problem, Step, Strategy, Trial


class Greedy(Strategy):
    """Forward sweep, exactly: each site stops at the first bit count below the floor and keeps the one before."""

    name: ClassVar[str] = "greedy"
    summary: ClassVar[str] = "the forward sweep: each layer's inputs, then its weights, down until the floor fails"

    def bound(self, problem: Problem) -> int:
        return 1 + sum(len(problem.ladders[site]) - 1 for site in problem.network.sites)

    def steps(self, problem: Problem, floor: Floor) -> Iterator[Step]:
        plan = problem.widest()
        accuracy = problem.accuracy(plan)
        remaining = self.bound(problem) - 1
        if not floor.holds(accuracy):
            yield Step(plan, accuracy, None, 0)
            return
        yield Step(plan, accuracy, None, remaining)
        for site in problem.network.sites:
            plan, accuracy, decision = _lower(problem, floor, plan, accuracy, site)
            remaining -= len(problem.ladders[site]) - 1
            yield Step(plan, accuracy, decision, remaining)


def _lower(
    problem: Problem, floor: Floor, plan: Plan, accuracy: Accuracy, site: str
) -> tuple[Plan, Accuracy, Decision]:
    """Lower one site as far as the floor holds at every bit count on the way."""
    widest, *narrower = problem.ladders[site]
    trials = [Trial(widest, accuracy, holds=True)]
    for format in narrower:
        candidate = plan.replace(site, format)
        found = problem.accuracy(candidate)
        trials.append(Trial(format, found, floor.holds(found)))
        if not trials[-1].holds:
            break
        plan, accuracy = candidate, found
    return plan, accuracy, Decision(site, plan.formats[site], tuple(trials))
