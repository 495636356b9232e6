"""What passes backward: the same on both paths, by values and by mask, in any layout."""

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.formats import laws, values
from tests.kernels.paths import PATHS, bits, taking
from torch import Tensor

from picojoule.kernels.gate import pass_where, pass_within, within

DTYPES = [torch.float32, torch.float64]


@pytest.fixture(params=PATHS, autouse=True, scope="module")
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    with taking(request.param):
        yield request.param


def by_hand(gradient: Tensor, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Element by element, in Python."""
    rows = zip(*(each.expand_as(x).flatten().tolist() for each in (gradient, x, low, high)), strict=True)
    return torch.tensor([g if a <= v <= b else 0.0 for g, v, a, b in rows], dtype=x.dtype).reshape(x.shape)


def agree(gradient: Tensor, x: Tensor, low: float | Tensor, high: float | Tensor) -> None:
    before = gradient.clone(), x.clone()
    want = bits(by_hand(gradient, x, torch.as_tensor(low), torch.as_tensor(high)))
    mask = within(x, low, high)
    assert mask.dtype == torch.bool
    assert torch.equal(bits(pass_within(gradient, x, low, high)), want)
    assert torch.equal(bits(pass_where(gradient, mask)), want)
    assert torch.equal(bits(gradient), bits(before[0]))
    assert torch.equal(bits(x), bits(before[1]))


@laws
@given(data=st.data())
def test_any_values(data: st.DataObject) -> None:
    x = torch.cat([data.draw(values()), torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0])])
    gradient = x.flip(0).clone()
    gradient[gradient.isnan()] = -math.inf
    for low, high in ((-1.0, 1.0), (0.0, 2.0), (-math.inf, math.inf), (0.125, 0.125)):
        agree(gradient, x, low, high)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["contiguous", "channels last", "transposed", "sliced", "expanded", "differing"])
def test_layouts(layout: str, dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(4, 6, 3, 5, generator=random, dtype=dtype)
    gradient = torch.randn(4, 6, 3, 5, generator=random, dtype=dtype)
    changed = {
        "contiguous": lambda t: t,
        "channels last": lambda t: t.contiguous(memory_format=torch.channels_last),
        "transposed": lambda t: t.transpose(0, 3),
        "sliced": lambda t: t[::2, 1::2],
        "expanded": lambda t: t[:1].expand(4, 6, 3, 5),
        "differing": lambda t: t.transpose(1, 2).contiguous().transpose(1, 2),
    }[layout]
    agree(gradient if layout == "differing" else changed(gradient), changed(x), -0.5, 1.0)
    channels = torch.rand(changed(x).shape[0], 1, 1, 1, generator=random, dtype=dtype)
    agree(changed(gradient), changed(x), -channels, channels)
    agree(changed(gradient), changed(x), -0.5, channels)
    agree(changed(gradient), changed(x), torch.tensor(-0.5, dtype=dtype), torch.tensor(0.5, dtype=dtype))


@pytest.mark.parametrize("size", [0, 1, 2, 15, 16, 17, 1000])
def test_every_length(size: int) -> None:
    x = torch.linspace(-2, 2, size + 3)[3:]
    agree(torch.arange(1.0, size + 1), x, -1.0, 1.0)


def test_bounds_of_another_type_are_compared_as_torch_does() -> None:
    x = torch.tensor([0.1, 0.2, 0.3])
    for high in (torch.tensor(0.2, dtype=torch.float64), torch.tensor([0.2] * 3, dtype=torch.float64)):
        expected = torch.where((x >= -1) & (x <= high), torch.ones(3), 0)
        assert torch.equal(pass_within(torch.ones(3), x, torch.tensor(-1.0, dtype=torch.float64), high), expected)


def test_a_gradient_of_the_gradient() -> None:
    x, gradient = torch.tensor([0.5, 3.0]), torch.tensor([2.0, 2.0], requires_grad=True)
    for passed in (pass_within(gradient, x, -1.0, 1.0), pass_where(gradient, within(x, -1.0, 1.0))):
        assert torch.autograd.grad(passed.sum(), gradient)[0].tolist() == [1, 0]
