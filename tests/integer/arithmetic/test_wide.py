"""Convolutions of bytes against whole numbers, where sums leave float32; what is not proved is left to float64."""

import pytest
import torch
from hypothesis import given, settings
from tests.integer import layers
from torch import Tensor

from picojoule.execute.integers import serves
from picojoule.integer import Constant, Interpreter, Program
from picojoule.integer.arithmetic import wide
from picojoule.integer.lowering.builder import Builder

pytestmark = pytest.mark.skipif(not serves(1.0), reason="this machine does not convolve bytes exactly")


def split(program: Program) -> list[tuple[int, int]] | None:
    """Of each part of a convolution its shift and how many pairs of digits it has."""
    layer, parts = program.operations[-1], (program.constants[f"layer.{part}"] for part in ("weights", "bias"))
    found = wide.layer(layer, program.input.type, *parts)
    return None if found is None else [(part.shift, len(part.pairs)) for part in found.parts]  # type: ignore[attr-defined]


def conv(weights: Tensor, bias: int, low: int, high: int) -> Program:
    """One convolution over two dimensions, padded by one, on [c, 4, 3]."""
    made = Builder()
    shape = [weights.shape[1], 4, 3]
    image = made.emit("input", "input", (), shape=shape, low=low, high=high, exponent=0, sign=False)
    stored = Constant(weights, 54, "signed"), Constant(torch.full((len(weights),), bias), 54, "signed")
    how = {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1}
    return made.program(made.emit("layer", "conv2d", (image,), *stored, exponents=[0], **how))


def codes_of(program: Program) -> Tensor:
    """Codes at the ends, and between them."""
    own, random = program.input.type, torch.Generator().manual_seed(0)
    codes = torch.randint(own.low, own.high + 1, (5, *own.shape), generator=random)
    codes[0], codes[1] = own.low, own.high
    codes[2] = torch.where(codes[2] % 2 == 0, own.low, own.high)
    return codes


@given(layers.cases(most_bits=16, most_bias=2**38))
@settings(max_examples=300)
def test_layers_are_the_direct_ones(case: tuple[Program, Tensor]) -> None:
    program, codes = case
    assert torch.equal(Interpreter(program).run(codes), layers.direct(program, codes))


FOUR = [(0, 1), (8, 2), (16, 1)]
THREE_DIGITS = [(0, 1), (8, 2), (16, 2), (24, 1)]


@pytest.mark.parametrize(
    ("largest", "low", "high", "expected"),
    [
        (32639, 0, 65535, FOUR),
        (-32768, 0, 65535, FOUR),
        (32640, 0, 65535, THREE_DIGITS),  # 128 · 256 - 128: one more than two digits hold
        (32639, -32768, 32767, FOUR),
        (32639, 0, 255, [(0, 1), (8, 1)]),
        (100, 0, 65535, [(0, 1), (8, 1)]),
        (32639, 0, 2**24 - 1, [(0, 1), (8, 2), (16, 2), (24, 1)]),
        (32639, 0, 2**24, None),  # inputs of 25 bits
        (5, 0, 255, None),  # float32 holds the sums
    ],
)
def test_how_many_digits(largest: int, low: int, high: int, expected: list[tuple[int, int]] | None) -> None:
    weights = torch.randint(-abs(largest), abs(largest) + 1, (3, 2, 3, 3)).clamp(max=max(largest, 0))
    weights[0, 0, 0, 0] = largest
    program = conv(weights, 77, low, high)
    assert split(program) == expected
    codes = codes_of(program)
    assert torch.equal(Interpreter(program).run(codes), layers.direct(program, codes))


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (57, [(0, 1), (8, 1)]),  # 9 · 57 · 127 · 255 is below 2^24
        (58, [(0, 1), (6, 1), (12, 1)]),
        (7400, None),  # more products than bytes add up in 32 bits
    ],
)
def test_sums_of_digits_at_the_edge_of_float32(channels: int, expected: list[tuple[int, int]] | None) -> None:
    """Every weight is the largest digit: inputs of fewer bits at a time, or floats of 64 bits."""
    program = conv(torch.full((1, channels, 3, 3), 127), 0, 0, 65535)
    assert split(program) == expected
    codes = codes_of(program)
    assert torch.equal(Interpreter(program).run(codes), layers.direct(program, codes))


@pytest.mark.parametrize("bias", [0, 127, 128, -129, 2**23, -(2**24), 2**38, 2**45, 2**50])
def test_biases_of_any_size(bias: int) -> None:
    """Cut as sums are; one that is too large for its part leaves the layer to float64."""
    program = conv(torch.full((2, 1, 3, 3), -30000), bias, 0, 65535)
    assert (split(program) is None) == (abs(bias) > 2**45)
    codes = codes_of(program)
    assert torch.equal(Interpreter(program).run(codes), layers.direct(program, codes))


def test_machines_that_do_not_convolve_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "serves", lambda _: False)
    program = conv(torch.full((2, 1, 3, 3), -30000), 5, 0, 65535)
    assert split(program) is None
    codes = codes_of(program)
    assert torch.equal(Interpreter(program).run(codes), layers.direct(program, codes))
