"""Fixed point: every grid value, every midpoint and its neighbours, at every width, against exact rationals."""

import math
from fractions import Fraction
from functools import cache

import apytypes
import numpy as np
import pytest
import torch
from tests.formats.oracle import grid, midpoints, quantize, quantize_array

from picojoule.formats import Fixed

WIDTHS = range(1, 17)
DTYPES = {torch.float32: np.float32, torch.float64: np.float64}


@cache
def marks(bits: int, signed: bool) -> np.ndarray:
    """The grid and every midpoint on the unit scale."""
    text = f"fixed{bits}"
    return np.array([float(number) for number in grid(text, signed) + midpoints(text, signed)])


def marked(bits: int, signed: bool, exponent: int, dtype: torch.dtype) -> np.ndarray:
    """The scaled grid, every midpoint, the floats on both sides of each, and what lies beyond the ends."""
    exact = marks(bits, signed)
    beyond = [exact[0] - 0.5, 1.0, 1.5, -1.5, 1e9, -1e9, math.inf, -math.inf, 0.0, -0.0]
    values = np.ldexp(np.array([*exact, *beyond]), exponent).astype(DTYPES[dtype])
    up, down = np.array([np.inf, -np.inf], dtype=values.dtype)
    return np.concatenate([values, np.nextafter(values, up), np.nextafter(values, down)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponent", [-96, 3, 96])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", WIDTHS)
def test_every_member_and_every_midpoint(bits: int, signed: bool, exponent: int, dtype: torch.dtype) -> None:
    x = marked(bits, signed, exponent, dtype)
    assert not np.isnan(x).any()
    expected = quantize_array(x.astype(np.float64), f"fixed{bits}", exponent, signed)
    result = Fixed(bits).quantize(torch.from_numpy(x), exponent, signed)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result.double().numpy(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [1, 2, 3, 5])
def test_the_readable_reference_agrees(bits: int, signed: bool, dtype: torch.dtype) -> None:
    for exponent in (-96, 2, 96):
        x = marked(bits, signed, exponent, dtype)
        expected = [float(quantize(f"fixed{bits}", value, exponent, signed)) for value in x.astype(np.float64).tolist()]
        assert Fixed(bits).quantize(torch.from_numpy(x), exponent, signed).tolist() == expected


@pytest.mark.parametrize("bits", WIDTHS)
def test_its_grid_limits_and_codes(bits: int) -> None:
    format = Fixed(bits)
    for signed in (True, False):
        assert [Fraction(number) for number in format.grid(signed).tolist()] == grid(f"fixed{bits}", signed)
        low, high = format.codes(signed)
        assert high - low + 1 == 2**bits == len(format.grid(signed))
        step = Fraction(1, 2 ** format.fraction_bits(signed))
        assert [low * step, high * step] == [grid(f"fixed{bits}", signed)[0], grid(f"fixed{bits}", signed)[-1]]
    assert format.limits(signed=True) == (-1.0, 1.0)
    assert format.limits(signed=False) == (0.0, 1.0)
    assert format.bits == bits


@pytest.mark.parametrize("exponent", [-96, -95, -80, 0, 80, 96])
@pytest.mark.parametrize("bits", [1, 8, 16])
def test_subnormal_and_huge_float32_values(bits: int, exponent: int) -> None:
    """From the least subnormal to the largest float, x times the factor may overflow or vanish: never wrong."""
    tiny, huge = np.float32(2.0**-149), np.finfo(np.float32).max
    powers = np.ldexp(np.float32(1), np.arange(-149, 128)).astype(np.float32)
    x = np.concatenate([powers, -powers, powers * np.float32(1.5), [tiny, -tiny, huge, -huge]]).astype(np.float32)
    for signed in (True, False):
        expected = quantize_array(x.astype(np.float64), f"fixed{bits}", exponent, signed)
        result = Fixed(bits).quantize(torch.from_numpy(x), exponent, signed).double().numpy()
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("signed", [True, False])
def test_apytypes_rounds_the_same(bits: int, signed: bool) -> None:
    random = np.random.default_rng(bits)
    x = np.concatenate([random.normal(size=200), random.integers(-300, 300, 200) / 2.0 ** (bits + 1)])
    fraction_bits = Fixed(bits).fraction_bits(signed)
    # Wide enough to hold each double here exactly; an unsigned range first cuts what is negative.
    wide = apytypes.APyFixedArray.from_float(x if signed else np.maximum(x, 0.0), int_bits=20, frac_bits=70)
    narrow = wide.cast(
        int_bits=bits - fraction_bits + (not signed),
        frac_bits=fraction_bits,
        quantization=apytypes.QuantizationMode.TIES_EVEN,
        overflow=apytypes.OverflowMode.SAT,
    )
    result = Fixed(bits).quantize(torch.from_numpy(x), signed=signed).numpy()
    np.testing.assert_array_equal(result, narrow.to_numpy())


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("signed", [True, False])
def test_torch_fake_quantises_the_same(bits: int, signed: bool) -> None:
    x = torch.randn(500, generator=torch.Generator().manual_seed(bits))
    low, high = Fixed(bits).codes(signed)
    for exponent in (-3, 0, 2):
        scale = 2.0 ** (exponent - Fixed(bits).fraction_bits(signed))
        expected = torch.fake_quantize_per_tensor_affine(x, scale, 0, low, high)
        assert torch.equal(Fixed(bits).quantize(x, exponent, signed), expected)


@pytest.mark.parametrize("bits", [0, -1, 17])
def test_widths_that_there_are_not(bits: int) -> None:
    with pytest.raises(ValueError, match=f"^fixed point has 1 to 16 bits, not {bits}$"):
        Fixed(bits)


@pytest.mark.parametrize("shape", [(2, 1), (3,), (1, 4)])
def test_exponents_that_do_not_fit_the_values_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError, match="must match the size of tensor"):
        Fixed(8).quantize(torch.zeros(3, 5), torch.zeros(shape, dtype=torch.int32))


def test_each_power_of_two_of_a_channel_is_exact() -> None:
    exponents = torch.arange(-96, 97, dtype=torch.int32).reshape(-1, 1)
    for dtype in DTYPES:
        x = torch.full((193, 1), 0.75, dtype=dtype) * 2.0 ** exponents.to(dtype)
        assert torch.equal(Fixed(16).quantize(x, exponents), x)
        assert torch.equal(Fixed(16).quantize(x, exponents, signed=False), x)
