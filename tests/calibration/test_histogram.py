"""Histograms against exact rationals, and what they do with zeros, with one value and with none."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.plan.networks import forked

from picojoule.calibration import Calibration, Histogram, histogram
from picojoule.files import Fields


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    _, network = forked()
    return Calibration.of(network, torch.randn(40, 1, 4, 4, generator=torch.Generator().manual_seed(3)))


@given(st.lists(st.floats(-8, 8, width=16), min_size=1, max_size=200))
def test_every_value_is_counted_once_in_its_bin(values: list[float]) -> None:
    found = histogram(torch.tensor(values))
    assert (found.low, found.high) == (min(values), max(values))
    assert found.zeros == values.count(0)
    assert sum(found.counts) + found.zeros == len(values)
    width = (Fraction(found.high) - Fraction(found.low)) / len(found.counts)
    for edge in range(1, len(found.counts) if width else 1):
        bound = Fraction(found.low) + edge * width
        near = sum(abs(Fraction(value) - bound) < width / 2**30 for value in values)  # may fall on either side
        below = sum(value != 0 and Fraction(value) < bound for value in values)
        assert abs(sum(found.counts[:edge]) - below) <= near


def test_bins_are_equal_and_hold_their_values() -> None:
    found = histogram(torch.arange(1, 129).float())
    assert found == Histogram(1.0, 128.0, (2,) * 64, 0)


@pytest.mark.parametrize(("value", "counts", "zeros"), [(2.5, 3, 0), (0.0, 0, 3)])
def test_one_value(value: float, counts: int, zeros: int) -> None:
    found = histogram(torch.full((3,), value), bins=4)
    assert found == Histogram(value, value, (counts, 0, 0, 0), zeros)


def test_no_value() -> None:
    assert histogram(torch.zeros(0), bins=2) == Histogram(0.0, 0.0, (0, 0), 0)


def test_it_round_trips(calibration: Calibration) -> None:
    for found in calibration.histograms().values():
        assert Histogram.from_table(Fields(found.to_table(), "a test")) == found


def test_one_for_each_site(calibration: Calibration) -> None:
    found = calibration.histograms()
    assert found.keys() == calibration.network.sites.keys()
    for site, each in found.items():
        assert sum(each.counts) + each.zeros == calibration.statistics[site].values.numel()
