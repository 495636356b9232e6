"""Every strategy at hand keeps the laws of `Strategy`, and some promise more."""

from dataclasses import replace

import pytest
from hypothesis import given
from tests.contracts.strategies import StrategyLaws, laws, searches

from picojoule.evaluate import Floor
from picojoule.search import Problem, Strategy
from picojoule.search.descent import Descent
from picojoule.search.uniform import Uniform


class TestEveryStrategy(StrategyLaws):
    """The laws as they stand."""


def fixed_point(problem: Problem) -> Problem | None:
    """The same problem without other families; None where it has nothing else."""
    ladders = {
        site: tuple(each for each in ladder if each.arithmetic == "fixed") for site, ladder in problem.ladders.items()
    }
    return replace(problem, ladders=ladders) if all(ladders.values()) else None


def ends(strategy: Strategy, problem: Problem, floors: list[Floor]) -> list[float]:
    """The energy that each floor ends with, infinite where it is out of reach."""
    lasts = [list(strategy.steps(problem, floor))[-1] for floor in floors]
    return [problem.cost(last.plan) if last.holds else float("inf") for last in lasts]


@pytest.mark.parametrize("strategy", [Descent, Uniform])
@laws
@given(search=searches())
def test_more_families_never_end_with_more_energy(strategy: type[Strategy], search: tuple[Problem, Floor]) -> None:
    """Than fixed point alone, for the first floor and for a later one."""
    problem, floor = search
    floors = [floor, replace(floor, keep=floor.keep * 0.9)]
    alone = fixed_point(problem)
    if alone is not None and len({len(ladder) for ladder in problem.ladders.values()}) == 1:
        for less, more in zip(ends(strategy(), problem, floors), ends(strategy(), alone, floors), strict=True):
            assert less <= more
