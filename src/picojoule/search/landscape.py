"""What plans cost and how much they disturb, as far as it is known without an evaluation.

Energy is taken apart into what each site's bits cost and what a layer's weights and inputs cost together, which is
exact where no two layers compete for memory on the chip. A move takes one layer's weights and inputs to other rungs:
within the family of formats that a site has, or, where it crosses, to any format of another family.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from picojoule.plan import Plan
from picojoule.search.sensitivity import Numbers
from picojoule.search.strategy import Problem

HOPELESS = 0.5
"""The path ends where fewer than this share of the samples are expected to stay as they are."""
REACH = 2
"""By how many rungs of its family a repair moves a site, at most."""
LEAST = 5e-4
"""The least share of the plan's energy that a pair of moves has to save."""
CHANCE = 0.02
"""Samples lost that a move is taken to cost at least: less is not known of it."""

Rungs = tuple[int, ...]
"""For each site in order its place on its ladder."""


class _Moves(NamedTuple):
    """Moves of one layer: the places of its sites, the rungs they go to, and the energy and the noise they add."""

    layer: int
    places: tuple[int, ...]
    rungs: np.ndarray  # [moves, places]
    cost: Numbers  # [moves]
    noise: Numbers  # [moves, samples]
    crosses: NDArray[np.bool_]  # [moves], whether a site gets another family

    def applied(self, index: int, rungs: Rungs) -> Rungs:
        moved = list(rungs)
        for place, rung in zip(self.places, self.rungs[index], strict=True):
            moved[place] = int(rung)
        return tuple(moved)


class Landscape:
    """A problem's plans as rungs of their ladders."""

    def __init__(self, problem: Problem) -> None:
        assert problem.sensitivities is not None, "a problem that weighs moves has sensitivities"
        self._problem, self._found = problem, problem.sensitivities
        self._ladders = list(problem.ladders.values())
        place = {site: index for index, site in enumerate(problem.ladders)}
        self._layers = [(place[layer.weights], place[layer.inputs]) for layer in problem.network.layers]
        self._noise = [
            np.stack([self._found.noise[site, format] for format in ladder]) for site, ladder in problem.ladders.items()
        ]
        self._arithmetics = [np.array([format.arithmetic for format in ladder]) for ladder in self._ladders]
        widest = problem.widest().formats
        self._widest = tuple(problem.ladders[site].index(widest[site]) for site in problem.ladders)

    def at(self, rungs: Rungs) -> Plan:
        """The plan of these rungs."""
        formats = (ladder[rung] for ladder, rung in zip(self._ladders, rungs, strict=True))
        return Plan(dict(zip(self._problem.ladders, formats, strict=True)))

    def below(self, rungs: Rungs, place: int) -> Rungs | None:
        """The plan with one site a rung of its family lower; None at the foot."""
        lower = (each for each in self._within(place, rungs[place], 1, False) if each > rungs[place])
        return next(((*rungs[:place], int(each), *rungs[place + 1 :]) for each in lower), None)

    def lower(self, rungs: Rungs) -> Iterator[Rungs]:
        """The plans within the limits that have one site a rung of its family lower."""
        for place in range(len(rungs)):
            lower = self.below(rungs, place)
            if lower is not None and not self._excess(lower):
                yield lower

    def cost(self, rungs: Rungs) -> float:
        """The energy of a plan."""
        return self._problem.cost(self.at(rungs))

    @property
    def mixed(self) -> bool:
        """Whether a site has formats of more than one family."""
        return any(len(set(kinds)) > 1 for kinds in self._arithmetics)

    @cached_property
    def uniform(self) -> list[Rungs]:
        """One rung for all sites, of the family of the most bits, of those plans that are within the limits."""
        return [rungs for rungs in self._everywhere if self._is_own(rungs)]

    @cached_property
    def others(self) -> list[Rungs]:
        """One rung for all sites, of other families, least energy first, of those plans that are within the limits."""
        return sorted((rungs for rungs in self._everywhere if not self._is_own(rungs)), key=self.cost)

    @cached_property
    def path(self) -> list[Rungs]:
        """Plans from accurate to cheap: always the move within a family that saves most per expected loss.

        What exceeds the limits counts before energy does; where even the fewest bits exceed them the path is empty.
        """
        return self._walk(self._widest, False)

    @cached_property
    def mixed_path(self) -> list[Rungs]:
        """The path that crosses between families, from each site's format that disturbs least."""
        if not self.mixed:
            return self.path
        kept = [self._found.kept(noise) for noise in self._noise]
        calm = zip(kept, self._widest, strict=True)
        return self._walk(tuple(int(each.argmax()) if each.max() > each[rung] else rung for each, rung in calm), True)

    def near(self, rungs: Rungs, crossing: bool = False) -> Iterator[Rungs]:
        """Cheaper plans one or two moves away and within the limits, most energy saved per expected loss first."""
        noise = self._total(rungs)
        kept, now = self._found.kept(noise), self.cost(rungs)
        all_moves = [self._moves(rungs, layer, REACH, crossing) for layer in range(len(self._layers))]
        place = [(moves, index) for moves in all_moves for index in range(len(moves.cost))]
        cost = np.concatenate([moves.cost for moves in all_moves])
        losses = [kept - self._found.kept(np.maximum(noise + moves.noise, 0)) for moves in all_moves]
        lost = np.concatenate(losses)
        layer = np.concatenate([np.full(len(moves.cost), moves.layer) for moves in all_moves])
        worth = np.concatenate(
            [~moves.crosses | _front(moves.cost, less) for moves, less in zip(all_moves, losses, strict=True)]
        )
        chance = CHANCE / len(noise)
        down, up = np.flatnonzero(worth & (cost < 0)), np.flatnonzero(worth & (cost >= 0) & (lost < 0))
        found = [(-cost[one] / max(lost[one], chance), one, None) for one in down]
        pairs = cost[down][:, None] + cost[up]
        together = np.maximum(lost[down][:, None] + lost[up], chance)
        fits = (pairs < -LEAST * now) & self._apart[np.ix_(layer[down], layer[up])]
        found += [(-pairs[i, j] / together[i, j], down[i], up[j]) for i, j in zip(*np.nonzero(fits), strict=True)]
        for _, one, other in sorted(found, key=lambda entry: -entry[0]):
            moves, index = place[one]
            candidate = moves.applied(index, rungs)
            if other is not None:
                moves, index = place[other]
                candidate = moves.applied(index, candidate)
            if self.cost(candidate) < now and not self._excess(candidate):
                yield candidate

    @cached_property
    def _apart(self) -> NDArray[np.bool_]:
        """Which layers share no site, so that what their moves add is added up."""
        return np.array([[set(one).isdisjoint(other) for other in self._layers] for one in self._layers])

    @cached_property
    def _everywhere(self) -> list[Rungs]:
        """One rung for all sites, as far as each ladder goes, of those plans that are within the limits."""
        depth = max(map(len, self._ladders))
        plans = [tuple(min(rung, len(ladder) - 1) for ladder in self._ladders) for rung in range(depth)]
        return [rungs for rungs in plans if not self._excess(rungs)]

    def _is_own(self, rungs: Rungs) -> bool:
        """Whether every site has the family of its most bits."""
        places = zip(self._arithmetics, rungs, self._widest, strict=True)
        return all(kinds[rung] == kinds[widest] for kinds, rung, widest in places)

    def _walk(self, rungs: Rungs, crossing: bool) -> list[Rungs]:
        path, noise = list[Rungs](), self._total(rungs)
        for _ in range(1 + sum(map(len, self._ladders))):  # within families it ends before
            excess = self._excess(rungs)
            if not excess:
                path.append(rungs)
            found = self._steepest(rungs, noise, excess, crossing)
            if found is None or (path and self._found.kept(noise + found[0].noise[found[1]]) < HOPELESS):
                break
            moves, index = found
            rungs, noise = moves.applied(index, rungs), np.maximum(noise + moves.noise[index], 0)
        return path

    def _excess(self, rungs: Rungs) -> float:
        limits = self._problem.limits
        return limits.excess(self._problem.network, self.at(rungs)) if limits else 0.0

    def _total(self, rungs: Rungs) -> Numbers:
        total: Numbers = np.sum([noise[rung] for noise, rung in zip(self._noise, rungs, strict=True)], axis=0)
        return total

    def _steepest(self, rungs: Rungs, noise: Numbers, excess: float, crossing: bool) -> tuple[_Moves, int] | None:
        """The move, down or to another family, that saves most per expected loss; none that leaves the limits."""
        kept, chance = self._found.kept(noise), 1e-6 / len(noise)
        best, found = 0.0, None
        for layer in range(len(self._layers)):
            moves = self._moves(rungs, layer, None, crossing)
            saved = -moves.cost
            if excess:
                saved = np.array([excess - self._excess(moves.applied(k, rungs)) for k in range(len(moves.cost))])
            lost = kept - self._found.kept(np.maximum(noise + moves.noise, 0))
            slope = saved / np.maximum(lost, chance)
            while len(slope) and slope.max() > best:
                index = int(slope.argmax())
                if excess or not self._excess(moves.applied(index, rungs)):
                    best, found = slope.max(), (moves, index)
                slope[index] = 0
        return found

    def _moves(self, rungs: Rungs, layer: int, reach: int | None, crossing: bool = False) -> _Moves:
        """A layer's moves by up to `reach` rungs either way; None for all moves down, to the foot of the ladders."""
        places = tuple(dict.fromkeys(self._layers[layer]))
        spans = [self._within(place, rungs[place], reach, crossing) for place in places]
        to = np.stack([each.ravel() for each in np.meshgrid(*spans, indexing="ij")], axis=1)
        to = to[(to != [rungs[place] for place in places]).any(axis=1)]
        noise = sum(self._noise[place][to[:, k]] - self._noise[place][rungs[place]] for k, place in enumerate(places))
        kinds = [self._arithmetics[place] for place in places]
        crosses = np.any([each[to[:, k]] != each[rungs[places[k]]] for k, each in enumerate(kinds)], axis=0)
        return _Moves(layer, places, to, self._difference(rungs, places, to), np.asarray(noise), crosses)

    def _within(self, place: int, rung: int, reach: int | None, crossing: bool) -> NDArray[np.int_]:
        """The rungs that a site may move to: `reach` of its family either way, None for all down, and of others any."""
        own = self._arithmetics[place] == self._arithmetics[place][rung]
        steps = np.cumsum(own) - np.cumsum(own)[rung]
        near = steps >= 0 if reach is None else abs(steps) <= reach
        return np.flatnonzero(np.where(own, near, crossing))

    def _difference(self, rungs: Rungs, places: tuple[int, ...], to: np.ndarray) -> Numbers:
        """The energy that moves add: of the sites themselves, and of every layer that has one of them."""
        moved = dict(zip(places, to.T, strict=True))
        added = np.zeros(len(to))
        for place, rung in moved.items():
            added += self._alone[place][rung] - self._alone[place][rungs[place]]
        for pair, together in zip(self._layers, self._together, strict=True):
            if not moved.keys().isdisjoint(pair):
                now = together[rungs[pair[0]], rungs[pair[1]]]
                added += together[moved.get(pair[0], rungs[pair[0]]), moved.get(pair[1], rungs[pair[1]])] - now
        return added

    @cached_property
    def _alone(self) -> list[Numbers]:
        """For each site and rung, what it costs more than the most bits."""
        return [
            np.array([self._changed({place: rung}) for rung in range(len(ladder))])
            for place, ladder in enumerate(self._ladders)
        ]

    @cached_property
    def _together(self) -> list[Numbers]:
        """For each layer what its weights' and its inputs' rung cost beyond what each costs alone."""
        return [
            np.array(
                [
                    [
                        self._changed({weights: w, inputs: i}) - self._alone[weights][w] - self._alone[inputs][i]
                        for i in range(len(self._ladders[inputs]))
                    ]
                    for w in range(len(self._ladders[weights]))
                ]
            )
            for weights, inputs in self._layers
        ]

    def _changed(self, rungs: dict[int, int]) -> float:
        """The energy with some sites on other rungs, less that with the most bits everywhere."""
        return self.cost(tuple(rungs.get(place, rung) for place, rung in enumerate(self._widest))) - self._most

    @cached_property
    def _most(self) -> float:
        return self.cost(self._widest)


def _front(cost: Numbers, lost: Numbers) -> NDArray[np.bool_]:
    """Which moves lose less than all that cost no more."""
    order = np.lexsort((lost, cost))
    less = np.minimum.accumulate(np.concatenate([[np.inf], lost[order]]))
    front = np.zeros(len(cost), bool)
    front[order] = lost[order] < less[:-1]
    return front
