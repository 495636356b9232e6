"""The laws of `Strategy`, as tests that whoever writes a strategy inherits.

    class TestMyStrategy(StrategyLaws):
        classes = (MyStrategy,)

Without classes of its own a subclass holds every strategy at hand to the laws. They are tried on made-up accuracies,
also such as rise and fall with the bits, with made-up sensitivities that say nothing about them, and on a small trained
network.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.jobs.small import digits, network

from picojoule.calibration import Calibration
from picojoule.energy import Platform, Sparsity, energy
from picojoule.evaluate import Accuracy, Evaluator, Floor, PlainEvaluator, Tally, Verdict
from picojoule.formats import Float32, Format
from picojoule.plan import Limits, Plan, ram_bytes, weight_bytes
from picojoule.search import (
    FAMILIES,
    Problem,
    Sensitivities,
    Step,
    Strategy,
    by_energy,
    formats_of,
    ladders_of,
    measure,
    strategies,
)

laws = settings(
    max_examples=40,
    # Every subclass runs the same law, and `strategy` stays the same for all examples of a run.
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


@dataclass
class Made(Evaluator):
    """Tallies from a function of the plan; it remembers what it was asked to judge."""

    function: Callable[[Plan], Tally]
    asked: list[Plan] = field(default_factory=list)

    def tally(self, plan: Plan) -> Tally:
        return self.function(plan)

    def judge(self, plan: Plan, floor: Floor) -> Verdict:
        self.asked.append(plan)
        return super().judge(plan, floor)


@dataclass(frozen=True)
class Walk:
    """One search to its end: its steps, and how many evaluations had been asked for when each was yielded."""

    problem: Problem
    floor: Floor
    steps: list[Step]
    asked: list[Plan]
    asked_by: list[int]

    def holds(self, plan: Plan) -> bool:
        """Whether a plan really holds the floor."""
        return self.floor.holds(self.problem.evaluator.tally(plan))


def walk(strategy: type[Strategy], problem: Problem, floor: Floor) -> Walk:
    """Search from the beginning to the end."""
    evaluator = problem.evaluator
    assert isinstance(evaluator, Made)
    evaluator.asked.clear()
    steps, asked_by = [], []
    for step in strategy().steps(problem, floor):
        steps.append(step)
        asked_by.append(len(evaluator.asked))
    return Walk(problem, floor, steps, list(evaluator.asked), asked_by)


def total_bits(plan: Plan) -> float:
    """A cost for strategies that ask for one; a layer's operands of two families are dearer than either."""
    odd = sum(
        plan.formats[each.weights].arithmetic != plan.formats[each.inputs].arithmetic for each in network().layers
    )
    return sum(format.stored_bits for format in plan.formats.values()) + 3.0 * odd


def drawn_sensitivities(ladders: dict[str, tuple[Format, ...]], seed: int) -> Sensitivities:
    """Slacks and noises at random, some of them zero; fewer bits need not mean more noise."""
    draw = np.random.RandomState(seed % 2**32)
    keys = [(site, format) for site, ladder in ladders.items() for format in ladder]
    noise = {key: draw.exponential(draw.choice([0.0, 0.1, 1.0]), 20) for key in keys}
    return Sensitivities(draw.exponential(1.0, 20) * draw.choice([0, 1], 20), noise)


@st.composite
def searches(draw: st.DrawFn) -> tuple[Problem, Floor]:
    """Problems on the small network's sites with made-up accuracies, monotone or at random, and floors on them.

    Ladders are of one family or of several, where fewer bits need not come lower.
    """
    sites = list(network().sites)
    low = draw(st.integers(1, 5))
    bits = (low, draw(st.integers(low, 6)))
    families = draw(st.sampled_from([("fixed",), tuple(FAMILIES), ("fixed", "nf"), ("float", "nf")]))
    formats = formats_of(families, bits) or formats_of(("fixed",), bits)
    dear = draw(st.sampled_from([0.5, 1, 2]))
    order = by_energy(formats, lambda format: format.stored_bits * (1 if format.arithmetic == "fixed" else dear))
    signed = {site: draw(st.booleans()) for site in sites}
    ladders = ladders_of(signed, order)
    if draw(st.booleans()):  # inputs of their own
        own = draw(st.sampled_from([("fixed",), ("fixed16",), ("nf", "lut"), tuple(FAMILIES)]))
        theirs = by_energy(formats_of(own, (1, 16)), lambda format: format.stored_bits)
        ladders |= {site: each for site, each in ladders_of(signed, theirs).items() if site.endswith(".inputs")}
    total, seed = 1000, draw(st.integers(0, 2**31))
    reference = draw(st.sampled_from([total, total // 2]))
    if draw(st.booleans()):
        loss = {site: draw(st.integers(0, 60)) for site in sites}

        def right(plan: Plan) -> int:
            lost = sum(loss[site] * (bits[1] - format.bits) for site, format in plan.formats.items())
            return min(total, max(0, total - lost))
    else:
        least = draw(st.integers(0, total))

        def right(plan: Plan) -> int:
            return least + zlib.crc32(str(plan).encode(), seed) % (total - least + 1)

    def tally(plan: Plan) -> Tally:
        found = right(plan)
        return Tally(total, total, found, max(0, reference - found), max(0, found - reference))

    keep, confidence = draw(st.sampled_from([1.0, 0.99, 0.9, 0.5, 0.001])), draw(st.sampled_from([None, 0.95]))
    problem = Problem(network(), ladders, Made(tally), total_bits, drawn_sensitivities(ladders, seed))
    return replace(problem, limits=draw(limits(problem))), Floor(keep, Accuracy(reference, total), confidence)


@st.composite
def limits(draw: st.DrawFn, problem: Problem) -> Limits:
    """Limits that the fewest bits keep, and the most bits may not."""
    found = []
    for size in (weight_bytes, ram_bytes):
        least, most = (size(network(), plan) for plan in (problem.narrowest(), problem.widest()))
        found.append(draw(st.none() | st.integers(least, most)))
    return Limits(*found)


@cache
def real() -> tuple[Problem, Accuracy]:
    """The small trained network on 200 digits, and the float network's accuracy there."""
    loaded, platform = digits(), Platform.load("moons2017")
    assert loaded.train is not None
    calibration = Calibration.of(network(), loaded.train.x[:200])
    plain = PlainEvaluator(calibration, loaded.held_out.first(200))
    ladders = ladders_of({site: calibration.signed(site) for site in network().sites}, formats_of(("fixed",), (1, 6)))
    _, sensitivities = measure(calibration, loaded.train.x[:200], ladders, tune=False)

    def cost(plan: Plan) -> float:
        return energy(network(), plan, platform, Sparsity.none()).total_pj

    problem = Problem(network(), ladders, Made(cache(plain.tally)), cost, sensitivities)
    return problem, plain.accuracy(Plan.uniform(network(), Float32()))


class StrategyLaws:
    """One test method for each law in `Strategy`'s docstring."""

    classes: ClassVar[tuple[type[Strategy], ...]] = tuple(strategies().values())
    """The strategies that are held to the laws."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each law for each of `classes`."""
        if "strategy" in metafunc.fixturenames:
            metafunc.parametrize("strategy", self.classes, ids=lambda strategy: strategy.name)

    def setup_class(self) -> None:
        """Train the small network before any example is drawn, since training takes random numbers."""
        network()

    def test_it_has_a_name_and_a_summary(self, strategy: type[Strategy]) -> None:
        assert strategy.name == strategy.name.strip().lower() != ""
        assert len(strategy.summary.splitlines()) == 1

    @laws
    @given(search=searches())
    def test_where_nothing_holds_there_is_one_step_that_says_so(
        self, strategy: type[Strategy], search: tuple[Problem, Floor]
    ) -> None:
        self.check_failure(walk(strategy, *search))

    @laws
    @given(search=searches())
    def test_else_every_plan_was_judged_and_holds(
        self, strategy: type[Strategy], search: tuple[Problem, Floor]
    ) -> None:
        self.check_plans(strategy, walk(strategy, *search))

    @laws
    @given(search=searches())
    def test_remaining_is_a_bound(self, strategy: type[Strategy], search: tuple[Problem, Floor]) -> None:
        self.check_remaining(strategy, walk(strategy, *search))

    @laws
    @given(search=searches())
    def test_the_same_problem_gives_the_same_steps(
        self, strategy: type[Strategy], search: tuple[Problem, Floor]
    ) -> None:
        assert walk(strategy, *search) == walk(strategy, *search)

    @laws
    @given(search=searches())
    def test_the_path_is_of_plans_that_it_could_have_taken(
        self, strategy: type[Strategy], search: tuple[Problem, Floor]
    ) -> None:
        problem, _ = search
        path = strategy().path(problem)
        assert len(set(path)) == len(path)
        assert path == strategy().path(problem)
        for plan in path:
            self.check_plan(strategy, problem, plan)

    @pytest.mark.parametrize("limited", [False, True])
    @pytest.mark.parametrize("keep", [1.0, 0.97, 0.8])
    def test_on_a_trained_network(self, strategy: type[Strategy], keep: float, limited: bool) -> None:
        problem, reference = real()
        if limited:
            problem = replace(problem, limits=Limits(200, 50))
        found = walk(strategy, problem, Floor(keep, reference))
        self.check_failure(found)
        self.check_plans(strategy, found)
        self.check_remaining(strategy, found)
        assert walk(strategy, problem, Floor(keep, reference)) == found

    def check_failure(self, found: Walk) -> None:
        """If no plan that was judged holds the floor, there is one step, a plan that was judged, and it says so."""
        assert found.steps
        assert found.asked
        if not any(map(found.holds, found.asked)):
            (step,) = found.steps
            assert step.plan in found.asked
            assert not step.holds

    def check_plans(self, strategy: type[Strategy], found: Walk) -> None:
        """Else every step's plan was judged by then, holds the floor, and is within its ladders and limits."""
        for step, asked_by in zip(found.steps, found.asked_by, strict=True):
            assert step.plan in found.asked[:asked_by]
            assert step.holds == found.holds(step.plan)
        assert all(step.holds for step in found.steps) == any(map(found.holds, found.asked))
        for plan in (*found.asked, *(step.plan for step in found.steps)):
            self.check_plan(strategy, found.problem, plan)

    def check_plan(self, strategy: type[Strategy], problem: Problem, plan: Plan) -> None:
        """Each site has a format of its ladder; those that weigh keep the limits."""
        assert list(plan.formats) == list(problem.network.sites)
        assert all(format in problem.ladders[site] for site, format in plan.formats.items())
        if strategy.weighs:
            assert problem.limits.excess(problem.network, plan) == 0

    def check_remaining(self, strategy: type[Strategy], found: Walk) -> None:
        """`remaining` is never less than the evaluations that really follow, and `bound` than all of them."""
        for step, asked_by in zip(found.steps, found.asked_by, strict=True):
            assert step.remaining >= len(found.asked) - asked_by
        assert strategy().bound(found.problem) >= len(found.asked)
