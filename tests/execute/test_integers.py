"""Convolutions of bytes against float64, to the last bit, and the weights that have no bytes."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from picojoule.calibration import Range
from picojoule.execute import integers
from picojoule.execute.codes import Codes, encode, grid_of
from picojoule.execute.integers import Convolution, Weights, as_bytes, convolve, serves
from picojoule.formats import Fixed
from picojoule.quantize import Choice

pytestmark = pytest.mark.skipif(not serves(1.0), reason="this machine does not convolve bytes exactly")

RANDOM = torch.Generator().manual_seed(0)


def drawn(*shape: int, low: int, high: int) -> Tensor:
    return torch.randint(low, high, shape, generator=RANDOM)


@pytest.mark.parametrize("zero", [0, 3, 128])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(
    ("channels", "outputs", "kernel", "how"),
    [
        (1, 6, 5, Convolution([1, 1], [2, 2], [1, 1], 1)),
        (3, 16, 3, Convolution([1, 1], [1, 1], [1, 1], 1)),
        (64, 32, 3, Convolution([2, 2], [1, 1], [1, 1], 1)),
        (16, 16, 3, Convolution([1, 1], [1, 1], [1, 1], 16)),
        (8, 12, 3, Convolution([1, 2], [0, 1], [2, 1], 4)),
        (130, 7, 1, Convolution([1, 1], [0, 0], [1, 1], 1)),
    ],
)
def test_it_is_float64_rounded_once(
    channels: int, outputs: int, kernel: int, how: Convolution, biased: bool, relu: bool, zero: int
) -> None:
    x = drawn(3, channels, 9, 10, low=0, high=256).to(torch.uint8)
    steps = 2.0 ** drawn(outputs, 1, 1, 1, low=-9, high=3)
    w = drawn(outputs, channels // how.groups, kernel, kernel, low=-128, high=128) * steps
    bias = torch.randn(outputs, generator=RANDOM) if biased else None
    found = convolve(Codes(x, 2.0**-5, zero), Weights(w), bias, how, relu)
    wide = None if bias is None else bias.double()
    expected = conv2d(
        (x.double() - zero) * 2.0**-5, w.double(), wide, how.stride, how.padding, how.dilation, how.groups
    )
    assert found.dtype == torch.float32
    assert torch.equal(found, (expected.relu() if relu else expected).float())


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("bits", [1, 3, 8])
@pytest.mark.parametrize("exponent", [-2, 1, 4])
def test_a_result_as_bytes_is_the_other_rounded(exponent: int, bits: int, relu: bool) -> None:
    """Every sum is a whole number of 64ths here, so that many lie midway between two numbers of the grid."""
    grid = grid_of(Choice(Fixed(bits), Range((exponent,), signed=False)))
    assert grid is not None
    how = Convolution([1, 1], [1, 1], [1, 1], 1)
    x = Codes(drawn(3, 5, 9, 10, low=0, high=16).to(torch.uint8), 2.0**-3, 0)
    weights, bias = Weights(drawn(6, 5, 3, 3, low=-4, high=4) / 8), drawn(6, low=-64, high=64) / 64
    codes = convolve(x, weights, bias, how, relu, grid)
    numbers = convolve(x, weights, bias, how, relu)
    assert codes.dtype == torch.uint8
    assert torch.equal(codes, encode(numbers, grid).bytes)
    if bits == 3 and exponent == 1:
        assert ((numbers / grid.step) % 1 == 0.5).any()
        assert (numbers > (grid.high + 1) * grid.step).any()


def test_weights_are_packed_once_for_each_zero() -> None:
    weights, how = Weights(drawn(4, 2, 3, 3, low=-8, high=8) / 8), Convolution([1, 1], [1, 1], [1, 1], 1)
    assert weights.packed(how, 0) is weights.packed(how, 0)
    assert weights.packed(how, 0) is not weights.packed(how, 128)


@pytest.mark.parametrize(
    ("rows", "bytes", "steps"),
    [
        ([[-1.0, 0.5], [0.25, -0.125]], [[-128, 64], [64, -32]], [2**-7, 2**-8]),
        ([[1.0, 0.5], [0.0, 0.0]], [[64, 32], [0, 0]], [2**-6, 2**-8]),
        ([[127 / 128, -1.0], [4.0, -4.0]], [[127, -128], [64, -64]], [2**-7, 2**-4]),
    ],
)
def test_bytes_of_weights(rows: list[list[float]], bytes: list[list[int]], steps: list[float]) -> None:
    found = as_bytes(torch.tensor(rows).reshape(2, 2, 1, 1))
    assert found is not None
    assert found[0].reshape(2, 2).tolist() == bytes
    nonzero = [row for row in range(2) if any(bytes[row])]
    assert [found[1].tolist()[row] for row in nonzero] == [steps[row] for row in nonzero]


@pytest.mark.parametrize(
    "weights",
    [
        torch.tensor([1 / 3, 0.5]).reshape(2, 1, 1, 1),  # no grid
        torch.tensor([255 / 256, 1 / 256]).reshape(1, 2, 1, 1),  # nine bits with the sign
        torch.tensor([1.0, 2.0**-8]).reshape(1, 2, 1, 1),  # too far apart
        torch.tensor([[1.0]]),  # of a dense layer
        torch.tensor([2.0**-90]).reshape(1, 1, 1, 1),  # products of such steps are no normal numbers
        torch.ones(1, 70_000, 1, 1),  # sums may not fit
        torch.full((1, 1, 1, 1), float("nan")),
        torch.full((1, 1, 1, 1), float("inf")),
    ],
)
def test_weights_without_bytes(weights: Tensor) -> None:
    assert as_bytes(weights) is None
    assert Weights(weights).bytes is None


def test_a_machine_that_errs_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_off(*arguments: Any, relu: bool) -> Tensor:
        result = convolve(*arguments, relu)
        result[0, 0, 4, 4] += 1
        return result

    def refused(*_: object, relu: bool) -> Tensor:
        raise NotImplementedError("no such operation")

    for function in (one_off, refused):
        monkeypatch.setattr(integers, "convolve", function)
        integers._exact.cache_clear()
        assert not serves(1.0)
    monkeypatch.undo()
    integers._exact.cache_clear()
    assert serves(1.0)
    assert not serves(2.0**-70)


@pytest.mark.parametrize(
    ("how", "ordinary"),
    [
        (Convolution([1, 1], [1, 1], [1, 1], 1), True),
        (Convolution([3, 3], [0, 1], [1, 1], 4), True),
        (Convolution([1, 3], [0, 0], [1, 1], 1), False),
        (Convolution([1, 1], [1, 1], [1, 2], 1), False),
        (Convolution([2, 2], [2, 0], [1, 1], 1), False),
    ],
)
def test_what_onednn_may_get_wrong_is_not_left_to_it(how: Convolution, ordinary: bool) -> None:
    assert how.is_ordinary((2, 3)) == ordinary


@pytest.mark.skipif(not serves(1.0), reason="this machine does not convolve bytes exactly")
def test_random_ordinary_convolutions_are_exact() -> None:
    random = torch.Generator().manual_seed(0)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=random))

    for _ in range(200):
        groups, kernel, stride = draw(1, 4), (draw(1, 3), draw(1, 3)), draw(1, 3)
        padding = [draw(0, size - 1) for size in kernel]
        shape = (draw(1, 3), groups * draw(1, 4), draw(3, 6), draw(3, 6))
        x = torch.randint(256, shape, generator=random, dtype=torch.uint8)
        sizes = (groups * draw(1, 4), shape[1] // groups, *kernel)
        w, zero = torch.randint(-128, 128, sizes, generator=random).float(), draw(0, 255)
        how = Convolution([stride, stride], padding, [1, 1], groups)
        assert how.is_ordinary(kernel)
        found = convolve(Codes(x, 1.0, zero), Weights(w), None, how, relu=False)
        direct = torch.nn.functional.conv2d(x.double() - zero, w.double(), None, stride, padding, 1, groups)
        assert torch.equal(found, direct.float())
