"""Normal floats: NF4's published numbers, the recipe, and each value's nearest number in exact rationals."""

import math
from bisect import bisect_left
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from scipy.stats import norm

from picojoule.formats import Normal
from picojoule.formats.normal import recipe

NF4 = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip
"""As published with QLoRA, appendix E."""


def test_nf4_has_the_published_numbers() -> None:
    assert Normal(4).grid(True).tolist() == Normal(4).grid(False).tolist() == NF4
    assert max(abs(one - other) for one, other in zip(recipe(4), NF4, strict=True)) < 2e-7


@pytest.mark.parametrize("bits", range(2, 9))
def test_the_recipe(bits: int) -> None:
    """Quantiles of probabilities evenly spaced from ½ to the last, a code more above zero than below."""
    members, half = recipe(bits), 2 ** (bits - 1)
    assert (len(members), members[0], members[-1], sorted(set(members))) == (2**bits, -1.0, 1.0, list(members))
    assert members[half - 1] == 0
    last = 1 - (Fraction(1, 4 * half) + Fraction(1, 4 * half - 2)) / 2
    for side, count in ((members[half:], half), ([-each for each in members[half - 2 :: -1]], half - 1)):
        probabilities = [Fraction(1, 2) + (last - Fraction(1, 2)) * k / count for k in range(1, count + 1)]
        wanted = norm.ppf([float(p) for p in probabilities]) / norm.ppf(float(last))
        assert list(side) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("exponent", [-96, 0, 96])
@pytest.mark.parametrize("bits", range(2, 9))
def test_each_value_goes_to_the_nearest_number(bits: int, exponent: int, dtype: torch.dtype) -> None:
    grid = [Fraction(number) * Fraction(2) ** exponent for number in Normal(bits).grid().tolist()]
    members = set(grid)
    middles = torch.tensor([float((a + b) / 2) for a, b in pairwise(grid)], dtype=dtype)
    x = torch.cat([middles, *(torch.nextafter(middles, end * torch.ones(())) for end in (-1e38, 1e38))])
    x = torch.cat([x, torch.tensor([math.inf, -math.inf, 0.0], dtype=dtype)])
    for value, found in zip(x.tolist(), Normal(bits).quantize(x, exponent).tolist(), strict=True):
        assert Fraction(found) in members
        if math.isfinite(value):
            above = bisect_left(grid, Fraction(value))
            near = grid[max(above - 1, 0) : above + 1]
            assert abs(Fraction(found) - Fraction(value)) == min(abs(each - Fraction(value)) for each in near)
        else:
            assert found == float(grid[-1 if value > 0 else 0])


@pytest.mark.parametrize("bits", [0, 1, 9])
def test_widths_that_there_are_not(bits: int) -> None:
    with pytest.raises(ValueError, match=f"^normal floats have 2 to 8 bits, not {bits}$"):
        Normal(bits)
