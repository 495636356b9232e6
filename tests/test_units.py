"""How figures are printed: three figures, the prefix that fits, at every border between prefixes."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picojoule import units

quietly = settings(max_examples=300)
PREFIXES = {"pJ": 1.0, "nJ": 1e3, "µJ": 1e6, "mJ": 1e9, "J": 1e12}


@pytest.mark.parametrize(
    ("energy_pj", "text"),
    [
        (0, "0 pJ"),
        (-0.0, "0 pJ"),
        (1, "1.00 pJ"),
        (9.994, "9.99 pJ"),
        (9.996, "10.0 pJ"),
        (99.94, "99.9 pJ"),
        (99.96, "100 pJ"),
        (999.4, "999 pJ"),
        (999.6, "1.00 nJ"),
        (1000, "1.00 nJ"),
        (999_499, "999 nJ"),
        (999_501, "1.00 µJ"),
        (3_279_000.0, "3.28 µJ"),
        (999.6e6, "1.00 mJ"),
        (999.6e9, "1.00 J"),
        (12_345e12, "12300 J"),
        (0.115625, "0.116 pJ"),
        (0.0115625, "0.0116 pJ"),
        (0.00009996, "0.000100 pJ"),
        (-3_279_000.0, "-3.28 µJ"),
        (-999.6, "-1.00 nJ"),
    ],
)
def test_energies(energy_pj: float, text: str) -> None:
    assert units.energy(energy_pj) == text


@quietly
@given(st.floats(1e-6, 1e14), st.sampled_from([1, -1]))
def test_an_energy_reads_back_to_three_figures(energy_pj: float, sign: int) -> None:
    text, unit = units.energy(sign * energy_pj).split(" ")
    assert float(text) * PREFIXES[unit] == pytest.approx(sign * energy_pj, rel=0.00501)
    assert 1 <= abs(float(text)) < 1000 or unit in ("pJ", "J")
    figures = text.lstrip("-0.").replace(".", "")
    assert len(figures) == 3 or (unit == "J" and len(figures) > 3)


@quietly
@given(st.floats(1e-6, 1e14), st.floats(1e-6, 1e14))
def test_a_larger_energy_never_reads_smaller(one: float, other: float) -> None:
    def read(energy_pj: float) -> float:
        text, unit = units.energy(energy_pj).split(" ")
        return float(text) * PREFIXES[unit]

    assert read(min(one, other)) <= read(max(one, other)) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        (0, "0 bit"),
        (7, "7 bit"),
        (8, "1 B"),
        (12, "1.5 B"),
        (80, "10 B"),
        (8 * 1023, "1023 B"),
        (8 * 1024, "1.00 KiB"),
        (685_568, "83.7 KiB"),
        (8 * 1024 * 1023, "1023 KiB"),
        (8 * 1024**2 - 1, "1.00 MiB"),
        (8 * 1024**2, "1.00 MiB"),
        (8 * 1024**3, "1024 MiB"),
    ],
)
def test_sizes(bits: int, text: str) -> None:
    assert units.size(bits) == text


@quietly
@given(st.integers(0, 2**40))
def test_a_size_reads_back(bits: int) -> None:
    text, unit = units.size(bits).split(" ")
    scale = {"bit": 1, "B": 8, "KiB": 8 * 1024, "MiB": 8 * 1024**2}[unit]
    assert float(text) * scale == pytest.approx(bits, rel=0.00501, abs=0.41)  # bytes have one digit behind the point
    assert float(text) < 1024 or unit == "MiB"


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (999, "999"), (1000, "1 000"), (-13576192, "-13 576 192")])
def test_counts(number: int, text: str) -> None:
    assert units.count(number) == text


@pytest.mark.parametrize(
    ("fraction", "digits", "text"),
    [(0.9908, 2, "99.08 %"), (0.5, 0, "50 %"), (1, 2, "100.00 %"), (-0.0123, 1, "-1.2 %"), (0.99999, 2, "100.00 %")],
)
def test_percents(fraction: float, digits: int, text: str) -> None:
    assert units.percent(fraction, digits) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (math.nextafter(59.95, 0), "59.9 s"),
        (59.95, "1 min 00 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (7300, "2 h 01 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 s"),
        (9.4, "9 s"),
        (9.6, "10 s"),
        (57.4, "55 s"),
        (57.6, "1 min"),
        (89, "1 min"),
        (57 * 60 + 20, "57 min"),
        (57 * 60 + 40, "1 h"),
        (7200 + 300 + 1, "2 h 10 min"),
        (360_000, "100 h"),
    ],
)
def test_estimates(seconds: float, text: str) -> None:
    assert units.roughly(seconds) == text
