"""The rounding kernel on both its paths: where it writes, and what it gives at the edges of what floats can hold."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.formats import laws, values
from tests.formats.oracle import quantize_array
from tests.kernels.paths import PATHS, bits, taking

from picojoule.formats import Fixed
from picojoule.formats.base import power_of_two
from picojoule.kernels import compiled, grid
from picojoule.kernels.grid import codes_of, round_to_grid

DTYPES = [torch.float32, torch.float64]


@pytest.fixture(params=PATHS, autouse=True, scope="module")
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    with taking(request.param):
        yield request.param


def expected(x: torch.Tensor) -> torch.Tensor:
    """fixed4 at exponent 1, from the oracle: factor 4, codes -8..7."""
    return torch.from_numpy(quantize_array(x.double().numpy(), "fixed4", 1)).to(x.dtype)


def sample(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_may_be_another_tensor_or_x_itself(dtype: torch.dtype) -> None:
    x = sample(6, 7, dtype=dtype)
    want, before = expected(x), x.clone()
    assert torch.equal(round_to_grid(x, 4.0, -8, 7), want)
    out = torch.full_like(x, math.nan)
    assert round_to_grid(x, 4.0, -8, 7, out=out) is out
    assert torch.equal(out, want)
    assert torch.equal(x, before)
    assert round_to_grid(x, 4.0, -8, 7, out=x) is x
    assert torch.equal(x, want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["transposed", "sliced", "channels last", "expanded"])
def test_strided_tensors(layout: str, dtype: torch.dtype) -> None:
    x = sample(4, 6, 3, 5, dtype=dtype)
    strided = {
        "transposed": x.transpose(0, 3),
        "sliced": x[::2, 1::2],
        "channels last": x.contiguous(memory_format=torch.channels_last),
        "expanded": x[:1].expand(4, 6, 3, 5),
    }[layout]
    assert torch.equal(round_to_grid(strided, 4.0, -8, 7), expected(strided.contiguous()))
    target = torch.zeros(*(2 * size for size in strided.shape), dtype=dtype)
    out = target[tuple(slice(None, None, 2) for _ in strided.shape)]
    assert round_to_grid(strided, 4.0, -8, 7, out=out) is out
    assert torch.equal(out, expected(strided.contiguous()))
    assert int((target != 0).sum()) == int((out != 0).sum())  # nothing beside it was written
    if layout in ("transposed", "sliced"):
        want = expected(strided.contiguous())
        round_to_grid(strided, 4.0, -8, 7, out=strided)
        assert torch.equal(strided, want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_factor_for_each_channel(dtype: torch.dtype) -> None:
    x = sample(3, 2, 2, dtype=dtype)
    factors = torch.tensor([1.0, 4.0, 2.0**112], dtype=dtype).reshape(3, 1, 1)
    result = round_to_grid(x, factors, -8, 7)
    for row, factor in enumerate((1.0, 4.0, 2.0**112)):
        assert torch.equal(result[row], round_to_grid(x[row], factor, -8, 7))
    assert round_to_grid(x, factors, -8, 7, out=x) is x
    assert torch.equal(x, result)


@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values(dtype: torch.dtype) -> None:
    x = torch.tensor([math.nan, math.inf, -math.inf, -0.01, -0.0, 0.0], dtype=dtype)
    result = round_to_grid(x, 4.0, -8, 7)
    assert result[0].isnan()
    assert result[1:].tolist() == [1.75, -2.0, 0.0, 0.0, 0.0]
    assert [math.copysign(1, value) for value in result[3:].tolist()] == [-1, -1, 1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0,), (2, 0, 3)])
def test_empty_tensors(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.zeros(shape, dtype=dtype)
    assert round_to_grid(x, 4.0, -8, 7).shape == shape
    assert round_to_grid(x, 4.0, -8, 7, out=x) is x


def test_codes_of_24_bits_are_exact_in_float32() -> None:
    low, high = -(2**23), 2**23 - 1
    codes = torch.tensor([low, low + 1, -1, 0, 1, high - 1, high], dtype=torch.float64)
    x = (codes * 2.0**-23).float()
    assert torch.equal(x.double() * 2**23, codes)
    assert torch.equal(round_to_grid(x, 2.0**23, low, high), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_that_overflow_saturate(dtype: torch.dtype) -> None:
    largest = torch.finfo(dtype).max
    x = torch.tensor([largest, -largest, largest / 2], dtype=dtype)
    assert round_to_grid(x, 2.0**112, -8, 7).tolist() == [7 * 2.0**-112, -8 * 2.0**-112, 7 * 2.0**-112]


def test_scalars_keep_their_shape() -> None:
    assert round_to_grid(torch.tensor(0.4), 4.0, -8, 7).shape == ()
    np.testing.assert_allclose(round_to_grid(torch.tensor(0.4), 4.0, -8, 7).item(), 0.5, rtol=0, atol=0)


@laws
@given(data=st.data(), width=st.integers(1, 16), exponent=st.integers(-96, 96), signed=st.booleans())
def test_both_paths_give_the_same_bits(data: st.DataObject, width: int, exponent: int, signed: bool) -> None:
    x = data.draw(values(exponent))
    x[data.draw(st.integers(0, len(x) - 1))] = math.nan
    x = torch.cat([x, -x, x.new_tensor([-0.0, 5e-324, -1e-45, 1e-40])])
    factor, codes = 2.0 ** (Fixed(width).fraction_bits(signed) - exponent), Fixed(width).codes(signed)
    want = bits(grid.plain(x, factor, *codes))
    assert torch.equal(bits(round_to_grid(x, factor, *codes)), want)
    assert torch.equal(bits(round_to_grid(x, torch.tensor(factor, dtype=x.dtype), *codes)), want)
    assert torch.equal(bits(round_to_grid(x.clone(), factor, *codes, out=x)), want)


@laws
@given(data=st.data(), exponents=st.lists(st.integers(-96, 96), min_size=2, max_size=6))
def test_both_paths_give_the_same_bits_by_row(data: st.DataObject, exponents: list[int]) -> None:
    x = torch.stack([data.draw(values(exponents[0]))] * 2)
    x = x.expand(len(exponents), *x.shape).contiguous()
    factors = power_of_two(3 - torch.tensor(exponents).reshape(-1, 1, 1), x)
    assert isinstance(factors, torch.Tensor)
    want = bits(grid.plain(x, factors, -8, 7))
    assert torch.equal(bits(round_to_grid(x, factors, -8, 7)), want)
    blocks = factors.expand(-1, 2, -1).contiguous()  # one for each of the last axis' rows
    assert torch.equal(bits(round_to_grid(x, blocks, -8, 7)), want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_both_paths_give_the_same_bits_for_any_bits(dtype: torch.dtype) -> None:
    """Every kind of number, signalling NaNs and subnormal ones among them."""
    whole = torch.int32 if dtype == torch.float32 else torch.int64
    random, limits = torch.Generator().manual_seed(0), torch.iinfo(whole)
    x = torch.randint(limits.min, limits.max, (1 << 17,), dtype=whole, generator=random).view(dtype)
    assert x.isnan().any()
    for width, exponent, signed in ((1, 0, False), (4, -96, True), (8, 3, False), (16, 96, True)):
        factor, codes = 2.0 ** (Fixed(width).fraction_bits(signed) - exponent), Fixed(width).codes(signed)
        assert torch.equal(bits(round_to_grid(x, factor, *codes)), bits(grid.plain(x, factor, *codes)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6, 5), (2, 6, 5), (5, 3, 2, 4)])
def test_factors_along_any_axes(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Those of leading axes are rows of memory; any others broadcast all the same."""
    x = sample(*shape, dtype=dtype)
    for chosen in range(2 ** len(shape)):
        sizes = [size if chosen >> axis & 1 else 1 for axis, size in enumerate(shape)]
        exponents = torch.randint(-2, 5, sizes, generator=torch.Generator().manual_seed(chosen))
        factors = power_of_two(exponents, x)
        assert isinstance(factors, torch.Tensor)
        want = expected((x * factors / 4).contiguous()) * 4 / factors
        assert torch.equal(round_to_grid(x, factors, -8, 7), want)
        assert torch.equal(round_to_grid(x, factors.expand_as(x), -8, 7), want)
        assert torch.equal(round_to_grid(x.T.contiguous().T if x.dim() == 2 else x, factors, -8, 7), want)


def test_channels_last_stays_so_with_factors_by_channel_too() -> None:
    x = sample(4, 6, 3, 5, dtype=torch.float32).contiguous(memory_format=torch.channels_last)
    for factor in (4.0, torch.full((4, 1, 1, 1), 4.0), torch.full((1, 6, 1, 1), 4.0), torch.full((4, 6, 1, 1), 4.0)):
        result = round_to_grid(x, factor, -8, 7)
        assert result.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(result, expected(x))
        for layout in (torch.channels_last, torch.contiguous_format):
            out = torch.zeros_like(x, memory_format=layout)
            assert round_to_grid(x, factor, -8, 7, out=out) is out
            assert torch.equal(out, expected(x))


def test_memory_that_is_read_and_written_at_once_is_refused() -> None:
    memory = torch.zeros(9)
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        round_to_grid(memory[1:], 4.0, -8, 7, out=memory[:-1])
    before = sample(9, dtype=torch.float32)
    same = before.clone()
    round_to_grid(same.view(3, 3), 4.0, -8, 7, out=same.view(3, 3))  # all of it is no overlap
    assert torch.equal(same, expected(before))


def test_an_out_that_does_not_fit() -> None:
    """What torch says of it stands, whichever path would have been taken."""
    x = sample(4, dtype=torch.float32)
    assert torch.equal(round_to_grid(x, 4.0, -8, 7, out=torch.zeros(4, dtype=torch.float64)), expected(x).double())
    with pytest.warns(UserWarning, match="resized"):
        round_to_grid(x, 4.0, -8, 7, out=torch.zeros(5))


def test_a_sign_bit_that_torch_only_notes() -> None:
    x = torch.tensor([1 + 0.3j, 2 - 7j]).conj().imag
    assert x.is_neg()
    assert round_to_grid(x, 4.0, -8, 7).tolist() == [-0.25, 1.75]
    assert round_to_grid(x[:1], 4.0, -8, 7).tolist() == [-0.25]


def test_a_backward_that_needs_what_was_overwritten_says_so() -> None:
    weights, x = torch.ones(8, requires_grad=True), sample(8, dtype=torch.float32)
    y = weights * x
    round_to_grid(x, 4.0, -8, 7, out=x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_out_that_asks_for_a_gradient_is_refused() -> None:
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        round_to_grid(torch.ones(8), 4.0, -8, 7, out=torch.ones(8, requires_grad=True))


def test_the_gradient_is_straight_through() -> None:
    x = torch.tensor([-2.0, -2.001, 0.3, 2.0, 2.001, math.nan], requires_grad=True)
    for factor in (4.0, torch.full((6,), 4.0)):
        (gradient,) = torch.autograd.grad(round_to_grid(x, factor, -8, 7).sum(), x)
        assert gradient.tolist() == [1, 0, 1, 1, 0, 0]
        out = torch.zeros(6)
        assert round_to_grid(x, factor, -8, 7, out=out) is out
        assert torch.autograd.grad(out[:5].sum(), x)[0].tolist() == [1, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("size", [2, 15, 16, 17, 1000, 4099])
def test_every_length(size: int, path: str) -> None:
    """Vectors, their remainders, and a start that is not aligned."""
    x = sample(size + 3, dtype=torch.float32)[3:]
    out = torch.full((size + 5,), 9.0)
    round_to_grid(x, 4.0, -8, 7, out=out[1 : size + 1])
    assert torch.equal(out[1 : size + 1], expected(x))
    assert out[0] == 9
    assert torch.equal(out[size + 1 :], torch.full((4,), 9.0))
    assert path == "plain" or compiled.machine_code("grid", False, torch.float32) is not None


@laws
@given(data=st.data(), width=st.integers(1, 8), exponent=st.integers(-90, 90), signed=st.booleans())
def test_codes_are_the_numbers_rounded_to(data: st.DataObject, width: int, exponent: int, signed: bool) -> None:
    x = data.draw(values(exponent)).float()
    x = torch.cat([x, torch.tensor([-0.0, torch.inf, -torch.inf])])
    factor, (low, high) = 2.0 ** (Fixed(width).fraction_bits(signed) - exponent), Fixed(width).codes(signed)
    found = codes_of(x, factor, low, high)
    assert found.dtype == torch.uint8
    assert torch.equal((found.double() + low) / factor, round_to_grid(x, factor, low, high).double())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_codes_lie_as_the_numbers_do(layout: torch.memory_format) -> None:
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    assert codes_of(x, 8.0, -8, 7).stride() == x.stride()
    strided = x[:, :, ::2]
    assert torch.equal(codes_of(strided, 8.0, -8, 7), codes_of(x, 8.0, -8, 7)[:, :, ::2])
    assert codes_of(x[:0], 8.0, -8, 7).shape == (0, 3, 4, 5)
