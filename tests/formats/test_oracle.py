"""The reference itself: the note's worked values, and the readable form against its vectorised twin."""

import math
from fractions import Fraction

import numpy as np
import pytest
from tests.formats.oracle import grid, midpoints, quantize, quantize_array

TEXTS = ("binary", *(f"fixed{bits}" for bits in range(1, 6)))


def test_grids_are_as_the_note_defines_them() -> None:
    assert grid("fixed1") == [-1, 0]
    assert grid("fixed1", signed=False) == [0, Fraction(1, 2)]
    assert grid("fixed3") == [Fraction(code, 4) for code in range(-4, 4)]
    assert grid("fixed2", signed=False) == [0, Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)]
    assert grid("binary") == grid("binary", signed=False) == [-1, 1]
    assert grid("fixed16")[-1] == 1 - Fraction(1, 2**15)


@pytest.mark.parametrize(
    ("text", "x", "exponent", "signed", "expected"),
    [
        ("fixed3", 0.125, 0, True, 0),  # tie between codes 0 and 1
        ("fixed3", 0.375, 0, True, 0.5),  # tie between codes 1 and 2
        ("fixed3", -0.375, 0, True, -0.5),
        ("fixed3", 5, 0, True, 0.75),
        ("fixed3", 5, 3, True, 4),  # tie between 4 (code 2) and 6 (code 3)
        ("fixed3", -math.inf, 1, True, -2),
        ("fixed3", math.inf, 1, False, 1.75),
        ("fixed3", -0.01, 1, False, 0),
        ("fixed1", -0.5, 0, True, 0),
        ("fixed1", 0.25, 0, False, 0),
        ("binary", 0.0, -2, True, 0.25),
        ("binary", -1e-300, -2, True, -0.25),
    ],
)
def test_values_worked_by_hand(text: str, x: float, exponent: int, signed: bool, expected: float) -> None:
    assert quantize(text, x, exponent, signed) == expected
    assert quantize_array(np.array([x]), text, exponent, signed).tolist() == [expected]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("exponent", [-96, -1, 0, 5, 96])
def test_both_forms_agree(text: str, signed: bool, exponent: int) -> None:
    marked = [float(number) for number in grid(text, signed) + midpoints(text, signed)]
    random = np.random.default_rng(0).normal(size=40)
    x = np.array(
        [*marked, *np.nextafter(marked, -9), *np.nextafter(marked, 9), *random, math.inf, -math.inf, 0.0, -0.0]
    )
    x = x * 2.0**exponent
    expected = [float(quantize(text, value, exponent, signed)) for value in x.tolist()]
    assert quantize_array(x, text, exponent, signed).tolist() == expected


def test_nan_stays_nan() -> None:
    result = quantize_array(np.array([math.nan, 0.3]), "fixed4")
    assert math.isnan(result[0])
    assert result[1] == 0.25
