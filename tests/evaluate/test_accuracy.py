"""Accuracy's interval against scipy, and its table."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from picojoule.errors import FileError
from picojoule.evaluate import Accuracy
from picojoule.files import Fields


@pytest.mark.parametrize("n", [1, 2, 3, 10, 97, 1000, 10000])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_the_interval_is_scipys(n: int, confidence: float) -> None:
    for k in sorted({0, 1, n // 3, n // 2, n - 1, n}):
        expected = binomtest(k, n).proportion_ci(confidence, method="wilson")
        low, high = Accuracy(k, n).interval(confidence)
        assert low == pytest.approx(expected.low, abs=1e-12)
        assert high == pytest.approx(expected.high, abs=1e-12)


@given(st.integers(1, 10**6), st.data())
def test_the_interval_holds_the_fraction_and_stays_within_0_and_1(n: int, data: st.DataObject) -> None:
    accuracy = Accuracy(data.draw(st.integers(0, n)), n)
    low, high = accuracy.interval()
    assert 0 <= low <= accuracy.value <= high <= 1
    assert low < high


def test_the_default_is_95_percent() -> None:
    assert Accuracy(970, 1000).interval() == Accuracy(970, 1000).interval(0.95)


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
