"""The laws of `Format`, as tests that whoever writes a format inherits.

    class TestMyFormat(FormatLaws):
        texts = ("my4", "my8")

Without texts of its own a subclass holds every format at hand to the laws. Where a format's codes are not counted from
zero upwards and downwards, override `tied`, which says which of two equally near neighbours is the even one.
"""

import copy
import math
import pickle
from bisect import bisect_left, bisect_right
from fractions import Fraction
from functools import cache
from typing import ClassVar

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from picojoule import formats
from picojoule.errors import FormatError
from picojoule.formats import EXPONENT_LIMIT, Format

TEXTS = tuple(text for each in formats.classes() if not each.with_scales for text in each.examples)
LISTABLE = 16
"""Formats of more bits need not list their grid."""


def named(text: str) -> Format:
    """The format of a text; where calibration finds its members, with some: irregular, zero among them."""
    format = formats.parse(text)
    if not format.fitted:
        return format
    steps = [index * (3 if index % 2 else 4) for index in range(-(2 ** (format.bits - 1)), 2 ** (format.bits - 1))]
    return format.with_members(sorted({step / 1024 for step in steps}))


laws = settings(
    max_examples=20,
    # Every subclass runs the same law, and `text` stays the same for all examples of a run.
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)

dtypes = st.sampled_from([torch.float32, torch.float64])
exponents = st.one_of(
    st.integers(-4, 4), st.integers(-EXPONENT_LIMIT, EXPONENT_LIMIT), st.sampled_from([-EXPONENT_LIMIT, EXPONENT_LIMIT])
)


@st.composite
def values(draw: st.DrawFn, exponent: int = 0, finite: bool = False) -> Tensor:
    """A tensor [n]: any floats, and values on, between and one ulp beside the members of grids of up to 16 bits."""
    dtype = draw(dtypes)
    anywhere = st.floats(width=32 if dtype == torch.float32 else 64, allow_nan=False, allow_infinity=not finite)
    on_grid = st.tuples(
        st.integers(-40, 40), st.sampled_from([1, 3, 7, 8, 14, 15, 16, 17, 18]), st.sampled_from([-1, 0, 1])
    )
    drawn = draw(st.lists(st.one_of(anywhere, on_grid, on_grid), min_size=1, max_size=24))
    x = torch.empty(len(drawn), dtype=dtype)
    for index, value in enumerate(drawn):
        if isinstance(value, tuple):
            numerator, fraction, side = value
            exact = torch.tensor(math.ldexp(numerator, exponent - fraction), dtype=dtype)
            x[index] = torch.nextafter(exact, exact + side * exact.abs().clamp(min=1e-30)) if side else exact
        else:
            x[index] = value
    return x


@cache
def exact_grid(format: Format, signed: bool) -> tuple[Fraction, ...] | None:
    """The members of the unit scale, exactly; None for a format that has too many, and says so."""
    if format.bits > LISTABLE:
        with pytest.raises(FormatError, match=f"format '{format}' has 2\\^{format.bits} members, too many to list"):
            format.grid(signed)
        return None
    return tuple(Fraction(number) for number in format.grid(signed).tolist())


def held(grid: tuple[Fraction, ...], scale: Fraction, dtype: torch.dtype) -> tuple[Fraction, ...]:
    """The members that a type still holds when scaled."""
    most = Fraction(torch.finfo(dtype).max) / scale
    return grid[bisect_left(grid, -most) : bisect_right(grid, most)]


class FormatLaws:
    """One test method for each law in `Format`'s docstring."""

    texts: ClassVar[tuple[str, ...]] = TEXTS
    """The canonical texts of the formats that are held to the laws."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each law for each of `texts`."""
        if "text" in metafunc.fixturenames:
            metafunc.parametrize("text", self.texts)

    def tied(self, format: Format, grid: tuple[Fraction, ...], lower: int) -> int:
        """Which index of the grid a value midway between `lower` and the next one rounds to.

        By default codes count the members from zero, upwards and downwards; without a zero the greater one is even.
        """
        zero = bisect_left(grid, 0)
        if zero == len(grid) or grid[zero] != 0:
            return lower + 1
        return lower if (lower - zero) % 2 == 0 else lower + 1

    def test_its_text_is_canonical(self, text: str) -> None:
        format = formats.parse(text)
        assert str(format) == text
        assert format == formats.parse(str(format))
        assert hash(format) == hash(formats.parse(text))
        assert pickle.loads(pickle.dumps(format)) == copy.deepcopy(format) == format

    def test_it_says_what_it_is(self, text: str) -> None:
        format = named(text)
        assert format.arithmetic in ("fixed", "float", "codebook")
        assert format.bits >= 1
        assert format.stored_bits == format.bits
        table = 16 * 2**format.bits if format.fitted else 0
        assert format.size_bits((5, 3, 1)) == 15 * format.bits + table
        assert format.summary
        assert text in format.examples or type(format).match(text) == format

    def test_without_a_range_it_is_signed_on_the_unit_scale(self, text: str) -> None:
        format = named(text)
        x = torch.linspace(-3, 3, 97)
        assert torch.equal(format.quantize(x), format.quantize(x, 0, signed=True))
        assert format.limits() == format.limits(signed=True)
        if format.bits <= LISTABLE:
            assert torch.equal(format.grid(), format.grid(signed=True))

    @pytest.mark.parametrize("signed", [True, False])
    def test_its_grid_ascends_within_its_limits(self, text: str, signed: bool) -> None:
        format = named(text)
        grid = exact_grid(format, signed)
        low, high = format.limits(signed)
        assert low < high
        if grid is not None:
            assert format.grid(signed).dtype == torch.float64
            assert list(grid) == sorted(grid)
            assert 1 < len(grid) <= 2**format.bits
            assert Fraction(low) <= grid[0] <= grid[-1] <= Fraction(high)

    @laws
    @given(data=st.data(), exponent=exponents, signed=st.booleans())
    def test_each_value_goes_to_the_nearest_member(
        self, text: str, data: st.DataObject, exponent: int, signed: bool
    ) -> None:
        """Membership, nearest, ties to the even code, saturation: all against exact rationals."""
        format = named(text)
        x = data.draw(values(exponent))
        result = format.quantize(x, exponent, signed)
        assert result.dtype == x.dtype
        assert result.shape == x.shape
        grid = exact_grid(format, signed)
        if grid is None:
            assert torch.equal(result.to(torch.float32), x.to(torch.float32))
            return
        scale = Fraction(2) ** exponent
        grid = held(grid, scale, x.dtype)
        for value, found in zip(x.tolist(), result.tolist(), strict=True):
            assert Fraction(found) / scale == self._nearest(format, grid, value, scale), (value, exponent, signed)

    def _nearest(self, format: Format, grid: tuple[Fraction, ...], value: float, scale: Fraction) -> Fraction:
        if math.isinf(value):
            return grid[-1] if value > 0 else grid[0]
        unit = Fraction(value) / scale
        above = bisect_left(grid, unit)
        if above == 0 or above == len(grid):
            return grid[min(above, len(grid) - 1)]
        down, up = unit - grid[above - 1], grid[above] - unit
        if down == up:
            return grid[self.tied(format, grid, above - 1)]
        return grid[above - 1] if down < up else grid[above]

    @laws
    @given(data=st.data(), exponent=exponents, signed=st.booleans())
    def test_it_is_idempotent(self, text: str, data: st.DataObject, exponent: int, signed: bool) -> None:
        format = named(text)
        once = format.quantize(data.draw(values(exponent)), exponent, signed)
        assert torch.equal(format.quantize(once, exponent, signed), once)

    @laws
    @given(data=st.data(), exponent=exponents, signed=st.booleans())
    def test_it_is_monotone(self, text: str, data: st.DataObject, exponent: int, signed: bool) -> None:
        x = data.draw(values(exponent)).sort().values
        result = named(text).quantize(x, exponent, signed)
        assert bool((result[1:] >= result[:-1]).all()), (x, result)

    @laws
    @given(dtype=dtypes, exponent=exponents, signed=st.booleans())
    def test_it_saturates(self, text: str, dtype: torch.dtype, exponent: int, signed: bool) -> None:
        format = named(text)
        largest = torch.finfo(dtype).max
        ends = format.quantize(torch.tensor([-math.inf, -largest, largest, math.inf], dtype=dtype), exponent, signed)
        grid = exact_grid(format, signed)
        if grid is None:
            assert ends.tolist() == [-math.inf, -largest, largest, math.inf]
            return
        scale = Fraction(2) ** exponent
        grid = held(grid, scale, dtype)
        low, high = float(grid[0] * scale), float(grid[-1] * scale)
        assert ends.tolist() == [low, low, high, high]

    @laws
    @given(data=st.data(), exponent=exponents, signed=st.booleans())
    def test_it_scales_by_powers_of_two(self, text: str, data: st.DataObject, exponent: int, signed: bool) -> None:
        format = named(text)
        x = data.draw(values(finite=True))
        scaled = x * 2.0**exponent
        x, scaled = x[exactly := scaled * 2.0**-exponent == x], scaled[exactly]
        assume(len(x) > 0)
        result = format.quantize(scaled, exponent, signed)
        expected = format.quantize(x, 0, signed) * 2.0**exponent
        assert torch.equal(result[expected.isfinite()], expected[expected.isfinite()])

    @laws
    @given(data=st.data(), exponent=exponents, signed=st.booleans())
    def test_it_is_pure_and_writes_where_it_is_told(
        self, text: str, data: st.DataObject, exponent: int, signed: bool
    ) -> None:
        format = named(text)
        x = data.draw(values(exponent))
        before = x.clone()
        expected = format.quantize(x, exponent, signed).clone()
        for out in (torch.full_like(x, 7), torch.full((len(x), 3), 7, dtype=x.dtype)[:, 1]):
            assert format.quantize(x, exponent, signed, out=out) is out
            assert torch.equal(out, expected)
            assert torch.equal(x, before)
        assert format.quantize(x, exponent, signed, out=x) is x
        assert torch.equal(x, expected)

    @laws
    @given(
        data=st.data(),
        rows=st.lists(exponents, min_size=1, max_size=5),
        signed=st.booleans(),
        kind=st.sampled_from([torch.int8, torch.int32, torch.int64]),
    )
    def test_each_channel_has_its_own_exponent(
        self, text: str, data: st.DataObject, rows: list[int], signed: bool, kind: torch.dtype
    ) -> None:
        format = named(text)
        x = data.draw(values(rows[0])).repeat(len(rows), 1)
        together = format.quantize(x, torch.tensor(rows, dtype=kind).reshape(-1, 1), signed)
        apart = [format.quantize(row, exponent, signed) for row, exponent in zip(x, rows, strict=True)]
        assert together.dtype == x.dtype
        assert torch.equal(together, torch.stack(apart))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("signed", [True, False])
    def test_nan_stays_nan(self, text: str, dtype: torch.dtype, signed: bool) -> None:
        x = torch.tensor([[math.nan, 0.5], [0.5, math.nan]], dtype=dtype)
        for exponent in (-EXPONENT_LIMIT, 0, EXPONENT_LIMIT, torch.tensor([[3], [-3]])):
            result = named(text).quantize(x, exponent, signed)
            assert result.isnan().tolist() == [[True, False], [False, True]]

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("shape", [(0,), (3, 0, 2)])
    def test_empty_stays_empty(self, text: str, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        format = named(text)
        result = format.quantize(torch.zeros(shape, dtype=dtype), 3)
        assert (result.shape, result.dtype) == (shape, dtype)
        by_channel = format.quantize(
            torch.zeros(3, 0, dtype=dtype), torch.zeros(3, 1, dtype=torch.int32), out=torch.zeros(3, 0, dtype=dtype)
        )
        assert by_channel.shape == (3, 0)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("signed", [True, False])
    def test_zero_of_either_sign_is_one_number(self, text: str, dtype: torch.dtype, signed: bool) -> None:
        positive, negative = named(text).quantize(torch.tensor([0.0, -0.0], dtype=dtype), -1, signed).tolist()
        assert positive == negative
        scalar = named(text).quantize(torch.tensor(-0.0, dtype=dtype), -1, signed)
        assert (scalar.shape, scalar.item()) == ((), positive)
