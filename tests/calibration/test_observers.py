"""Observers: each exponent against exact rationals, or against every exponent tried."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.formats.oracle import quantize_array

from picojoule.calibration import OBSERVERS, Statistics, calibrate
from picojoule.calibration.observers import covering, least_squares
from picojoule.formats import Float32, parse
from picojoule.network import capture

quietly = settings(max_examples=300)


def of(*rows: list[float]) -> Statistics:
    """The statistics of a small tensor, a row per channel."""
    values = torch.tensor(rows, dtype=torch.float32)
    return Statistics(values, values.abs().amax(dim=1), float(values.min()))


def normal(rows: int, count: int, seed: int = 0) -> list[list[float]]:
    return np.random.default_rng(seed).normal(size=(rows, count)).astype(np.float32).tolist()


@quietly
@given(st.floats(0, allow_infinity=False))
@example(1.0)
@example(math.nextafter(1, 2))
@example(math.nextafter(1, 0))
@example(2.0**-96)
@example(2.0**96)
@example(math.nextafter(2.0**96, math.inf))
@example(5e-324)
def test_covering_is_the_least_exponent_that_covers(magnitude: float) -> None:
    found = covering(magnitude)
    if magnitude == 0:
        assert found == 0
        return
    wanted = next((e for e in range(-96, 97) if Fraction(magnitude) <= Fraction(2) ** e), 96)
    assert found == wanted


def test_max_covers_each_row() -> None:
    statistics = of([0.5, -3.0], [0.1, 0.0], [0.0, 0.0], [4.0, -4.0])
    for text in ("fixed4", "binary", "float32"):
        assert OBSERVERS["max"](statistics, parse(text), True) == (2, -3, 0, 2)


@pytest.mark.parametrize("count", [1, 2, 999, 1000, 1001, 3000])
def test_percentile_keeps_999_of_1000(count: int) -> None:
    rows = normal(3, count, seed=count)
    found = OBSERVERS["percentile"](of(*rows), parse("fixed8"), True)
    for row, exponent in zip(rows, found, strict=True):
        covered = [sum(abs(value) <= Fraction(2) ** e for value in row) for e in (exponent - 1, exponent)]
        needed = Fraction(999, 1000) * count
        assert covered[0] < needed <= covered[1]


@pytest.mark.parametrize("count", [1000, 2000, 3000, 7000, 11000, 999, 1999, 2001])
def test_percentile_lets_one_in_a_thousand_saturate_and_no_more(count: int) -> None:
    outliers = count // 1000
    for extra, exponent in ((0, 0), (1, 7)):
        row = [0.9] * (count - outliers - extra) + [-100.0] * (outliers + extra)
        assert OBSERVERS["percentile"](of(row), parse("fixed8"), True) == (exponent,)
    assert OBSERVERS["max"](of([0.9] * 1999 + [100.0]), parse("fixed8"), True) == (7,)


def error(row: list[float], text: str, signed: bool, exponent: int) -> Fraction:
    """The squared error of a row, exactly."""
    rounded = quantize_array(np.array(row), text, exponent, signed)
    return sum(((Fraction(q) - Fraction(x)) ** 2 for q, x in zip(rounded.tolist(), row, strict=True)), Fraction(0))


def brute_force(row: list[float], text: str, signed: bool) -> int:
    """The exponent of least error of all from 25 below the largest value's to 8 above it.

    Of equal ones the largest that is at most one above the largest value's; 0 for zeros.
    """
    top = covering(max(map(abs, row)))
    errors = {exponent: error(row, text, signed, exponent) for exponent in range(top - 25, top + 9)}
    least = min(errors.values())
    return max(e for e in errors if errors[e] == least and e <= top + 1) if any(row) else 0


@pytest.mark.parametrize("text", ["binary", "fixed1", "fixed2", "fixed3", "fixed4"])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("scale", [1.0, 2.0**-40, 2.0**60])
def test_mse_is_the_best_of_all_exponents(text: str, signed: bool, scale: float) -> None:
    """Also of those that it does not try."""
    rows = [
        *normal(3, 12, seed=5),
        [1.0] * 12,
        [*[0.25] * 11, 7.0],
        [0.0] * 12,
        [0.5, *[0.0] * 11],
        [*[0.01] * 11, 100.0],
    ]
    rows = [[float(np.float32((value if signed else abs(value)) * scale)) for value in row] for row in rows]
    found = OBSERVERS["mse"](of(*rows), parse(text), signed)
    assert found == tuple(brute_force(row, text, signed) for row in rows)


@pytest.mark.parametrize("observer", OBSERVERS.values(), ids=OBSERVERS)
@pytest.mark.parametrize("text", ["binary", "fixed1", "fixed8", "float32"])
@pytest.mark.parametrize("signed", [True, False])
def test_zeros_have_exponent_0(observer: Callable[..., tuple[int, ...]], text: str, signed: bool) -> None:
    assert observer(of([0.0, -0.0], [0.0, 0.0]), parse(text), signed) == (0, 0)


@pytest.mark.parametrize("observer", OBSERVERS.values(), ids=OBSERVERS)
@pytest.mark.parametrize("value", [2.0**-149, 3.4e38])
def test_exponents_stay_within_their_limits(observer: Callable[..., tuple[int, ...]], value: float) -> None:
    for text in ("binary", "fixed8"):
        (exponent,) = observer(of([value, value]), parse(text), True)
        assert exponent in ((96,) if value > 1 else (-96, -95))  # mse tries one above


def test_a_row_has_its_own_exponent() -> None:
    rows = normal(4, 30)
    rows[2] = [value * 2.0**-9 for value in rows[2]]
    for observer in OBSERVERS.values():
        together = observer(of(*rows), parse("fixed3"), True)
        assert together == tuple(observer(of(row), parse("fixed3"), True)[0] for row in rows)


def test_merged_statistics_are_one_row() -> None:
    merged = of([0.5, -3.0], [0.1, 0.2]).merged()
    assert merged.values.shape == (1, 4)
    assert (merged.largest.tolist(), merged.lowest) == ([3.0], -3.0)
    assert OBSERVERS["max"](merged, Float32(), True) == (2,)


def test_an_outlier_that_the_sample_misses_is_known_all_the_same() -> None:
    """One value of 12 among two million near 1: at 16 bits the least squared error covers it."""
    network = capture(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1)), torch.zeros(1, 1, 64, 64))
    x = torch.rand(512, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    x[300, 0, 5, 5] = 12.0
    ranges = calibrate(network, x, "fixed16", observer="mse")
    assert ranges.sites["0.inputs"].exponents == (4,)


def test_a_percentile_of_zero_is_no_range() -> None:
    values = torch.zeros(1, 4000)
    values[0, :2] = torch.tensor([300.0, 1.0])
    statistics = Statistics(values, torch.tensor([300.0]), 0.0)
    assert OBSERVERS["percentile"](statistics, parse("fixed8"), False) == (9,)


@pytest.mark.parametrize(
    ("text", "end"), [("e2m1", 6), ("e4m3", 448), ("e5m2", 57344), ("nf4", 1), ("ternary", 1), ("e2m1/16:e4m3", 2688)]
)
def test_max_is_the_least_exponent_whose_grid_reaches_the_largest_value(text: str, end: int) -> None:
    values = [1.0, 5.9, 6.0, 6.1, 448.0, 449.0, 1e-9, 3e5]
    found = OBSERVERS["max"](of(*([-value] for value in values)), parse(text), False)
    for value, exponent in zip(np.array(values, np.float32).tolist(), found, strict=True):
        reached = [Fraction(value) <= end * Fraction(2) ** e for e in (exponent - 1, exponent)]
        assert reached == [False, True]


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("text", ["nf4/64", "e2m1/32:e8m0", "nf4/64:u8"])
def test_blocks_that_find_their_scales_need_no_exponent(text: str, observer: str) -> None:
    assert OBSERVERS[observer](of([100.0, 3.0], [0.0, 1e-7]), parse(text), True) == (0, 0)


@pytest.mark.parametrize("text", ["e2m1", "e3m0", "nf4", "ternary"])
def test_mse_takes_the_best_exponent_for_any_grid(text: str) -> None:
    (row,) = normal(1, 400, seed=3)
    (chosen,) = OBSERVERS["mse"](of(row), parse(text), True)
    errors = {
        e: (parse(text).quantize(torch.tensor(row), e).double() - torch.tensor(row)).square().sum()
        for e in range(-12, 8)
    }
    assert errors[chosen] == min(errors.values())


@pytest.mark.parametrize("merged", [True, False])
def test_blocks_with_short_scales_are_those_of_the_tensor(merged: bool) -> None:
    """Six channels of three positions: blocks of two channels, of which no two neighbours in memory are in one."""
    x = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(0)) * 2.0 ** torch.arange(0, 12, 2).reshape(6, 1)
    format = parse("e2m1/2:e4m3")
    statistics = Statistics.of(x).merged() if merged else Statistics.of(x)
    found = least_squares(statistics, format, True)
    tops = torch.tensor([covering(largest, 2688.0) for largest in statistics.largest.tolist()])
    for tried in [tops + 1 - step for step in range(12)]:
        lost = [(format.quantize(x, e.reshape(-1, 1, 1)).double() - x).square() for e in (torch.tensor(found), tried)]
        one, other = (each.reshape(len(found), -1).sum(1) for each in lost)
        assert bool((one <= other * (1 + 1e-12)).all())
