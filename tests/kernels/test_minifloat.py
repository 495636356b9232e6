"""Rounding to minifloats on both paths, against exact rationals and another's types, and at the edges of floats."""

import math
from bisect import bisect_left
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import NamedTuple

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.formats import laws, values
from tests.kernels.paths import PATHS, bits, taking
from torch import Tensor

from picojoule.kernels import compiled, minifloat
from picojoule.kernels.minifloat import round_to_minifloat, within_type

DTYPES = [torch.float32, torch.float64]


class Floats(NamedTuple):
    """What the kernel is told of a minifloat."""

    mantissa_bits: int
    least_exponent: int
    largest: float


FLOATS = {
    "e4m3": Floats(3, -6, 448.0),
    "e5m2": Floats(2, -14, 57344.0),
    "e3m2": Floats(2, -2, 28.0),
    "e2m3": Floats(3, 0, 7.5),
    "e2m1": Floats(1, 0, 6.0),
    "fp16": Floats(10, -14, 65504.0),
    "bf16": Floats(7, -126, (2 - 2.0**-7) * 2.0**127),
    "exponents": Floats(0, -2, 16.0),
    "exponents, the other parity": Floats(0, -3, 16.0),
    "fixed point": Floats(7, 0, 127 / 128),
}
TYPES = {
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e2m1": ml_dtypes.float4_e2m1fn,
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
}


@pytest.fixture(params=PATHS, autouse=True, scope="module")
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    with taking(request.param):
        yield request.param


@cache
def sizes(floats: Floats) -> list[Fraction]:
    """The magnitudes by their codes."""
    steps = 1 << floats.mantissa_bits
    least, found, code = Fraction(2) ** (floats.least_exponent - floats.mantissa_bits), [Fraction(0)], 0
    while found[-1] < Fraction(floats.largest):
        code += 1
        field, rest = divmod(code, steps)
        found.append((rest + steps) * least * 2 ** (field - 1) if field else rest * least)
    return found


def nearest(floats: Floats, value: float, scale: Fraction = Fraction(1)) -> float:
    """The definition: of two equally near magnitudes the one of even code; zero has the value's sign."""
    found = sizes(floats)
    size = Fraction(floats.largest) if math.isinf(value) else abs(Fraction(value)) / scale
    above = min(max(bisect_left(found, size), 1), len(found) - 1)
    down, up = size - found[above - 1], found[above] - size
    code = above - 1 if down < up or (down == up and above % 2) else above
    return math.copysign(float(found[code] * scale), value)


def marked(floats: Floats, dtype: torch.dtype, scale: float) -> Tensor:
    """Members, what lies midway, and the numbers next to each; some of many. Of both signs, with what lies beyond."""
    found = sizes(floats)
    at = sorted({*range(0, len(found) - 1, max(1, len(found) // 300)), *range(min(len(found) - 1, 40)), len(found) - 2})
    middles = [float((found[code] + found[code + 1]) / 2) * scale for code in at]
    x = torch.tensor([*middles, *(float(found[code]) * scale for code in at), floats.largest * scale], dtype=dtype)
    infinite = torch.full_like(x, math.inf)
    beyond = torch.tensor([math.inf, 1e-40, 1e38, torch.finfo(dtype).max, torch.finfo(dtype).tiny], dtype=dtype)
    x = torch.cat([x, torch.nextafter(x, infinite), torch.nextafter(x, -infinite), beyond])
    return torch.cat([x, -x])


def same(found: Tensor, expected: list[float]) -> bool:
    return torch.equal(bits(found), bits(torch.tensor(expected, dtype=found.dtype)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FLOATS)
def test_members_and_what_lies_midway(name: str, dtype: torch.dtype) -> None:
    floats = FLOATS[name]
    for exponent in (0, 3, -3, 96, -96):
        if name == "bf16" and exponent > 0 and dtype == torch.float32:
            continue  # not all of its members are there
        scale = 2.0**exponent
        x = marked(floats, dtype, scale)
        expected = [nearest(floats, value, Fraction(scale)) for value in x.tolist()]
        assert same(round_to_minifloat(x, *floats, scale), expected)
        assert same(round_to_minifloat(x, *floats, torch.tensor(scale, dtype=dtype)), expected)
        assert same(round_to_minifloat(x.clone(), *floats, scale, out=x), expected)
        assert same(x, expected)


def test_what_float32_does_not_hold_is_its_largest_number_of_so_many_bits() -> None:
    x = torch.tensor([torch.finfo(torch.float32).max, -math.inf, 1.0])
    found = round_to_minifloat(x, *FLOATS["bf16"], 2.0**96)
    assert found.tolist() == [FLOATS["bf16"].largest, -FLOATS["bf16"].largest, 1.0]


@pytest.mark.parametrize("name", TYPES)
def test_another_implementation(name: str) -> None:
    """All upper halves of a float32 with lower halves that matter; beyond the largest number it does not saturate."""
    upper = np.arange(1 << 16, dtype=np.uint32) << 16
    x = np.concatenate([upper + lower for lower in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)]).view(np.float32)
    x = x[np.abs(x) <= FLOATS[name].largest]
    expected = torch.from_numpy(x.astype(TYPES[name]).astype(np.float32))
    assert torch.equal(bits(round_to_minifloat(torch.from_numpy(x), *FLOATS[name])), bits(expected))


@laws
@given(data=st.data(), name=st.sampled_from(sorted(FLOATS)), exponent=st.integers(-96, 96))
def test_any_values_against_exact_rationals(data: st.DataObject, name: str, exponent: int) -> None:
    x = data.draw(values(exponent))
    held = minifloat._held(x.dtype, FLOATS[name].mantissa_bits)
    floats = FLOATS[name]._replace(largest=min(FLOATS[name].largest, held / 2.0**exponent))
    expected = [nearest(floats, value, Fraction(2) ** exponent) for value in x.tolist()]
    assert same(round_to_minifloat(x, *FLOATS[name], 2.0**exponent), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FLOATS)
def test_both_paths_give_the_same_bits_for_any_bits(name: str, dtype: torch.dtype) -> None:
    whole = torch.int32 if dtype == torch.float32 else torch.int64
    random, limits = torch.Generator().manual_seed(0), torch.iinfo(whole)
    x = torch.randint(limits.min, limits.max, (1 << 15,), dtype=whole, generator=random).view(dtype)
    x = torch.cat([x, torch.randn(4099, generator=random, dtype=dtype)])
    assert x.isnan().any()
    for scale in (1.0, 2.0**-126, 2.0**-20, 2.0, 2.0**126):
        want = bits(minifloat.plain(x, *FLOATS[name], scale))
        assert torch.equal(bits(round_to_minifloat(x, *FLOATS[name], scale)), want)
        out = x.clone()
        assert round_to_minifloat(out, *FLOATS[name], scale, out=out) is out
        assert torch.equal(bits(out), want)


def test_the_loop_serves_where_it_should() -> None:
    for floats in FLOATS.values():
        assert within_type(torch.float64, *floats, None)
        assert within_type(torch.float32, *floats)
        assert within_type(torch.float32, *floats, 2.0**-90)
    assert within_type(torch.float32, *FLOATS["e4m3"], None)
    assert not within_type(torch.float32, *FLOATS["bf16"], None)
    assert not within_type(torch.float32, *FLOATS["bf16"], 2.0)  # numbers below 2^-126 would be rounded twice
    assert not within_type(torch.float16, *FLOATS["e4m3"])
    assert not within_type(torch.float32, *FLOATS["e4m3"], 2.0**-127)  # one over it is no float32
    assert not within_type(torch.float32, 23, 0, 1.0)
    assert compiled.machine_code("minifloat", False, torch.float32) is not None


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_scale_for_each_row_or_along_any_axis(dtype: torch.dtype) -> None:
    x = torch.randn(3, 4, 50, generator=torch.Generator().manual_seed(0), dtype=dtype)
    x[1, 2, 3] = math.nan
    for shape in ((3, 1, 1), (3, 4, 1), (1, 4, 1), (4, 1), (50,), (3, 4, 50), (1, 1, 1), ()):
        scales = torch.exp2(torch.randint(-9, 2, shape, generator=torch.Generator().manual_seed(1))).to(dtype)
        want = torch.stack(
            [
                round_to_minifloat(value, *FLOATS["e2m1"], float(scale))
                for value, scale in zip(x.flatten(), scales.expand_as(x).flatten(), strict=True)
            ]
        ).reshape(x.shape)
        result = round_to_minifloat(x, *FLOATS["e2m1"], scales)
        assert torch.equal(bits(result), bits(want))
        out = torch.zeros(3, 50, 4, dtype=dtype).transpose(1, 2)
        assert round_to_minifloat(x, *FLOATS["e2m1"], scales, out=out) is out
        assert torch.equal(bits(out), bits(want))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["transposed", "sliced", "channels last", "expanded"])
def test_strided_tensors(layout: str, dtype: torch.dtype) -> None:
    x = torch.randn(4, 6, 3, 5, generator=torch.Generator().manual_seed(1), dtype=dtype)
    strided = {
        "transposed": x.transpose(0, 3),
        "sliced": x[::2, 1::2],
        "channels last": x.contiguous(memory_format=torch.channels_last),
        "expanded": x[:1].expand(4, 6, 3, 5),
    }[layout]
    want = [nearest(FLOATS["e4m3"], value) for value in strided.flatten().tolist()]
    assert same(round_to_minifloat(strided, *FLOATS["e4m3"]).flatten(), want)
    target = torch.zeros(*(2 * size for size in strided.shape), dtype=dtype)
    out = target[tuple(slice(None, None, 2) for _ in strided.shape)]
    assert round_to_minifloat(strided, *FLOATS["e4m3"], out=out) is out
    assert same(out.flatten(), want)
    assert int((target != 0).sum()) == int((out != 0).sum())  # nothing beside it was written


@pytest.mark.parametrize("size", [0, 1, 2, 15, 16, 17, 1000, 4099])
def test_every_length(size: int) -> None:
    """Vectors, their remainders, and a start that is not aligned."""
    x = torch.randn(size + 3, generator=torch.Generator().manual_seed(0))[3:]
    out = torch.full((size + 5,), 9.0)
    round_to_minifloat(x, *FLOATS["e4m3"], out=out[1 : size + 1])
    assert same(out[1 : size + 1], [nearest(FLOATS["e4m3"], value) for value in x.tolist()])
    assert (out[0], out[size + 1 :].tolist()) == (9, [9] * 4)
    assert round_to_minifloat(x, *FLOATS["e4m3"]).shape == (size,)


def test_memory_that_is_read_and_written_at_once() -> None:
    memory = torch.randn(99, generator=torch.Generator().manual_seed(0))
    want = round_to_minifloat(memory[1:].clone(), *FLOATS["e4m3"])
    round_to_minifloat(memory[1:], *FLOATS["e4m3"], out=memory[:-1])
    assert torch.equal(bits(memory[:-1]), bits(want))


def test_the_gradient_is_straight_through_between_the_ends() -> None:
    x = torch.tensor([-12.0, -12.001, 0.3, 12.0, 12.001, math.nan], requires_grad=True)
    for scale in (2.0, torch.full((6,), 2.0)):
        (gradient,) = torch.autograd.grad(round_to_minifloat(x, *FLOATS["e2m1"], scale).sum(), x)
        assert gradient.tolist() == [1, 0, 1, 1, 0, 0]
