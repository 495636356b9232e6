"""The rounding kernel: where it writes, and what it gives at the edges of what floats can hold."""

import math

import numpy as np
import pytest
import torch
from tests.formats.oracle import quantize_array

from picojoule.kernels.grid import round_to_grid

DTYPES = [torch.float32, torch.float64]


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
