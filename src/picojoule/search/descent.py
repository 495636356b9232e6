"""Descent: least energy that holds the floor, by what each site disturbs, what each bit costs, and true accuracy.

1. From the widest plan down, the move that saves most energy per sample expected to be lost, over and over: a path of
   plans from the most accurate to the cheapest. A move lowers one layer's weights and inputs together, by any number of
   bits. Nothing is evaluated yet.
2. True accuracy finds, by halving, the cheapest plan on the path that holds the floor; likewise of the uniform plans.
3. From the cheapest of these, and of the plans that earlier floors ended with, single and paired moves that still save
   energy are judged by true accuracy, the most energy per expected loss first, until none that is left holds or the
   budget is spent. At last each site is tried with one bit fewer, which tells why it has the bits it has.

Where there are several families of formats, all this is done twice: first within the family of the most bits, fixed
point where that is asked for, then with moves between families, from the best so far.

Sources: the greedy of the multiple-choice knapsack (Sinha, Zoltners 1979), as Lagrangian relaxation solves it; additive
sensitivities as in HAWQ-V2 (Dong et al. 2020) and the layer-wise noise budget of Zhou et al. ("Adaptive quantization
for deep neural network", AAAI 2018).
"""

from collections.abc import Iterator, Sequence
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
        self._ended: tuple[list[Rungs], list[Rungs]] = [], []  # what earlier floors ended with, in each of two rounds

    def bound(self, problem: Problem) -> int:
        return sum(self._bounds(problem))

    def path(self, problem: Problem) -> tuple[Plan, ...]:
        land = self._landscape(problem)
        path = land.mixed_path
        places = np.linspace(0, len(path) - 1, WAYPOINTS)
        return tuple(land.at(path[place]) for place in dict.fromkeys(map(round, places)))

    def steps(self, problem: Problem, floor: Floor) -> Iterator[Step]:
        land = self._landscape(problem)
        yield from _Search(problem, floor, land).run(self._ended, self._bounds(problem))

    def _bounds(self, problem: Problem) -> tuple[int, ...]:
        """The most evaluations of each round."""
        longest = max(len(ladder) for ladder in problem.ladders.values())
        halvings = 2 * (2 + (1 + longest * len(problem.ladders)).bit_length()) + longest.bit_length()
        most = halvings + BUDGET + SINGLES * len(problem.ladders)
        mixed = any(len({each.arithmetic for each in ladder}) > 1 for ladder in problem.ladders.values())
        others = longest + 1 if mixed else 0
        return (most + len(self._ended[0]), *([most + others + len(self._ended[1])] if others else []))

    def _landscape(self, problem: Problem) -> Landscape:
        """The same for every floor."""
        if self._known is None or self._known[0] is not problem:
            self._known, self._ended = (problem, Landscape(problem)), ([], [])
        return self._known[1]


class _Search:
    """One floor's search: what was judged, and the best plan so far."""

    def __init__(self, problem: Problem, floor: Floor, land: Landscape) -> None:
        self._problem, self._floor, self._land = problem, floor, land
        self._known: dict[tuple[Rungs, Floor], Verdict] = {}
        self._best: Rungs | None = None
        self._remaining = self._later = 0  # evaluations of this round, and of the one after it

    def run(self, ended: Sequence[list[Rungs]], bounds: tuple[int, ...]) -> Iterator[Step]:
        """The search itself: a round within families, and where there are several another across them."""
        land = self._land
        for crossing, bound in enumerate(bounds):
            self._remaining, self._later = bound, sum(bounds[crossing + 1 :])
            if self._best is not None:
                ended[crossing].append(self._best)
            yield from self._round(bool(crossing), ended[crossing])
        if self._best is None:
            yield Step(land.at((land.path or land.mixed_path)[0]), False, None, 0)
            return
        for decision in self._decisions(self._best):
            yield Step(land.at(self._best), True, decision, 0)

    def _round(self, crossing: bool, ended: list[Rungs]) -> Iterator[Step]:
        """The path, all sites alike, and repair, each from the best so far."""
        land, strict = self._land, self._floor.among(ALIKE)
        path = land.mixed_path if crossing else land.path
        yield from self._improved(self._last(path, self._floor))
        yield from self._improved(self._alike(crossing))
        if self._best is None:
            return
        near: Rungs | None = self._best if strict == self._floor else self._last(path, strict)
        for other in ended:
            if (near is None or land.cost(other) < land.cost(near)) and self._holds(other, strict):
                near = other
        self._remaining = BUDGET + SINGLES * len(self._best)
        while near is not None:
            yield from self._improved(near)
            near = self._better(near, strict, crossing)
        while (lower := self._lower(self._best, strict)) is not None:
            yield from self._improved(lower)
        ended.append(self._best)

    def _improved(self, found: Rungs | None) -> Iterator[Step]:
        """A step to a plan, if there is one and it takes less energy than the best so far."""
        if found is not None and (self._best is None or self._land.cost(found) < self._land.cost(self._best)):
            self._best = found
            yield Step(self._land.at(found), True, None, self._remaining + self._later)

    def _alike(self, crossing: bool) -> Rungs | None:
        """The fewest bits for all sites that hold; across families the least energy of one format below the best."""
        if not crossing:
            return None if self._best is None else self._last(self._land.uniform, self._floor)
        most = float("inf") if self._best is None else self._land.cost(self._best)
        cheaper = (other for other in self._land.others if self._land.cost(other) < most)
        return next((other for other in cheaper if self._holds(other, self._floor)), None)

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

    def _better(self, rungs: Rungs, floor: Floor, crossing: bool) -> Rungs | None:
        """A cheaper plan nearby that holds the floor, if the budget finds one."""
        for candidate in self._land.near(rungs, crossing):
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
            format, below = ladder[best[place]], self._land.below(best, place)
            trials = [Trial(format, True, known[best].tally)]
            if below in known:
                trials.append(Trial(ladder[below[place]], known[below].holds, known[below].tally))
            yield Decision(site, format, tuple(trials))
