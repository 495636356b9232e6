"""Layers digit by digit and by popcount against whole numbers, and against the interpreter's floats on networks."""

from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from tests.integer import layers, nets
from torch import Tensor

from picojoule.errors import InputError
from picojoule.integer import Constant, Interpreter, Program, lower
from picojoule.integer.arithmetic import bitserial, popcount
from picojoule.integer.lowering.builder import Builder

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


@given(layers.cases())
@settings(max_examples=300)
def test_layers_are_the_direct_ones(case: tuple[Program, Tensor]) -> None:
    program, codes = case
    found = Interpreter(program, arithmetic="datapath").run(codes)
    assert found.dtype == torch.int64
    assert torch.equal(found, layers.direct(program, codes))


@pytest.mark.parametrize("formats", [nets.FORMATS, ("binary",), ("binary", "fixed1", "fixed8")])
@pytest.mark.parametrize("seed", range(12))
def test_networks_are_the_interpreters(seed: int, formats: tuple[str, ...]) -> None:
    program = lower(*nets.case(seed, formats))
    codes = program.encode(torch.randn(9, *nets.SHAPE, generator=torch.Generator().manual_seed(seed)))
    assert torch.equal(Interpreter(program, arithmetic="datapath").run(codes), Interpreter(program).run(codes))


def dense(weights: Constant, low: int, high: int, sign: bool = False) -> Program:
    made = Builder()
    shape = [weights.values.shape[1]]
    image = made.emit("input", "input", (), shape=shape, low=low, high=high, exponent=0, sign=sign)
    bias = Constant(torch.zeros(len(weights.values), dtype=torch.int64), 2, "signed")
    return made.program(made.emit("fc", "linear", (image,), weights, bias, exponents=[0]))


SIGNS = Constant(torch.tensor([[1, -1]]), 1, "sign")


@pytest.mark.parametrize(
    ("weights", "low", "high", "by", "bits"),
    [
        (SIGNS, -1, 1, "popcount.trits_dot", {}),
        (SIGNS, 0, 1, "popcount.trits_dot", {}),
        (SIGNS, 0, 255, "popcount.dot", {"input_bits": 8, "signed": False}),
        (SIGNS, -8, 7, "popcount.dot", {"input_bits": 4, "signed": True}),
        (Constant(torch.tensor([[7, -8]]), 4, "signed"), 0, 255, "bitserial.dot",
         {"input_bits": 8, "digit_bits": 4, "signed": False}),
        (Constant(torch.tensor([[15, 1]]), 4, "unsigned"), -2, 1, "bitserial.dot",
         {"input_bits": 2, "digit_bits": 4, "signed": True}),
    ],
)  # fmt: skip
def test_which_datapath(weights: Constant, low: int, high: int, by: str, bits: dict[str, int]) -> None:
    """As narrow as weights and inputs are."""
    module, name = by.split(".")
    owner = {"popcount": popcount, "bitserial": bitserial}[module]
    codes = torch.tensor([[high, low], [low, high]])
    with patch.object(owner, name, wraps=getattr(owner, name)) as spy:
        found = Interpreter(dense(weights, low, high), arithmetic="datapath").run(codes)
    (call,) = spy.call_args_list
    assert {key: call.kwargs[key] for key in bits} == bits
    assert torch.equal(found, codes @ weights.values.t())


@pytest.mark.parametrize("weights", [SIGNS, Constant(torch.tensor([[3, -5]]), 4, "signed")])
def test_inputs_wider_than_any_datapath(weights: Constant) -> None:
    codes = torch.tensor([[2**16, -(2**16)], [2**16 - 1, 2**16]])
    found = Interpreter(dense(weights, -(2**16), 2**16), arithmetic="datapath").run(codes)
    assert torch.equal(found, codes @ weights.values.t())


def test_a_zero_among_signs_counts_for_nothing() -> None:
    """As padding does, which is no sign."""
    made = Builder()
    image = made.emit("input", "input", (), shape=[1, 2], low=-1, high=1, exponent=0, sign=True)
    padded = made.emit("pad", "pad", (image,), pad=[1, 17])
    stored = Constant(torch.tensor([[[1, -1, 1, 1]]]), 1, "sign"), Constant(torch.tensor([10]), 54, "signed")
    how = {"stride": [1], "padding": [2], "dilation": [1], "groups": 1}
    program = made.program(made.emit("layer", "conv1d", (padded,), *stored, exponents=[0], **how))
    codes = torch.tensor([[[1, 1]], [[-1, 1]]])
    found = Interpreter(program, arithmetic="datapath").run(codes)
    assert found[:, 0, :6].tolist() == [[11, 12, 10, 10, 11, 10], [9, 10, 12, 8, 11, 10]]
    assert found[:, 0, 6:].unique().tolist() == [10]


def test_an_unknown_arithmetic() -> None:
    with pytest.raises(InputError, match=r"^arithmetic 'analog' is unknown; give float or datapath$"):
        Interpreter(dense(SIGNS, -1, 1), arithmetic="analog")  # type: ignore[arg-type]
