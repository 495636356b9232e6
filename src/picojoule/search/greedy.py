"""The note's forward sweep: layer by layer from the first, its inputs and then its weights, down until the floor fails.

Source: Moons, Bankman, Verhelst, *Embedded Deep Learning*, chapter 3 (layer-wise quantisation). Sites not yet reached
have the most bits. A value that several layers read is decided at its first reader.

The sweep need not try every bit count. A glimpse of the hardest samples tells about where a site will end, and from
there it gallops to the boundary, where the floor holds at b bits and fails at the next fewer. Where accuracy falls with
every bit, that is the plan of the sweep that tries them all.
"""

from collections.abc import Callable, Iterator
from typing import ClassVar

from picojoule.evaluate import Floor, Tally
from picojoule.plan import Plan
from picojoule.search.strategy import Decision, Problem, Step, Strategy, Trial

GLIMPSE = 8
"""One in so many samples, the hardest, is glimpsed at."""


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
        for site in problem.network.sites:
            plan, held, decision = _lower(problem, floor, plan, held, site)
            remaining -= len(problem.ladders[site]) - 1
            yield Step(plan, True, decision, remaining)


def _lower(problem: Problem, floor: Floor, plan: Plan, held: Tally, site: str) -> tuple[Plan, Tally, Decision]:
    """Lower one site to the last rung that holds the floor, with the plan it gives and what was seen of that."""
    ladder = problem.ladders[site]
    trials = {0: Trial(ladder[0], True, held)}

    def holds(rung: int) -> bool:
        verdict = problem.judge(plan.replace(site, ladder[rung]), floor)
        trials[rung] = Trial(ladder[rung], verdict.holds, verdict.tally)
        return verdict.holds

    def seems_to_hold(rung: int) -> bool:
        return floor.expects(problem.glimpse(plan.replace(site, ladder[rung]), -(-held.total // GLIMPSE)))

    guess = boundary(seems_to_hold, len(ladder), len(ladder) // 2)
    rung = boundary(holds, len(ladder), guess)
    tried = tuple(trials[each] for each in sorted(trials))
    return plan.replace(site, ladder[rung]), trials[rung].tally, Decision(site, ladder[rung], tried)


def boundary(holds: Callable[[int], bool], count: int, guess: int) -> int:
    """The last of `count` rungs before one that does not hold; rung 0 is known to hold. Each rung is tried once.

    From the guess it gallops, by steps of 1, 2, 4, ..., until one rung holds and a later one does not; then it halves
    what lies between. Where all that hold come before all that do not, the guess does not matter.

    >>> boundary([True, True, True, False, False].__getitem__, 5, guess=1)
    2
    """
    good, bad = 0, count
    rung, stride = min(max(guess, 1), count - 1), 1
    down = None  # the direction that it gallops in
    while bad - good > 1:
        if holds(rung):
            good = rung
        else:
            bad = rung
        down = good == rung if down is None else down
        if good == 0 or bad == count:
            rung = good + stride if down else bad - stride
            stride *= 2
            rung = min(max(rung, good + 1), bad - 1)
        else:
            rung = (good + bad) // 2
    return good
