"""The front against a plain comparison of all pairs."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from picojoule import Result
from picojoule.calibration import Range, Ranges
from picojoule.energy import EnergyReport, Sparsity
from picojoule.energy.report import LayerEnergy
from picojoule.evaluate import Tally
from picojoule.plan import Plan
from picojoule.search import OperatingPoint, non_dominated


def point(label: str, energy_pj: float | None, correct: int) -> OperatingPoint:
    """A point of which only energy and accuracy matter."""
    layers = {} if energy_pj is None else {"l": LayerEnergy("l", 1, 1, 1, 1, energy_pj, 0.0, 0.0, 0.0)}
    return OperatingPoint(
        label=label,
        keep=0.9,
        plan=Plan({}),
        ranges=Ranges({"l.weights": Range((0,), True)}, (1,)),
        searched=Tally(10, 10, correct, 10 - correct, 0),
        reported=Tally(10, 10, correct, 10 - correct, 0),
        energy=None if energy_pj is None else EnergyReport("made up", layers),
        sparsity=Sparsity.none(),
    )


def brute_force(points: Sequence[OperatingPoint]) -> list[OperatingPoint]:
    """Each pair compared: kept is what no other beats in one and equals in the other, and of twins the first."""
    priced = [(each.energy.total_pj, each.report.value, each) for each in points if each.energy is not None]
    kept = []
    for index, (energy, accuracy, each) in enumerate(priced):
        beaten = any(
            (e <= energy and a >= accuracy) and ((e < energy or a > accuracy) or other < index)
            for other, (e, a, _) in enumerate(priced)
            if other != index
        )
        if not beaten:
            kept.append((energy, each))
    return [each for _, each in sorted(kept, key=lambda entry: entry[0])]


def test_the_front_has_no_point_that_another_beats(found: Result) -> None:
    everything = [*found.points, *found.baselines.values()]
    assert set(map(id, found.front)) <= set(map(id, everything))
    assert list(found.front) == brute_force(everything)


@given(st.lists(st.tuples(st.none() | st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_non_dominated_against_all_pairs(values: list[tuple[int | None, int]]) -> None:
    points = [point(str(index), energy, correct) for index, (energy, correct) in enumerate(values)]
    expected = brute_force(points)
    assert [each.label for each in non_dominated(points)] == [each.label for each in expected]
