"""Ternary: a sign or nothing, at every exponent, whatever the range's signedness."""

import math

import numpy as np
import pytest
import torch
from tests.formats.oracle import quantize, quantize_array

from picojoule.formats import Ternary


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("exponent", [-96, -1, 0, 3, 96])
def test_it_is_the_nearest_of_three(exponent: int, signed: bool, dtype: torch.dtype) -> None:
    middle = torch.tensor([0.5, -0.5], dtype=dtype) * 2.0**exponent
    beside = torch.nextafter(middle, middle * 2), torch.nextafter(middle, middle / 2)
    x = torch.cat([middle, *beside, torch.tensor([0.0, -0.0, 3e38, -3e38, math.inf, -math.inf], dtype=dtype)])
    result = Ternary().quantize(x, exponent, signed)
    assert result.dtype == dtype
    assert result.tolist() == [float(quantize("ternary", value, exponent)) for value in x.tolist()]
    np.testing.assert_array_equal(result.numpy(), quantize_array(x.double().numpy(), "ternary", exponent))


def test_it_is_three_numbers_in_two_bits() -> None:
    assert (Ternary().bits, Ternary().family, Ternary().size_bits((3, 3))) == (2, "fixed", 18)
    assert Ternary().grid(True).tolist() == Ternary().grid(False).tolist() == [-1.0, 0.0, 1.0]
    assert Ternary().limits(True) == Ternary().limits(False) == (-1.0, 1.0)
