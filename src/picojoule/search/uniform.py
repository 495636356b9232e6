"""One bit count for all sites, the yardstick that layer-wise quantisation is measured against."""

from collections.abc import Iterator
from typing import ClassVar

from picojoule.evaluate import Floor
from picojoule.formats import Fixed
from picojoule.plan import Plan
from picojoule.search.strategy import Decision, Problem, Step, Strategy, Trial


class Uniform(Strategy):
    """Lower the bits of all sites together until the floor fails; keep the bit count before."""

    name: ClassVar[str] = "uniform"
    summary: ClassVar[str] = "one bit count for every layer's weights and inputs"

    def bound(self, problem: Problem) -> int:
        low, high = problem.bits
        return high - low + 1

    def steps(self, problem: Problem, floor: Floor) -> Iterator[Step]:
        ladders = {site: problem.ladder(site) for site in problem.network.sites}
        formats = [Fixed(bits) for bits in range(problem.bits[1], problem.bits[0] - 1, -1)]
        plan = problem.widest()
        accuracy = problem.accuracy(plan)
        holds = floor.holds(accuracy)
        yield Step(plan, accuracy, None, len(formats) - 1 if holds else 0)
        if not holds:
            return
        chosen, trials = formats[0], [Trial(formats[0], accuracy)]
        for rung, format in enumerate(formats[1:], start=1):
            candidate = Plan({site: ladder[rung] for site, ladder in ladders.items()})
            found = problem.accuracy(candidate)
            trials.append(Trial(format, found))
            if not floor.holds(found):
                break
            plan, accuracy, chosen = candidate, found, format
            yield Step(plan, accuracy, None, len(formats) - 1 - rung)
        yield Step(plan, accuracy, Decision("*", chosen, tuple(trials)), 0)
