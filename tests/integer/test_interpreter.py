"""Numbers that hold every sum, and no narrower ones; codes that are wrong are refused."""

from fractions import Fraction

import pytest
import torch
from tests.integer import nets

from picojoule.errors import InputError
from picojoule.integer import Interpreter, Program, lower
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.types import Constant

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def dense(weights: list[list[int]], bias: list[int], low: int, high: int) -> Program:
    """One layer on codes."""
    made = Builder()
    image = made.emit("input", "input", (), shape=[len(weights[0])], low=low, high=high, exponent=0, sign=False)
    stored = Constant(torch.tensor(weights), 54, "signed"), Constant(torch.tensor(bias), 54, "signed")
    return made.program(made.emit("fc", "linear", (image,), *stored, exponents=[0]))


def dtypes(program: Program) -> list[torch.dtype]:
    return [step.dtype for step in Interpreter(program)._steps]


@pytest.mark.parametrize(("most", "dtype"), [(2**24, torch.float32), (2**24 + 1, torch.float64)])
def test_a_layer_at_the_edge_of_float32(most: int, dtype: torch.dtype) -> None:
    """Sums of 2^24 are exact in float32; one more is not."""
    program = dense([[1, 1]], [most - 6], 0, 3)
    assert program.by_name["fc"].largest_sum == most
    assert program.by_name["fc"].accumulator_bits == 26
    assert dtypes(program) == [dtype]
    codes = torch.tensor([[3, 3], [3, 2], [0, 0]])
    assert Interpreter(program).run(codes).flatten().tolist() == [most, most - 1, most - 6]


def test_sums_that_cancel_are_held_on_the_way() -> None:
    """The results are small; what is on the way to them is beyond float32."""
    program = dense([[2**24, 1, -(2**24)]], [0], 0, 1)
    assert dtypes(program) == [torch.float64]
    assert Interpreter(program).run(torch.tensor([[1, 1, 1]])).tolist() == [[1]]


def test_a_layer_at_the_edge_of_float64() -> None:
    program = dense([[2**51, -1]], [2**52 - 5], -2, 2)
    codes = torch.tensor([[2, -2], [2, 1], [-2, 2]])
    expected = [2**52 + 2**52 - 5 + 2, 2**53 - 6, -7]
    with pytest.raises(InputError, match="has sums of more than 53 bits"):
        dense([[2**51, -1]], [2**52 - 2], -2, 2)
    assert Interpreter(program).run(codes).flatten().tolist() == expected


@pytest.mark.parametrize("exponent", [-512, -200, -1, 0, 1, 24, 200, 512])
def test_rounding_from_any_exponent_to_any(exponent: int) -> None:
    made = Builder()
    image = made.emit("input", "input", (), shape=[5], low=-3, high=3, exponent=exponent, sign=False)
    program = made.program(made.emit("site", "requantise", (image,), low=-4, high=3, exponent=0))
    codes = torch.tensor([[-3, -1, 0, 1, 3]])
    expected = [min(max(round(code * 2.0 ** max(-300, min(exponent, 300))), -4), 3) for code in codes[0].tolist()]
    assert Interpreter(program).run(codes).tolist() == [expected]


def test_quotients_near_ties() -> None:
    """Thirds of sums, rounded to twos: 2/3 of a step is no tie, 3/3 is one, and goes to even."""
    made = Builder()
    image = made.emit("input", "input", (), shape=[1, 3], low=-64, high=63, exponent=0, sign=False)
    mean = made.emit("mean", "sum", (image,), dims=[2], keep=False, count=3)
    program = made.program(made.emit("site", "requantise", (mean,), low=-32, high=31, exponent=1))
    totals = torch.arange(-90, 91)
    codes = torch.stack([totals // 3, totals // 3, totals - 2 * (totals // 3)], 1)[:, None]
    expected = [min(max(round(Fraction(total, 6)), -32), 31) for total in totals.tolist()]
    assert Interpreter(program).run(codes).flatten().tolist() == expected


@pytest.mark.parametrize("seed", range(4))
def test_an_empty_batch(seed: int) -> None:
    program = lower(*nets.case(seed))
    x = torch.zeros(0, *nets.SHAPE)
    found = Interpreter(program).run(program.encode(x))
    assert tuple(found.shape) == (0, *program.output_type.shape)
    assert found.dtype == torch.int64


def test_a_batch_is_its_samples() -> None:
    program = lower(*nets.case(2))
    codes = program.encode(torch.randn(20, *nets.SHAPE, generator=torch.Generator().manual_seed(0)))
    running = Interpreter(program)
    assert torch.equal(running.run(codes), torch.cat([running.run(each[None]) for each in codes]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.uint16, torch.int16, torch.int32, torch.int64])
def test_codes_may_be_narrow(dtype: torch.dtype) -> None:
    program = dense([[1, 2]], [0], 0, 3)
    assert Interpreter(program).run(torch.tensor([[3, 1]]).to(dtype)).tolist() == [[5]]


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        (torch.tensor([[4, 0]]), "the program takes codes from -2 to 3; encode samples first"),
        (torch.tensor([[0, -3]]), "the program takes codes from -2 to 3; encode samples first"),
        (torch.tensor([[1.0, 0.0]]), "the program takes whole numbers of shape [n, 2]"),
        (torch.tensor([[True, False]]), "the program takes whole numbers of shape [n, 2]"),
        (torch.tensor([[1j, 0]]), "the program takes whole numbers of shape [n, 2]"),
        (torch.tensor([1, 0]), "the program takes whole numbers of shape [n, 2]"),
        (torch.tensor(1), "the program takes whole numbers of shape [n, 2]"),
        (torch.tensor([[1, 0, 1]]), "the program takes whole numbers of shape [n, 2]"),
    ],
)
def test_codes_that_are_wrong(codes: torch.Tensor, told: str) -> None:
    with pytest.raises(InputError) as caught:
        Interpreter(dense([[1, 2]], [0], -2, 3)).run(codes)
    assert str(caught.value) == told


def test_a_zero_is_no_sign() -> None:
    made = Builder()
    image = made.emit("input", "input", (), shape=[2], low=-1, high=1, exponent=0, sign=True)
    with pytest.raises(InputError, match=r"^the program takes the codes -1 and 1; encode samples first$"):
        Interpreter(made.program(image)).run(torch.tensor([[1, 0]]))
