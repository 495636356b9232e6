"""Bytes stand for the very numbers that a format rounds to, wherever a grid fits into bytes."""

import pytest
import torch

from picojoule.calibration import Range
from picojoule.execute.codes import Codes, encode, grid_of
from picojoule.formats import parse
from picojoule.quantize import Choice


def values() -> torch.Tensor:
    """Numbers of all sizes, and every midpoint of eighths and of 64ths."""
    random = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0)).flatten()
    ties = torch.arange(-300, 300) / 128
    special = torch.tensor([0.0, -0.0, 1e30, -1e30, float("inf"), -float("inf"), 1e-30])
    return torch.cat([random, random * 100, ties, special])


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("exponent", [-90, -3, 0, 5, 90])
@pytest.mark.parametrize("bits", range(1, 9))
def test_bytes_are_what_the_format_rounds_to(bits: int, exponent: int, signed: bool) -> None:
    choice = Choice(parse(f"fixed{bits}"), Range((exponent,), signed))
    grid = grid_of(choice)
    assert grid is not None
    assert (grid.low, grid.high) == ((-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1))
    x = values() * 2.0**exponent if abs(exponent) < 90 else values().clamp(-4, 4) * 2.0**exponent
    codes = encode(x, grid)
    assert codes.bytes.dtype == torch.uint8
    assert torch.equal(codes.values(), choice.quantize(x))


@pytest.mark.parametrize("channels_last", [False, True])
def test_bytes_lie_in_memory_as_the_numbers_did(channels_last: bool) -> None:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(3, 4, 50, 60, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    choice = Choice(parse("fixed5"), Range((1,), signed=True))
    grid = grid_of(choice)
    assert grid is not None
    codes = encode(x, grid)
    assert codes.bytes.stride() == x.stride()
    assert codes.values().stride() == x.stride()
    assert torch.equal(codes.values(), choice.quantize(x))


@pytest.mark.parametrize(
    ("text", "exponents"), [("fixed9", (0,)), ("binary", (0,)), ("float32", (0,)), ("fixed4", (0, 1))]
)
def test_what_does_not_fit_into_bytes(text: str, exponents: tuple[int, ...]) -> None:
    assert grid_of(Choice(parse(text), Range(exponents, signed=True))) is None


def test_a_codebook_goes_by_its_own_rule_even_where_its_steps_are_equal() -> None:
    """Of members 2 and 3 steps from zero, the one midway goes to the greater, and not to the even."""
    book = parse("lut2").with_members((0.5, 0.75))
    choice = Choice(book, Range((0,), False, (), (0.5, 0.75)))
    assert choice.quantize(torch.tensor([0.625])).tolist() == [0.75]
    assert grid_of(choice) is None


def test_moving_elements_moves_bytes() -> None:
    codes = Codes(torch.arange(6, dtype=torch.uint8).reshape(2, 3), 0.5, 2)
    assert torch.equal(codes.moved(torch.t).values(), codes.values().t())


def test_a_choice_rounds_each_channel_at_its_own_exponent() -> None:
    x = torch.tensor([[0.3, -0.3], [3.0, -3.0]])
    choice = Choice(parse("fixed3"), Range((-1, 2), signed=True))
    assert choice.quantize(x).tolist() == [[0.25, -0.25], [3.0, -3.0]]
    out = torch.empty_like(x)
    assert choice.quantize(x, out) is out
