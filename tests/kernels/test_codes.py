"""Numbers of a grid as bytes: the same on both paths, and the numbers that rounding gives."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.formats import laws, values
from tests.kernels.paths import PATHS, taking

from picojoule.formats import Fixed
from picojoule.kernels.codes import codes_of
from picojoule.kernels.grid import round_to_grid


@pytest.fixture(params=PATHS, autouse=True, scope="module")
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    with taking(request.param):
        yield request.param


@laws
@given(data=st.data(), width=st.integers(1, 8), exponent=st.integers(-90, 90), signed=st.booleans())
def test_they_are_the_numbers_rounded_to(data: st.DataObject, width: int, exponent: int, signed: bool) -> None:
    x = data.draw(values(exponent)).float()
    x = torch.cat([x, torch.tensor([-0.0, torch.inf, -torch.inf])])
    factor, (low, high) = 2.0 ** (Fixed(width).fraction_bits(signed) - exponent), Fixed(width).codes(signed)
    found = codes_of(x, factor, low, high)
    assert found.dtype == torch.uint8
    assert torch.equal((found.double() + low) / factor, round_to_grid(x, factor, low, high).double())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_they_lie_as_the_numbers_do(layout: torch.memory_format) -> None:
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    assert codes_of(x, 8.0, -8, 7).stride() == x.stride()
    strided = x[:, :, ::2]
    assert torch.equal(codes_of(strided, 8.0, -8, 7), codes_of(x, 8.0, -8, 7)[:, :, ::2])
    assert codes_of(x[:0], 8.0, -8, 7).shape == (0, 3, 4, 5)
