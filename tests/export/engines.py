"""Engines for exported files, held to the interpreter; absent ones skip a test, or fail it if all are required."""

import torch
from tests.integer import nets
from torch import Tensor

from picojoule.integer import Program, lower
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.types import Constant
from picojoule.verify.engines import engines, interpreter
from picojoule.verify.inputs import adversarial
from picojoule.verify.verify import differing

RUNTIMES = ("onnxruntime", "onnxruntime, not optimised")
NARROW = nets.NARROW


def random_program(seed: int) -> Program:
    return lower(*nets.case(seed, NARROW))


def curved_program(seed: int) -> Program:
    """One with tables in it."""
    return lower(*nets.case(seed, NARROW, curved=True))


def hard(program: Program, count: int = 4) -> Tensor:
    return torch.cat([*adversarial(program, count).values()])


def mismatches(program: Program, engine: str, x: Tensor) -> int:
    """How many outputs of an engine are not the interpreter's."""
    found = engines(None, program)[engine]()(x)  # type: ignore[arg-type]  # the network is not run
    return differing(found, interpreter(program)(x), program.output_type)


def dense(weights: list[list[int]], bias: list[int], low: int, high: int) -> Program:
    """One layer on codes, called `fc`."""
    made = Builder()
    image = made.emit("input", "input", (), shape=[len(weights[0])], low=low, high=high, exponent=0, sign=False)
    stored = Constant(torch.tensor(weights), 16, "signed"), Constant(torch.tensor(bias), 54, "signed")
    return made.program(made.emit("fc", "linear", (image,), *stored, exponents=[0]))


def convolution(weights: list[int], low: int, high: int) -> Program:
    """One convolution of one window on codes, called `conv`."""
    made = Builder()
    image = made.emit("input", "input", (), shape=[len(weights), 1], low=low, high=high, exponent=0, sign=False)
    stored = Constant(torch.tensor(weights)[None, :, None], 16, "signed"), Constant(torch.zeros(1).long(), 2, "signed")
    args = {"stride": [1], "padding": [0], "dilation": [1], "groups": 1, "exponents": [0]}
    return made.program(made.emit("conv", "conv1d", (image,), *stored, **args))
