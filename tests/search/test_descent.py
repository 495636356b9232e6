"""Descent against every plan of tiny problems, and against uniform plans and the sweep on trained networks."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise, product

import pytest
from tests.search import nets
from tests.search.naive import holds

from picojoule.energy import Platform, Sparsity, energy
from picojoule.evaluate import Accuracy, Evaluator, Floor, Tally, Verdict
from picojoule.formats import parse
from picojoule.plan import Limits, Plan, ram_bytes, weight_bytes
from picojoule.search import Problem, Step, by_energy, descent, ladders_of, measure
from picojoule.search.descent import BUDGET, WAYPOINTS, Descent
from picojoule.search.greedy import Greedy

KEEPS = (1.0, 0.99, 0.98, 0.97, 0.95, 0.9, 0.8, 0.7, 0.5)


@cache
def all_plans(bits: tuple[int, int]) -> Sequence[tuple[float, Plan, Tally]]:
    """Every plan of the small network, two layers of four sites, cheapest first."""
    problem, _ = nets.problem("small", bits, "mse", sensed=True)
    plans = [Plan(dict(zip(problem.ladders, formats, strict=True))) for formats in product(*problem.ladders.values())]
    return sorted(((problem.cost(p), p, problem.evaluator.tally(p)) for p in plans), key=lambda each: each[0])


def within(plans: Iterable[tuple[float, Plan, Tally]], problem: Problem, floor: Floor) -> list[float]:
    """What the plans cost that hold a floor and keep the limits."""
    return [
        cost for cost, plan, tally in plans
        if floor.holds(tally) and problem.limits.excess(problem.network, plan) == 0
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("limited", "confidence", "factor"),
    [(False, None, 1.02), (False, 0.95, 1.1), (True, None, 1.02), (True, 0.95, 1.25)],
)
@pytest.mark.parametrize("bits", [(1, 3), (2, 4), (3, 5)])
def test_of_all_81_plans_it_ends_at_the_cheapest_or_near(
    bits: tuple[int, int], limited: bool, confidence: float | None, factor: float
) -> None:
    """That holds the floor and is within the limits, which may be in the way of the moves that lead there."""
    problem, reference = nets.problem("small", bits, "mse", sensed=True)
    if limited:
        middle = problem.rung(1)
        problem = replace(
            problem, limits=Limits(*(size(problem.network, middle) for size in (weight_bytes, ram_bytes)))
        )
    strategy, found = Descent(), 0
    for keep in KEEPS:
        floor = Floor(keep, reference, confidence)
        *_, last = strategy.steps(problem, floor)
        if not last.holds:
            assert not holds(problem, floor, last.plan)
            continue
        found += 1
        assert holds(problem, floor, last.plan)
        assert problem.limits.excess(problem.network, last.plan) == 0
        assert problem.cost(last.plan) <= factor * min(within(all_plans(bits), problem, floor))
        uniform = [each for each in all_plans(bits) if each[1] in {problem.rung(rung) for rung in range(3)}]
        assert problem.cost(last.plan) <= min(within(uniform, problem, floor), default=float("inf"))
    assert found >= 2


@cache
def mixed() -> tuple[Problem, Problem, Accuracy]:
    """The small network with floats that cost a tenth of what they do, and without them."""
    calibration = nets.calibration("small", "mse")
    text = Platform.load("horowitz45").to_toml()
    for dear, cheap in (("[1.1, 3.7]", "[0.011, 0.037]"), ("[0.4, 0.9]", "[0.04, 0.09]")):
        assert dear in text
        text = text.replace(dear, cheap)
    platform, network = Platform.parse(text, "cheap floats"), calibration.network

    def cost(plan: Plan) -> float:
        return energy(network, plan, platform, Sparsity.none()).total_pj

    evaluator = nets.problem("small", (1, 3), "mse")[0].evaluator
    formats = by_energy(
        map(parse, ("fixed4", "fixed3", "fixed2", "e3m2", "e2m1")), lambda each: cost(Plan.uniform(network, str(each)))
    )
    ladders = ladders_of(dict.fromkeys(network.sites, False), formats)
    train = nets.loaded("small").train
    assert train is not None
    found = measure(calibration, train.x[:200], ladders, tune=False)[1]
    problem = Problem(network, ladders, evaluator, cost, found)
    alone = replace(problem, ladders={site: tuple(map(parse, ("fixed4", "fixed3", "fixed2"))) for site in ladders})
    return problem, alone, evaluator.accuracy(Plan.uniform(network, "float32"))


@pytest.mark.parametrize("confidence", [None, 0.95])
def test_of_all_625_plans_of_two_families_it_ends_at_the_cheapest_or_near(confidence: float | None) -> None:
    """Never above fixed point alone, at times below; which takes layers of both families."""
    problem, alone, reference = mixed()
    plans = [Plan(dict(zip(problem.ladders, formats, strict=True))) for formats in product(*problem.ladders.values())]
    known = sorted(((problem.cost(p), p, problem.evaluator.tally(p)) for p in plans), key=lambda each: each[0])
    strategy, apart, ratios, families = Descent(), Descent(), list[float](), set[frozenset[str]]()
    for keep in KEEPS:
        floor = Floor(keep, reference, confidence)
        (*_, last), (*_, without) = strategy.steps(problem, floor), apart.steps(alone, floor)
        if not last.holds:
            assert not without.holds
            continue
        assert holds(problem, floor, last.plan)
        assert problem.cost(last.plan) <= (1.02 if confidence is None else 1.15) * min(within(known, problem, floor))
        families.add(frozenset(format.arithmetic for format in last.plan.formats.values()))
        if without.holds:
            ratios.append(problem.cost(last.plan) / problem.cost(without.plan))
    assert len(ratios) >= 3
    assert max(ratios) <= 1
    assert min(ratios) < 0.99
    assert any("float" in each for each in families)


class Asked(Evaluator):
    """Remembers what it was asked to judge."""

    def __init__(self, inner: Evaluator) -> None:
        self.inner = inner
        self.judged: list[Plan] = []

    def tally(self, plan: Plan) -> Tally:
        return self.inner.tally(plan)

    def judge(self, plan: Plan, floor: Floor) -> Verdict:
        self.judged.append(plan)
        return self.inner.judge(plan, floor)


@pytest.mark.parametrize("name", ["small", "residual", "lenet5"])
class TestTrained:
    """From 12 bits down, in one strategy for all floors, as a job does it."""

    def test_each_step_is_cheaper_and_no_plan_is_judged_twice(self, name: str) -> None:
        problem, reference = nets.problem(name, (1, 12), "mse", sensed=True)
        strategy, asked = Descent(), Asked(problem.evaluator)
        problem = replace(problem, evaluator=asked)
        steps = list(strategy.steps(problem, Floor(0.95, reference)))
        assert len(set(asked.judged)) == len(asked.judged) <= strategy.bound(problem)
        plans = list(dict.fromkeys(step.plan for step in steps))
        costs = [problem.cost(plan) for plan in plans]
        assert all(after < before for before, after in pairwise(costs))
        self.check_decisions(problem, Floor(0.95, reference), steps)

    def check_decisions(self, problem: Problem, floor: Floor, steps: list[Step]) -> None:
        """At the end one for each site: what it has, and what was tried just below that."""
        plan = steps[-1].plan
        decisions = [step.decision for step in steps if step.decision is not None]
        assert [decision.site for decision in decisions] == list(problem.ladders)
        for decision in decisions:
            ladder = problem.ladders[decision.site]
            assert decision.format == plan.formats[decision.site]
            first, *others = decision.trials
            assert (first.format, first.holds) == (decision.format, True)
            for trial in others:
                lower = plan.replace(decision.site, trial.format)
                assert ladder.index(trial.format) == ladder.index(decision.format) + 1
                assert trial.holds == holds(problem, floor, lower)
                assert floor.decide(trial.tally) == trial.holds

    @pytest.mark.parametrize("confidence", [None, 0.95])
    def test_it_is_below_every_uniform_plan(self, name: str, confidence: float | None) -> None:
        problem, reference = nets.problem(name, (1, 12), "mse", sensed=True)
        strategy, found = Descent(), 0
        for keep in (0.98, 0.95, 0.9, 0.8):
            floor = Floor(keep, reference, confidence)
            *_, last = strategy.steps(problem, floor)
            uniform = [problem.cost(plan) for plan in map(problem.rung, range(12)) if holds(problem, floor, plan)]
            if uniform:
                found += 1
                assert last.holds
                assert problem.cost(last.plan) <= min(uniform)
        assert found >= 3

    def test_it_is_below_the_sweep(self, name: str) -> None:
        """On average by far; at each floor by a little at least, or about the same."""
        problem, reference = nets.problem(name, (1, 12), "mse", sensed=True)
        strategy, ratios = Descent(), []
        for keep in (0.98, 0.95, 0.9, 0.8):
            floor = Floor(keep, reference)
            *_, last = strategy.steps(problem, floor)
            *_, swept = Greedy().steps(problem, floor)
            ratios.append(problem.cost(last.plan) / problem.cost(swept.plan))
        assert max(ratios) < 1.02
        assert sum(ratios) / len(ratios) < 0.95

    def test_its_path_goes_from_accurate_to_cheap(self, name: str) -> None:
        problem, _ = nets.problem(name, (1, 12), "mse", sensed=True)
        path = Descent().path(problem)
        assert 10 < len(path) <= WAYPOINTS
        assert path[0] == problem.widest()
        costs = [problem.cost(plan) for plan in path]
        assert all(after < before for before, after in pairwise(costs))
        accuracies = [problem.evaluator.accuracy(plan).value for plan in path]
        assert accuracies[0] > accuracies[-1] + 0.1


def test_repair_ends_with_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the best plan until then."""
    problem, reference = nets.problem("residual", (1, 12), "mse", sensed=True)
    floor, costs = Floor(0.9, reference), []
    for budget in (0, 5, 20, BUDGET):
        monkeypatch.setattr(descent, "BUDGET", budget)
        asked = Asked(problem.evaluator)
        steps = list(Descent().steps(replace(problem, evaluator=asked), floor))
        assert len(asked.judged) <= Descent().bound(problem)
        assert steps[-1].holds
        costs.append(problem.cost(steps[-1].plan))
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[-1]
