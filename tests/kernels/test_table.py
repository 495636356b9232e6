"""Rounding to a table on both paths, against exact rationals: nearest members, ties, ends, and where it writes."""

import math
from bisect import bisect_left
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.formats import laws
from tests.kernels.paths import PATHS, bits, taking

from picojoule.kernels import table
from picojoule.kernels.loops import PART, SMALL
from picojoule.kernels.table import Table, round_to_table

DTYPES = [torch.float32, torch.float64]
NF4 = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip
TABLES = {
    "sign": [-1.0, 1.0],
    "ternary": [-1.0, 0.0, 1.0],
    "positive": [0.25, 0.5, 1.0, 2.0],
    "five": [-2.0, -0.5, 0.0, 0.5, 3.0],
    "nf4": NF4,
    "seventeen": [index / 8 for index in range(-8, 9)],
    "e4m3": sorted({sign * (8 + m) * 2.0**e for e in range(-10, 6) for m in range(8) for sign in (-1, 1)} | {0.0}),
}
exact = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**20), max_value=2.0**20)


@pytest.fixture(params=PATHS, autouse=True, scope="module")
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    with taking(request.param):
        yield request.param


def nearest(members: list[float], value: float, scale: Fraction = Fraction(1)) -> float:
    """The definition, in exact rationals; of two equally near ones the even one, counted from zero, or the greater."""
    if math.isinf(value):
        return float(scale * Fraction(members[-1 if value > 0 else 0]))
    exactly = _scaled(tuple(members), scale)
    above = min(max(bisect_left(exactly, Fraction(value)), 1), len(members) - 1)
    down, up = Fraction(value) - exactly[above - 1], exactly[above] - Fraction(value)
    lower = 0.0 in members and (above - 1 - members.index(0.0)) % 2 == 0
    return float(exactly[above - 1] if down < up or (down == up and lower) else exactly[above])


@cache
def _scaled(members: tuple[float, ...], scale: Fraction) -> list[Fraction]:
    return [Fraction(member) * scale for member in members]


def marked(members: list[float], dtype: torch.dtype) -> torch.Tensor:
    """Every member, every midpoint, the numbers next to each, and what lies beyond."""
    at = torch.tensor(members, dtype=torch.float64)
    middles = (at[1:] + at[:-1]) / 2
    x = torch.cat([at, middles, torch.tensor([0.0, -0.0, 1e30, -1e30, math.inf, -math.inf, 1e-40])]).to(dtype)
    infinite = torch.full_like(x, math.inf)
    return torch.cat([x, torch.nextafter(x, infinite), torch.nextafter(x, -infinite)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TABLES)
def test_every_member_and_every_midpoint(name: str, dtype: torch.dtype) -> None:
    members, x = TABLES[name], marked(TABLES[name], dtype)
    for exponent in (-90, 0, 3, 90):
        if name == "e4m3" and exponent:
            continue
        scaled = torch.ldexp(x.double(), torch.tensor(exponent)).to(dtype)
        scale = Fraction(2) ** exponent
        expected = [nearest(members, value, scale) for value in scaled.tolist()]
        assert round_to_table(scaled, Table(members), 2.0**exponent).tolist() == expected


@laws
@given(members=st.lists(exact, min_size=2, max_size=40, unique=True), values=st.lists(exact, min_size=2, max_size=30))
def test_any_table_against_exact_rationals(members: list[float], values: list[float]) -> None:
    members = sorted({member + 0.0 for member in members})  # one zero
    if len(members) < 2:
        return
    middles = [(one + other) / 2 for one, other in pairwise(members)]
    for dtype in DTYPES:
        x = torch.tensor([*values, *middles, *members], dtype=dtype)
        assert round_to_table(x, Table(members)).tolist() == [nearest(members, value) for value in x.tolist()]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [2, SMALL, SMALL + 1, PART, PART + 1, 3 * PART, 255])
def test_both_paths_give_the_same_bits_for_any_bits(size: int, dtype: torch.dtype) -> None:
    whole = torch.int32 if dtype == torch.float32 else torch.int64
    random, limits = torch.Generator().manual_seed(size), torch.iinfo(whole)
    x = torch.randint(limits.min, limits.max, (1 << 14,), dtype=whole, generator=random).view(dtype)
    x = torch.cat([x, torch.randn(5001, dtype=dtype, generator=random)])
    members = Table(sorted({round(number, 3) for number in np.random.default_rng(size).normal(size=2 * size)})[:size])
    want = bits(table.plain(x, *members.at(0.5, dtype)))
    assert torch.equal(bits(round_to_table(x, members, 0.5)), want)
    assert torch.equal(bits(round_to_table(x.clone(), members, 0.5, out=x)), want)
    assert torch.equal(bits(round_to_table(x.clone().copy_(x), members, 0.5, out=torch.empty_like(x))), bits(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sign", "nf4", "seventeen"])
def test_a_scale_for_each_row_or_along_any_axis(name: str, dtype: torch.dtype) -> None:
    members, x = Table(TABLES[name]), torch.randn(3, 4, 50, generator=torch.Generator().manual_seed(0), dtype=dtype)
    x[1, 2, 3] = math.nan
    for shape in ((3, 1, 1), (3, 4, 1), (1, 4, 1), (4, 1), (50,), (3, 4, 50), (1, 1, 1), ()):
        scales = torch.exp2(torch.randint(-2, 2, shape, generator=torch.Generator().manual_seed(1))).to(dtype)
        apart = torch.stack(
            [
                round_to_table(value, members, float(scale))
                for value, scale in zip(x.flatten(), scales.expand_as(x).flatten(), strict=True)
            ]
        )
        result = round_to_table(x, members, scales)
        assert torch.equal(bits(result), bits(apart.reshape(x.shape)))
        out = torch.zeros(3, 50, 4, dtype=dtype).transpose(1, 2)
        assert round_to_table(x, members, scales, out=out) is out
        assert torch.equal(bits(out), bits(result))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_shorter_numbers_round_as_float32_does(dtype: torch.dtype) -> None:
    x = marked(NF4, torch.float32).to(dtype)
    expected = round_to_table(x.float(), Table(NF4)).to(dtype)
    assert torch.equal(round_to_table(x, Table(NF4)), expected)
    assert torch.equal(round_to_table(x, Table(NF4), torch.ones(1, dtype=dtype), out=torch.zeros_like(x)), expected)


def test_the_gradient_is_straight_through_between_the_ends() -> None:
    x = torch.tensor([-2.0, -2.001, 0.3, 2.0, 2.001, math.nan], requires_grad=True)
    for scale in (2.0, torch.full((6,), 2.0)):
        (gradient,) = torch.autograd.grad(round_to_table(x, Table(NF4), scale).sum(), x)
        assert gradient.tolist() == [1, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("members", [[], [1.0], [1.0, 1.0], [2.0, 1.0], [0.0, math.nan]])
def test_what_is_no_table(members: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^a table has at least two members, in ascending order$"):
        Table(members)
