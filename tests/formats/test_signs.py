"""Binary and ternary: the sign, or a sign or nothing, at every exponent, whatever the range's signedness."""

import math

import numpy as np
import pytest
import torch
from tests.formats.oracle import quantize, quantize_array

from picojoule.formats import Binary, Ternary


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("exponent", [-96, -1, 0, 3, 96])
def test_binary_is_the_sign(exponent: int, signed: bool, dtype: torch.dtype) -> None:
    least = 2.0**-149 if dtype == torch.float32 else 2.0**-1074
    x = [0.0, -0.0, least, -least, 1.0, -1.0, 3e38, -3e38, math.inf, -math.inf, 2.0**exponent, -(2.0**exponent)]
    result = Binary().quantize(torch.tensor(x, dtype=dtype), exponent, signed)
    assert result.dtype == dtype
    assert result.tolist() == [float(quantize("binary", value, exponent, signed)) for value in x]
    np.testing.assert_array_equal(result.numpy(), quantize_array(np.array(x), "binary", exponent, signed))


def test_binary_is_one_bit_of_two_numbers() -> None:
    assert Binary().bits == 1
    assert Binary().grid(signed=True).tolist() == Binary().grid(signed=False).tolist() == [-1.0, 1.0]
    assert Binary().limits(signed=True) == Binary().limits(signed=False) == (-1.0, 1.0)


def test_each_channel_has_its_own_size() -> None:
    x = torch.tensor([[0.1, -0.2, -0.0], [5.0, -7.0, math.nan]])
    result = Binary().quantize(x, torch.tensor([[-2], [3]]))
    assert result[0].tolist() == [0.25, -0.25, 0.25]
    assert result[1, :2].tolist() == [8.0, -8.0]
    assert math.isnan(result[1, 2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("exponent", [-96, -1, 0, 3, 96])
def test_ternary_is_the_nearest_of_three(exponent: int, signed: bool, dtype: torch.dtype) -> None:
    middle = torch.tensor([0.5, -0.5], dtype=dtype) * 2.0**exponent
    beside = torch.nextafter(middle, middle * 2), torch.nextafter(middle, middle / 2)
    x = torch.cat([middle, *beside, torch.tensor([0.0, -0.0, 3e38, -3e38, math.inf, -math.inf], dtype=dtype)])
    result = Ternary().quantize(x, exponent, signed)
    assert result.dtype == dtype
    assert result.tolist() == [float(quantize("ternary", value, exponent)) for value in x.tolist()]
    np.testing.assert_array_equal(result.numpy(), quantize_array(x.double().numpy(), "ternary", exponent))


def test_ternary_is_three_numbers_in_two_bits() -> None:
    assert (Ternary().bits, Ternary().arithmetic, Ternary().size_bits((3, 3))) == (2, "fixed", 18)
    assert Ternary().grid(True).tolist() == Ternary().grid(False).tolist() == [-1.0, 0.0, 1.0]
    assert Ternary().limits(True) == Ternary().limits(False) == (-1.0, 1.0)
