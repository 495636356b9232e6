"""Descent: least energy that holds the floor, by what each site disturbs, what each bit costs, and true accuracy.

1. From the widest plan down, the move that saves most energy per sample expected to be lost, over and over: a path of
   plans from the most accurate to the cheapest. A move lowers one layer's weights and inputs together, by any number of
   bits. Nothing is evaluated yet.
2. True accuracy finds, by halving, the cheapest plan on the path that holds the floor; likewise of the uniform plans.
3. From the cheapest of these, and of the plans that earlier floors ended with, single and paired moves that still save
   energy are judged by true accuracy, the most energy per expected loss first, until none that is left holds or the
   budget is spent. At last each site is tried with one bit fewer, which tells why it has the bits it has.

Sources: the greedy of the multiple-choice knapsack (Sinha, Zoltners 1979), as Lagrangian relaxation solves it; additive
sensitivities as in HAWQ-V2 (Dong et al. 2020) and the layer-wise noise budget of Zhou et al. ("Adaptive quantization
for deep neural network", AAAI 2018).
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from picojoule.evaluate import Floor, Verdict
from picojoule.plan import Plan
from picojoule.search.landscape import Landscape, Rungs
from picojoule.search.strategy import Decision, Defaults, Problem, Step, Strategy, Trial

BUDGET = 400
"""Evaluations that repair may take for one floor."""
ALIKE = 8
"""As how many independent plans those count that repair tries: they are hundreds, but each is nearly the one before."""
SINGLES = 4
"""Evaluations for each site that are kept back, to try it with one bit fewer in the end."""
WAYPOINTS = 32
"""Plans of the path that tell what lies between the floors."""


class Descent(Strategy):
    """A path by energy saved per expected loss, true accuracy along it, then repair by single and paired moves."""

    name: ClassVar[str] = "descent"
    summary: ClassVar[str] = "least energy: sites traded against each other by what their bits cost and disturb"
    defaults: ClassVar[Defaults] = Defaults(observer="output", prepare="bias", confidence=0.95)
    weighs: ClassVar[bool] = True

    def __init__(self) -> None:
        self._known: tuple[Problem, Landscape] | None = None
        self._ended: list[Rungs] = []  # the plans that earlier floors of the problem ended with

    def bound(self, problem: Problem) -> int:
        longest = max(len(ladder) for ladder in problem.ladders.values())
        layers = len(problem.network.layers)
        return (
            2 * (2 + (2 * layers * longest).bit_length())
            + longest.bit_length()
            + BUDGET
            + SINGLES * len(problem.ladders)
            + len(self._ended)
        )

    def path(self, problem: Problem) -> tuple[Plan, ...]:
        land = self._landscape(problem)
        places = np.linspace(0, len(land.path) - 1, WAYPOINTS)
        return tuple(land.at(land.path[place]) for place in dict.fromkeys(map(round, places)))

    def steps(self, problem: Problem, floor: Floor) -> Iterator[Step]:
        land = self._landscape(problem)
        yield from _Search(problem, floor, land, self._ended, self.bound(problem)).run()

    def _landscape(self, problem: Problem) -> Landscape:
        """The same for every floor."""
        if self._known is None or self._known[0] is not problem:
            self._known, self._ended = (problem, Landscape(problem)), []
        return self._known[1]


class _Search:
    """One floor's search: what was judged, and the best plan so far."""

    def __init__(self, problem: Problem, floor: Floor, land: Landscape, ended: list[Rungs], bound: int) -> None:
        self._problem, self._floor, self._land, self._ended, self._remaining = problem, floor, land, ended, bound
        self._known: dict[tuple[Rungs, Floor], Verdict] = {}

    def run(self) -> Iterator[Step]:
        """The search itself."""
        land = self._land
        best = self._last(land.path, self._floor)
        if best is None:
            yield Step(land.at(land.path[0]), False, None, 0)
            return
        yield self._step(best)
        uniform = self._last(land.uniform, self._floor)
        if uniform is not None and land.cost(uniform) < land.cost(best):
            best = uniform
            yield self._step(best)
        strict = self._floor.among(ALIKE)
        near: Rungs | None = best if strict == self._floor else self._last(land.path, strict)
        for ended in self._ended:
            if (near is None or land.cost(ended) < land.cost(near)) and self._holds(ended, strict):
                near = ended
        self._remaining = BUDGET + SINGLES * len(best)
        while near is not None:
            if land.cost(near) < land.cost(best):
                best = near
                yield self._step(best)
            near = self._better(near, strict)
        lower: Rungs | None = best
        while lower is not None:
            if lower != best:
                best = lower
                yield self._step(best)
            lower = self._lower(best, strict)
        self._ended.append(best)
        for decision in self._decisions(best):
            yield Step(land.at(best), True, decision, 0)

    def _step(self, best: Rungs) -> Step:
        return Step(self._land.at(best), True, None, self._remaining)

    def _last(self, candidates: list[Rungs], floor: Floor) -> Rungs | None:
        """Of candidates from accurate to cheap one that holds, before one that does not; None where the first fails."""
        if not candidates or not self._holds(candidates[0], floor):
            return None
        low, high = 0, len(candidates)  # holds, does not
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._holds(candidates[middle], floor) else (low, middle)
        return candidates[low]

    def _holds(self, rungs: Rungs, floor: Floor) -> bool:
        if (rungs, floor) not in self._known:
            self._known[rungs, floor] = self._problem.judge(self._land.at(rungs), floor)
            self._remaining -= 1
        return self._known[rungs, floor].holds

    def _better(self, rungs: Rungs, floor: Floor) -> Rungs | None:
        """A cheaper plan nearby that holds the floor, if the budget finds one."""
        for candidate in self._land.near(rungs):
            if (candidate, floor) not in self._known:
                if self._remaining <= SINGLES * len(rungs):
                    return None
                if self._holds(candidate, floor):
                    return candidate
        return None

    def _lower(self, rungs: Rungs, floor: Floor) -> Rungs | None:
        """A plan with one bit fewer at one site that is cheaper and holds the floor; None where each was tried."""
        for candidate in self._land.lower(rungs):
            if (candidate, floor) not in self._known and self._remaining <= 0:
                return None
            if self._holds(candidate, floor) and self._land.cost(candidate) < self._land.cost(rungs):
                return candidate
        return None

    def _decisions(self, best: Rungs) -> Iterator[Decision]:
        """For each site the bits it has, and what one bit fewer gives where that was judged."""
        known = {rungs: verdict for (rungs, _), verdict in reversed(self._known.items())}
        for place, (site, ladder) in enumerate(self._problem.ladders.items()):
            rung = best[place]
            trials = [Trial(ladder[rung], True, known[best].tally)]
            lower = known.get((*best[:place], rung + 1, *best[place + 1 :]))
            if lower is not None:
                trials.append(Trial(ladder[rung + 1], lower.holds, lower.tally))
            yield Decision(site, ladder[rung], tuple(trials))
