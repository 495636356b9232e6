"""float32: values pass unchanged, bit for bit."""

import math

import pytest
import torch

from picojoule.errors import FormatError
from picojoule.formats import Float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_pass_bit_for_bit(dtype: torch.dtype) -> None:
    x = torch.tensor([0.0, -0.0, 1e-45, -3.4e38, math.inf, -math.inf, math.nan, 1 / 3], dtype=dtype)
    bits = torch.int32 if dtype == torch.float32 else torch.int64
    out = torch.empty_like(x)
    for exponent in (-96, 0, torch.tensor(7)):
        assert torch.equal(Float32().quantize(x, exponent, signed=False).view(bits), x.view(bits))
        assert Float32().quantize(x, exponent, out=out) is out
        assert torch.equal(out.view(bits), x.view(bits))


def test_it_is_too_large_to_list() -> None:
    with pytest.raises(FormatError, match=r"^format 'float32' has 2\^32 members, too many to list$"):
        Float32().grid()


def test_its_gradient_passes_everywhere() -> None:
    assert Float32().limits(signed=True) == Float32().limits(signed=False) == (-math.inf, math.inf)
    assert Float32().bits == 32
