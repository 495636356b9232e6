"""The laws of `Strategy`, as tests that whoever writes a strategy inherits.

    class TestMyStrategy(StrategyLaws):
        classes = (MyStrategy,)

Without classes of its own a subclass holds every strategy at hand to the laws. They are tried on made-up accuracies,
also such as rise and fall with the bits, and on a small trained network.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.jobs.small import digits, network

from picojoule.calibration import Calibration
from picojoule.evaluate import Accuracy, Evaluator, Floor, PlainEvaluator
from picojoule.formats import Float32
from picojoule.plan import Plan
from picojoule.search import Problem, Step, Strategy, fixed_point_ladders, strategies

laws = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    # Every subclass runs the same law, and `strategy` stays the same for all examples of a run.
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


@dataclass
class Made(Evaluator):
    """Accuracies from a function of the plan; it remembers what it was asked."""

    function: Callable[[Plan], Accuracy]
    asked: list[Plan] = field(default_factory=list)

    def accuracy(self, plan: Plan) -> Accuracy:
        self.asked.append(plan)
        return self.function(plan)


@dataclass(frozen=True)
class Walk:
    """One search to its end: its steps, and how many evaluations had been asked for when each was yielded."""

    problem: Problem
    floor: Floor
    steps: list[Step]
    asked: list[Plan]
    asked_by: list[int]


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
    """A cost for strategies that ask for one."""
    return float(sum(format.bits for format in plan.formats.values()))


@st.composite
def searches(draw: st.DrawFn) -> tuple[Problem, Floor]:
    """Problems on the small network's sites with made-up accuracies, monotone or at random, and floors on them."""
    sites = list(network().sites)
    low = draw(st.integers(1, 5))
    bits = (low, draw(st.integers(low, 6)))
    signed = {site: draw(st.booleans()) for site in sites}
    total = 1000
    if draw(st.booleans()):
        loss = {site: draw(st.integers(0, 60)) for site in sites}

        def function(plan: Plan) -> Accuracy:
            lost = sum(loss[site] * (bits[1] - format.bits) for site, format in plan.formats.items())
            return Accuracy(max(0, total - lost), total)
    else:
        seed, least = draw(st.integers(0, 2**31)), draw(st.integers(0, total))

        def function(plan: Plan) -> Accuracy:
            return Accuracy(least + zlib.crc32(str(plan).encode(), seed) % (total - least + 1), total)

    keep = draw(st.sampled_from([1.0, 0.99, 0.9, 0.5, 0.001]))
    problem = Problem(network(), fixed_point_ladders(signed, bits), Made(function), total_bits)
    return problem, Floor(keep, Accuracy(draw(st.sampled_from([total, total // 2])), total))


@cache
def real() -> tuple[Problem, Accuracy]:
    """The small trained network on 200 digits, and the float network's accuracy there."""
    loaded = digits()
    assert loaded.train is not None
    calibration = Calibration.of(network(), loaded.train.x[:200])
    known: dict[Plan, Accuracy] = {}
    plain = PlainEvaluator(calibration, loaded.held_out.first(200))

    def function(plan: Plan) -> Accuracy:
        if plan not in known:
            known[plan] = plain.accuracy(plan)
        return known[plan]

    signed = {site: calibration.signed(site) for site in network().sites}
    reference = plain.accuracy(Plan.uniform(network(), Float32()))
    return Problem(network(), fixed_point_ladders(signed, (1, 6)), Made(function), total_bits), reference


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
    def test_the_first_step_is_the_widest_plan(self, strategy: type[Strategy], search: tuple[Problem, Floor]) -> None:
        self.check_first(walk(strategy, *search))

    @laws
    @given(search=searches())
    def test_later_plans_were_evaluated_and_hold(self, strategy: type[Strategy], search: tuple[Problem, Floor]) -> None:
        self.check_plans(walk(strategy, *search))

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

    @pytest.mark.parametrize("keep", [1.0, 0.97, 0.8])
    def test_on_a_trained_network(self, strategy: type[Strategy], keep: float) -> None:
        problem, reference = real()
        found = walk(strategy, problem, Floor(keep, reference))
        self.check_first(found)
        self.check_plans(found)
        self.check_remaining(strategy, found)
        assert walk(strategy, problem, Floor(keep, reference)) == found

    def check_first(self, found: Walk) -> None:
        """The first step is the widest plan, and if that fails the floor it is the only one."""
        first = found.steps[0]
        assert first.plan == found.problem.widest()
        assert first.plan in found.asked[: found.asked_by[0]]
        if not found.floor.holds(first.accuracy):
            assert len(found.steps) == 1

    def check_plans(self, found: Walk) -> None:
        """Every later step's plan was evaluated, holds the floor, and keeps each site within its ladder."""
        assert isinstance(found.problem.evaluator, Made)
        for step, asked_by in zip(found.steps, found.asked_by, strict=True):
            assert step.plan in found.asked[:asked_by]
            assert step.accuracy == found.problem.evaluator.function(step.plan)
        for step in found.steps[1:]:
            assert found.floor.holds(step.accuracy)
        for plan in (*found.asked, *(step.plan for step in found.steps)):
            assert list(plan.formats) == list(found.problem.network.sites)
            assert all(format in found.problem.ladders[site] for site, format in plan.formats.items())

    def check_remaining(self, strategy: type[Strategy], found: Walk) -> None:
        """`remaining` is never less than the evaluations that really follow, and `bound` than all of them."""
        for step, asked_by in zip(found.steps, found.asked_by, strict=True):
            assert step.remaining >= len(found.asked) - asked_by
        assert strategy().bound(found.problem) >= len(found.asked)
