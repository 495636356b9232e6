"""Energy taken apart against energy as a whole, and the path and the neighbourhood that are found with it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from tests.search import nets

from picojoule.plan import Limits, Plan, ram_bytes, weight_bytes
from picojoule.search import Problem
from picojoule.search.landscape import HOPELESS, REACH, Landscape, Rungs

BITS = (1, 6)
NAMES = ["small", "residual"]


def problem(name: str, limits: Limits | None = None) -> Problem:
    found, _ = nets.problem(name, BITS, sensed=True)
    return replace(found, limits=limits or Limits())


def drawn(problem: Problem, count: int) -> list[Rungs]:
    """The corners, and some at random."""
    random = np.random.RandomState(0)
    depth = BITS[1] - BITS[0]
    inside = [tuple(map(int, random.randint(0, depth + 1, len(problem.ladders)))) for _ in range(count)]
    return [(0,) * len(problem.ladders), (depth,) * len(problem.ladders), *inside]


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_is_its_rungs(name: str) -> None:
    found = problem(name)
    for rungs in drawn(found, 5):
        plan = Landscape(found).at(rungs)
        assert list(plan.formats) == list(found.network.sites)
        assert tuple(found.ladders[site].index(format) for site, format in plan.formats.items()) == rungs
        assert Landscape(found).cost(rungs) == found.cost(plan)


@pytest.mark.parametrize("name", NAMES)
def test_the_energy_of_every_move_is_exact(name: str) -> None:
    """Of one layer's weights and inputs to any rungs, from anywhere; a value that two layers read counts in both."""
    land, found = Landscape(problem(name)), problem(name)
    for rungs in drawn(found, 4 if name == "small" else 2):
        now = land.cost(rungs)
        for layer, told in enumerate(found.network.layers):
            moves = land._moves(rungs, layer, max(BITS))
            assert len(moves.cost) == (BITS[1] - BITS[0] + 1) ** 2 - 1
            for index, cost in enumerate(moves.cost):
                moved = moves.applied(index, rungs)
                changed = {site for site, a, b in zip(found.ladders, rungs, moved, strict=True) if a != b}
                assert changed
                assert changed <= {told.weights, told.inputs}
                assert land.cost(moved) - now == pytest.approx(cost, abs=1e-9 * now)


@pytest.mark.parametrize("name", NAMES)
def test_the_energy_of_two_moves_is_their_sum(name: str) -> None:
    """Of layers that share nothing."""
    land, found = Landscape(problem(name)), problem(name)
    random = np.random.RandomState(1)
    layers, compared = found.network.layers, 0
    for rungs in drawn(found, 8):
        for _ in range(20):
            one, other = (int(each) for each in random.choice(len(layers), 2, replace=False))
            if {layers[one].weights, layers[one].inputs} & {layers[other].weights, layers[other].inputs}:
                continue
            first, second = (land._moves(rungs, layer, 2) for layer in (one, other))
            i, j = random.randint(len(first.cost)), random.randint(len(second.cost))
            both = second.applied(j, first.applied(i, rungs))
            expected = first.cost[i] + second.cost[j]
            assert land.cost(both) - land.cost(rungs) == pytest.approx(expected, abs=1e-9 * land.cost(rungs))
            compared += 1
    assert compared > 50


@pytest.mark.parametrize("name", NAMES)
def test_noise_of_a_move_is_the_difference_of_its_sites(name: str) -> None:
    found = problem(name)
    land, sensitivities = Landscape(found), found.sensitivities
    assert sensitivities is not None

    def total(plan: Plan) -> np.ndarray:
        return np.sum([sensitivities.noise[site, format] for site, format in plan.formats.items()], axis=0)

    for rungs in drawn(found, 3):
        for layer in range(len(found.network.layers)):
            moves = land._moves(rungs, layer, 2)
            for index, noise in enumerate(moves.noise):
                expected = total(land.at(moves.applied(index, rungs))) - total(land.at(rungs))
                np.testing.assert_allclose(noise, expected, atol=1e-9 * float(total(land.at(rungs)).max()) + 1e-12)


LIMITS = [(None, None), (0.6, None), (None, 0.6), (0.4, 0.5), (0.0, None), (None, 0.0), (0.0, 0.0)]
"""Of weights and of memory, from what the fewest bits take (0) to what the most take (1)."""


def limited(name: str, weights: float | None, ram: float | None) -> Problem:
    found = problem(name)
    most, least = found.widest(), found.rung(100)
    sizes = []
    for share, size in ((weights, weight_bytes), (ram, ram_bytes)):
        low, high = size(found.network, least), size(found.network, most)
        sizes.append(None if share is None else round(low + share * (high - low)))
    return problem(name, Limits(*sizes))


@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("name", NAMES)
class TestPath:
    def test_it_goes_down_from_the_widest_plan_allowed(
        self, name: str, limits: tuple[float | None, float | None]
    ) -> None:
        found = limited(name, *limits)
        path = Landscape(found).path
        assert path
        costs = [found.cost(Landscape(found).at(rungs)) for rungs in path]
        assert all(after < before for before, after in pairwise(costs))
        assert all(a <= b for before, after in pairwise(path) for a, b in zip(before, after, strict=True))
        assert all(found.limits.excess(found.network, Landscape(found).at(rungs)) == 0 for rungs in path)
        if limits == (None, None):
            assert path[0] == (0,) * len(found.ladders)
            assert len(path) > len(found.ladders)

    def test_it_ends_where_most_samples_would_be_lost(
        self, name: str, limits: tuple[float | None, float | None]
    ) -> None:
        found = limited(name, *limits)
        land, sensitivities = Landscape(found), found.sensitivities
        assert sensitivities is not None
        kept = [sensitivities.kept(land._total(rungs)) for rungs in land.path]
        assert all(each >= HOPELESS for each in kept[1:])

    def test_uniform_plans_are_those_within_the_limits(
        self, name: str, limits: tuple[float | None, float | None]
    ) -> None:
        found = limited(name, *limits)
        plans = [found.rung(rung) for rung in range(BITS[1] - BITS[0] + 1)]
        allowed = [plan for plan in plans if found.limits.excess(found.network, plan) == 0]
        assert [Landscape(found).at(rungs) for rungs in Landscape(found).uniform] == allowed

    def test_what_is_near_is_cheaper(self, name: str, limits: tuple[float | None, float | None]) -> None:
        """By moves of at most two layers, by few rungs each, and within the limits."""
        found = limited(name, *limits)
        land, seen = Landscape(found), 0
        for rungs in land.path[:: max(1, len(land.path) // 4)]:
            for candidate in land.near(rungs):
                assert land.cost(candidate) < land.cost(rungs)
                assert found.limits.excess(found.network, land.at(candidate)) == 0
                moved = {
                    site: to - now for site, now, to in zip(found.ladders, rungs, candidate, strict=True) if to != now
                }
                assert 0 < max(map(abs, moved.values())) <= REACH
                assert any(
                    moved.keys() <= {one.weights, one.inputs, other.weights, other.inputs}
                    for one in found.network.layers
                    for other in found.network.layers
                )
                seen += 1
        assert seen > 0 or limits == (0.0, 0.0)
