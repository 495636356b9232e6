"""The quantiser module: forward as the format, straight-through gradients in a closed interval, and what it keeps."""

import copy
import importlib
import math
import pickle
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.formats.oracle import quantize_array
from tests.kernels.paths import PATHS, taking

from picojoule.calibration import Range
from picojoule.formats import Float32, parse
from picojoule.quantize import Quantizer

DTYPES = [torch.float32, torch.float64]


@pytest.fixture(params=PATHS, autouse=True, scope="module")
def path(request: pytest.FixtureRequest) -> Iterator[None]:
    with taking(request.param):
        yield


def gradient(quantizer: Quantizer, x: torch.Tensor) -> torch.Tensor:
    """What comes back through the quantiser for the gradient 3, 4, 5, ..."""
    leaf = x.clone().requires_grad_()
    quantizer(leaf).backward(torch.arange(3.0, 3.0 + x.numel(), dtype=x.dtype).reshape(x.shape))
    assert leaf.grad is not None
    return leaf.grad


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("text", ["binary", "fixed1", "fixed4", "fixed16"])
@pytest.mark.parametrize(("signed", "low", "high"), [(True, -4.0, 4.0), (False, 0.0, 4.0)])
def test_the_gradient_passes_in_the_closed_interval(
    text: str, signed: bool, low: float, high: float, dtype: torch.dtype
) -> None:
    low = -4.0 if text == "binary" else low
    inside = torch.tensor([low, high, 0.0, -0.0, 0.3, 3.99], dtype=dtype)
    ends = torch.tensor([low, high], dtype=dtype)
    outside = torch.cat(
        [
            torch.nextafter(ends, ends * math.inf if low else torch.tensor([-math.inf, math.inf], dtype=dtype)),
            torch.tensor([-1e30, 1e30, -math.inf, math.inf], dtype=dtype),
        ]
    )
    quantizer = Quantizer(parse(text), Range((2,), signed))
    assert gradient(quantizer, inside).tolist() == [3, 4, 5, 6, 7, 8]
    assert gradient(quantizer, outside).tolist() == [0] * 6


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_channel_has_its_own_interval(dtype: torch.dtype) -> None:
    x = torch.tensor([[0.5, 0.51, -0.5, -0.51], [8.0, 8.01, -8.0, 0.51], [2.0**-96, 1.0, 0.0, -1.0]], dtype=dtype)
    quantizer = Quantizer(parse("fixed4"), Range((-1, 3, -96), True))
    assert gradient(quantizer, x).tolist() == [[3, 0, 5, 0], [7, 0, 9, 10], [11, 0, 13, 0]]
    assert gradient(quantizer, x.reshape(3, 2, 1, 2)).flatten().tolist() == gradient(quantizer, x).flatten().tolist()


def test_float32_passes_values_and_gradients() -> None:
    x = torch.tensor([-math.inf, -1e30, 0.3, math.inf])
    quantizer = Quantizer(Float32(), Range((0,), True))
    assert torch.equal(quantizer(x), x)
    assert gradient(quantizer, x).tolist() == [3, 4, 5, 6]


def test_nan_stays_nan_and_has_no_gradient() -> None:
    quantizer = Quantizer(parse("fixed4"), Range((0,), True))
    x = torch.tensor([math.nan, 0.3])
    assert quantizer(x).isnan().tolist() == [True, False]
    assert gradient(quantizer, x).tolist() == [0, 4]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponents", [(1,), (1, -2, 0)])
def test_forward_is_the_format_with_and_without_gradients(exponents: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0), dtype=dtype)
    rows = [
        quantize_array(row.double().numpy(), "fixed3", exponent)
        for row, exponent in zip(x, exponents if len(exponents) > 1 else exponents * 3, strict=True)
    ]
    quantizer = Quantizer(parse("fixed3"), Range(exponents, True))
    before = x.clone()
    with torch.no_grad():
        results = [quantizer(x), quantizer(x)]
    results += [quantizer(x), quantizer(x.clone().requires_grad_()).detach()]
    for result in results:
        assert result.dtype == dtype
        np.testing.assert_array_equal(result.double().numpy(), np.stack(rows))
    assert torch.equal(x, before)


def test_inference_mode() -> None:
    quantizer = Quantizer(parse("fixed4"), Range((0,), True))
    with torch.inference_mode():
        x = torch.linspace(-1, 0, 8)
        assert torch.equal(quantizer(x), parse("fixed4").quantize(x))


def test_loading_another_range_takes_effect() -> None:
    quantizer, x = Quantizer(parse("fixed4"), Range((0,), True)), torch.linspace(-1, 1, 8)
    quantizer.load_state_dict(Quantizer(parse("fixed4"), Range((3,), False)).state_dict())
    assert quantizer.range == Range((3,), False)
    assert torch.equal(quantizer(x), parse("fixed4").quantize(x, 3, signed=False))


def test_copies_are_apart() -> None:
    quantizer = Quantizer(parse("fixed4"), Range((1, -2), True))
    x = torch.tensor([[1.3], [0.2]])
    with torch.no_grad():
        quantizer(x)
    for other in (copy.deepcopy(quantizer), pickle.loads(pickle.dumps(quantizer))):
        assert other.range == quantizer.range
        other.load_state_dict(Quantizer(parse("fixed4"), Range((0, 0), True)).state_dict())
        assert other.range == Range((0, 0), True)
        assert quantizer.range == Range((1, -2), True)
        with torch.no_grad():
            assert other(x).flatten().tolist() == [0.875, 0.25]
            assert quantizer(x).flatten().tolist() == [1.25, 0.1875]


def test_it_shows_what_it_is() -> None:
    assert repr(Quantizer(parse("fixed4"), Range((1,), True))) == "Quantizer(fixed4, exponent 1, signed)"
    by_channel = Quantizer(parse("binary"), Range((1, -3, 0), False))
    assert repr(by_channel) == "Quantizer(binary, exponent -3..1 by channel, unsigned)"


def test_an_infinite_gradient_outside_the_range_is_dropped() -> None:
    x = torch.tensor([5.0, 0.5], requires_grad=True)
    Quantizer(parse("fixed4"), Range((0,), True))(x).backward(torch.tensor([math.inf, 2.0]))
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 2.0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_standing_for_a_rectifier_it_passes_no_gradient_at_zero(dtype: torch.dtype) -> None:
    quantizer = Quantizer(parse("fixed4"), Range((2,), False))
    assert quantizer.rectifies
    least = torch.nextafter(torch.zeros((), dtype=dtype), torch.ones((), dtype=dtype)).item()
    values = [-1.0, -0.0, 0.0, least, 4.0, 4.001, math.nan]
    for overwrite in (False, True):
        leaf = torch.tensor(values, dtype=dtype, requires_grad=True)
        result = quantizer(leaf * 1.0, rectify=True, overwrite=overwrite)
        (found,) = torch.autograd.grad(result.sum(), leaf)
        assert found.tolist() == [0, 0, 0, 1, 1, 0, 0]
        assert result[:-1].tolist() == [0, 0, 0, 0, 3.75, 3.75]


@pytest.mark.parametrize(
    ("text", "signed", "rectifies"),
    [("fixed4", False, True), ("fixed4", True, False), ("binary", False, False), ("float32", False, False)],
)
def test_which_ranges_cut_off_what_is_negative(text: str, signed: bool, rectifies: bool) -> None:
    assert Quantizer(parse(text), Range((1,), signed)).rectifies is rectifies


@pytest.mark.parametrize("exponents", [(1,), (1, -2, 0)])
@pytest.mark.parametrize("text", ["fixed4", "binary", "float32"])
def test_overwriting_gives_the_same(text: str, exponents: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("picojoule.quantize.quantizer"), "LARGE", 0)
    quantizer = Quantizer(parse(text), Range(exponents, True))
    x = torch.randn(3, 40, generator=torch.Generator().manual_seed(0)) * 2
    with torch.no_grad():
        taken = x.clone()
        assert torch.equal(quantizer(taken, overwrite=True), quantizer(x))
        assert torch.equal(taken, quantizer(x))
    results = []
    for overwrite in (False, True):
        leaf = x.clone().requires_grad_()
        made = leaf * 1.0
        result = quantizer(made, overwrite=overwrite)
        assert (result.data_ptr() == made.data_ptr()) == (overwrite or text == "float32")
        results.append((result.detach(), *torch.autograd.grad(result.square().sum(), leaf)))
    assert all(map(torch.equal, *results))


def test_overwriting_what_a_backward_needs_is_an_error() -> None:
    leaf = torch.ones(1 << 17, requires_grad=True)
    needed = leaf.exp()  # keeps its result
    Quantizer(parse("fixed4"), Range((1,), True))(needed, overwrite=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        needed.sum().backward()


def test_a_gradient_of_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate is linear in the gradient and flat in the value."""
    monkeypatch.setattr(importlib.import_module("picojoule.quantize.quantizer"), "LARGE", 0)
    quantizer = Quantizer(parse("fixed4"), Range((0,), True))
    for overwrite in (False, True):
        x = torch.tensor([0.3, 2.0], requires_grad=True)
        outer = torch.tensor([1.0, 1.0], requires_grad=True)
        (inner,) = torch.autograd.grad(quantizer(x * 1.0, overwrite=overwrite), x, outer, create_graph=True)
        assert torch.autograd.grad(inner.sum(), outer)[0].tolist() == [1, 0]


class TestCodebooks:
    """Members come with the range; a state has the exponents and the sign, and leaves them alone."""

    RANGE = Range((1,), True, (), (-0.5, 0.0, 0.25))

    def quantizer(self) -> Quantizer:
        return Quantizer(parse("lut4").with_members(self.RANGE.members), self.RANGE)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_it_rounds_to_the_members_and_passes_between_their_ends(self, dtype: torch.dtype) -> None:
        x = torch.tensor([-9.0, -1.0, -0.6, 0.1, 0.3, 0.5, 0.51], dtype=dtype)
        quantizer = self.quantizer()
        assert quantizer(x).tolist() == [-1, -1, -1, 0, 0.5, 0.5, 0.5]
        assert quantizer(x).dtype == dtype
        assert gradient(quantizer, x).tolist() == [0, 4, 5, 6, 7, 8, 0]
        assert not quantizer.rectifies

    def test_state_copies_and_types(self) -> None:
        quantizer, x = self.quantizer(), torch.linspace(-2, 2, 40)
        again = self.quantizer()
        again.load_state_dict(quantizer.state_dict())
        shifted = Quantizer(quantizer.format, replace(self.RANGE, exponents=(3,)))
        shifted.load_state_dict(quantizer.state_dict())
        others = (
            again,
            shifted,
            copy.deepcopy(quantizer),
            pickle.loads(pickle.dumps(quantizer)),
            self.quantizer().double(),
        )
        for other in others:
            assert other.range == quantizer.range == self.RANGE
            assert torch.equal(other(x), quantizer(x))

    def test_numbers_above_zero_alone_rectify(self) -> None:
        found = Quantizer(parse("lut2").with_members((0.25, 0.5)), Range((0,), False, (), (0.25, 0.5)))
        assert found.rectifies
        assert found(torch.tensor([-3.0, 0.0, 0.4])).tolist() == [0.25, 0.25, 0.5]
