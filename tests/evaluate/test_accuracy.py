"""Accuracy's interval against scipy, and floors decided without rounding error."""

import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from picojoule.errors import FileError, InputError
from picojoule.evaluate import Accuracy, Floor, check_keep
from picojoule.files import Fields


@pytest.mark.parametrize("n", [1, 2, 3, 10, 97, 1000, 10000])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_the_interval_is_scipys(n: int, confidence: float) -> None:
    for k in sorted({0, 1, n // 3, n // 2, n - 1, n}):
        expected = binomtest(k, n).proportion_ci(confidence, method="wilson")
        low, high = Accuracy(k, n).interval(confidence)
        assert low == pytest.approx(expected.low, abs=1e-12)
        assert high == pytest.approx(expected.high, abs=1e-12)


@settings(derandomize=True)
@given(st.integers(1, 10**6), st.data())
def test_the_interval_holds_the_fraction_and_stays_within_0_and_1(n: int, data: st.DataObject) -> None:
    accuracy = Accuracy(data.draw(st.integers(0, n)), n)
    low, high = accuracy.interval()
    assert 0 <= low <= accuracy.value <= high <= 1
    assert low < high


def test_the_default_is_95_percent() -> None:
    assert Accuracy(970, 1000).interval() == Accuracy(970, 1000).interval(0.95)


@pytest.mark.parametrize(
    ("keep", "reference", "least"),
    [
        (0.99, 1000, 990),  # 0.99 * 1000 is 990.0 in floats too, but
        (0.07, 100, 7),  # 0.07 * 100 is 7.000000000000001
        (0.55, 100, 55),  # 0.55 * 100 is 55.00000000000001
        (0.57, 100, 57),  # 0.57 * 100 is 56.99999999999999
        (0.1, 10, 1),
        (0.1, 30, 3),
        (0.7, 10, 7),
        (0.7, 30, 21),
        (0.29, 100, 29),
        (1.0, 981, 981),
        (1, 981, 981),
        (0.95, 999, 950),  # 949.05
        (0.9, 1, 1),
        (1e-9, 10, 1),
    ],
)
def test_floors_are_exact(keep: float, reference: int, least: int) -> None:
    floor = Floor(keep, Accuracy(reference, 1000))
    assert floor.holds(Accuracy(least, 1000))
    assert not floor.holds(Accuracy(least - 1, 1000))


@settings(derandomize=True)
@given(st.integers(1, 10**4), st.integers(0, 10**4), st.integers(0, 10**4))
def test_a_floor_of_four_decimals_is_whole_number_arithmetic(keep: int, reference: int, correct: int) -> None:
    floor = Floor(keep / 10**4, Accuracy(reference, 10**4))
    assert floor.holds(Accuracy(correct, 10**4)) == (correct * 10**4 >= keep * reference)
    assert floor.needed == Fraction(keep * reference, 10**4)


@pytest.mark.parametrize("keep", [0, 0.0, -0.1, 1.0001, 99, float("nan"), float("inf")])
def test_a_keep_that_is_no_relative_accuracy(keep: float) -> None:
    message = (
        f"keep {keep:g} is not a relative accuracy: give a number above 0 and at most 1, such as 0.99 for 99 % of the "
        "float network's accuracy"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        check_keep(keep)
    with pytest.raises(InputError, match=re.escape(message)):
        Floor(keep, Accuracy(1, 1))


@pytest.mark.parametrize("accuracy", [Accuracy(0, 1), Accuracy(970, 1000), Accuracy(12.25, 20)])
def test_tables_round_trip(accuracy: Accuracy) -> None:
    assert Accuracy.from_table(Fields(accuracy.to_table(), "file")) == accuracy


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"correct": 1}, "file: key 'total' is missing (a whole number from 1 to 9223372036854775807)"),
        ({"correct": 0, "total": 0}, "file: key 'total' is 0, expected a whole number from 1 to 9223372036854775807"),
        ({"correct": 3, "total": 2}, "file: key 'correct' is 3, expected a finite number from 0 to 2"),
        ({"correct": -1, "total": 2}, "file: key 'correct' is -1, expected a finite number from 0 to 2"),
        ({"correct": True, "total": 2}, "file: key 'correct' is True, expected a finite number from 0 to 2"),
        ({"correct": 1, "total": 2, "of": 3}, "file: unknown key 'of'"),
    ],
)
def test_tables_are_strict(table: dict[str, object], message: str) -> None:
    with pytest.raises(FileError, match=re.escape(message)):
        Accuracy.from_table(Fields(table, "file"))
