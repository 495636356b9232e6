"""Energy taken apart against energy as a whole, and the path and the neighbourhood that are found with it."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from tests.search import nets

from picojoule.energy import Platform, Sparsity, energy
from picojoule.formats import parse
from picojoule.plan import Limits, Plan, ram_bytes, weight_bytes
from picojoule.search import Problem, Sensitivities, by_energy, ladders_of
from picojoule.search.landscape import HOPELESS, REACH, Landscape, Rungs, _front

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


FORMATS = ("fixed6", "fixed4", "fixed2", "e3m2", "e2m1", "e3m0", "nf4")


def several(name: str) -> Problem:
    """A problem of three families, noise drawn at random, on a platform that prices them."""
    fixed, platform = problem(name), Platform.load("horowitz45")

    def cost(plan: Plan) -> float:
        return energy(fixed.network, plan, platform, Sparsity.none()).total_pj

    order = by_energy(map(parse, FORMATS), lambda format: cost(Plan.uniform(fixed.network, str(format))))
    draw, ladders = np.random.RandomState(0), ladders_of(dict.fromkeys(fixed.ladders, True), order)
    noise = {(site, format): draw.exponential(4.0**-format.bits, 50) for site in ladders for format in order}
    return replace(fixed, ladders=ladders, cost=cost, sensitivities=Sensitivities(draw.exponential(1, 50), noise))


@pytest.mark.parametrize("name", NAMES)
def test_moves_between_families(name: str) -> None:
    """To any format of another family, and so far within one; their energy is exact, mixed pairs and all."""
    found = several(name)
    land = Landscape(found)
    rungs, layer = land._widest, found.network.layers[0]
    assert set(land.at(rungs).formats.values()) == {parse("fixed6")}
    moves, now = land._moves(rungs, 0, 1, crossing=True), land.cost(rungs)
    reached = ("fixed6", "fixed4", "e3m2", "e2m1", "e3m0", "nf4")  # by one step: not fixed2
    pairs = set[tuple[str, ...]]()
    for index, cost in enumerate(moves.cost):
        moved = land.at(moves.applied(index, rungs))
        pair = [moved.formats[site] for site in (layer.weights, layer.inputs)]
        assert land.cost(moves.applied(index, rungs)) - now == pytest.approx(cost, abs=1e-9 * now)
        assert moves.crosses[index] == any(format.arithmetic != "fixed" for format in pair)
        pairs.add(tuple(map(str, pair)))
    assert pairs == set(product(reached, repeat=2)) - {("fixed6", "fixed6")}
    assert not land._moves(rungs, 0, None).crosses.any()


@pytest.mark.parametrize("name", NAMES)
def test_one_rung_lower_stays_in_the_family(name: str) -> None:
    land = Landscape(several(name))
    for ladder, place in zip(land._ladders, range(len(land._widest)), strict=True):
        below = {}
        for rung, format in enumerate(ladder):
            lower = land.below((*land._widest[:place], rung, *land._widest[place + 1 :]), place)
            below[str(format)] = None if lower is None else str(ladder[lower[place]])
        floats = [text for text in map(str, ladder) if text.startswith("e")]
        assert below == {
            "fixed6": "fixed4", "fixed4": "fixed2", "fixed2": None, "nf4": None,
            **dict(zip(floats, [*floats[1:], None], strict=True)),
        }  # fmt: skip


@pytest.mark.parametrize("limits", [(None, None), (0.4, None), (None, 0.4), (0.0, 0.0)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_path_between_families_goes_down_within_the_limits(
    name: str, limits: tuple[float | None, float | None]
) -> None:
    """From each site's calmest format; each plan once, whatever the moves."""
    found = several(name)
    found = replace(found, limits=between(found, *limits))
    land = Landscape(found)
    plans = [land.at(rungs) for rungs in land.mixed_path]
    costs = [found.cost(plan) for plan in plans]
    assert all(after < before for before, after in pairwise(costs))
    assert all(found.limits.excess(found.network, plan) == 0 for plan in plans)
    assert plans
    assert {format.arithmetic for format in land.at(land.path[0]).formats.values()} == {"fixed"}
    for candidate in land.near(land.mixed_path[0], crossing=True):
        assert land.cost(candidate) < costs[0]
        assert found.limits.excess(found.network, land.at(candidate)) == 0


def test_of_moves_between_families_those_are_worth_trying_that_no_cheaper_one_beats() -> None:
    cost, lost = np.array([3.0, 1.0, 2.0, 2.0, 1.0, 4.0]), np.array([0.1, 0.3, 0.3, 0.2, 0.3, -1.0])
    assert _front(cost, lost).tolist() == [True, True, False, True, False, True]


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
    return problem(name, between(problem(name), weights, ram))


def between(found: Problem, weights: float | None, ram: float | None) -> Limits:
    """Limits so far above what the fewest bits take."""
    sizes = []
    for share, size in ((weights, weight_bytes), (ram, ram_bytes)):
        low, high = (size(found.network, plan) for plan in (found.narrowest(), found.widest()))
        sizes.append(None if share is None else round(low + share * (high - low)))
    return Limits(*sizes)


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
