"""Means whose sums leave float32, in the dialect that has nothing wider: on every tie, and one code beside it."""

import pytest
import torch
from tests import needs
from tests.export import engines
from torch import Tensor

from picojoule.errors import InputError
from picojoule.export import exporters
from picojoule.export.writers.means import rounded_to_odd
from picojoule.integer import Program
from picojoule.integer.lowering.builder import Builder

SIDE = 32


def averaged(kind: str, low: int, exponent: int, bits: int = 16) -> Program:
    """The mean of 1024 codes from `low` on, rounded to 8 bits, or its sign taken where there are none to round to."""
    made = Builder()
    ends = {"low": low, "high": low + 2**bits - 1}
    image = made.emit("input", "input", (), shape=[1, SIDE, SIDE], **ends, exponent=0, sign=False)
    if kind == "sum":
        mean = made.emit("mean", "sum", (image,), dims=[2, 3], keep=False, count=SIDE**2)
    else:
        args = {"kernel": [SIDE] * 2, "stride": [SIDE] * 2, "padding": [0, 0], "count": SIDE**2}
        mean = made.emit("flat", "reshape", (made.emit("mean", "sum_pool", (image,), **args),), shape=[1])
    if kind == "sign":
        return made.program(made.emit("site", "sign", (mean,), exponent=exponent))
    return made.program(made.emit("site", "requantise", (mean,), low=-128, high=127, exponent=exponent))


def of_sums(sums: Tensor) -> Tensor:
    """An image for each whole number, whose pixels add up to it."""
    count = SIDE**2
    each, more = sums.div(count, rounding_mode="floor"), sums.remainder(count)
    return (each[:, None] + (torch.arange(count) < more[:, None])).reshape(-1, 1, SIDE, SIDE).float()


@pytest.mark.parametrize("kind", ["sum", "sum_pool"])
@pytest.mark.parametrize("low", [0, -(2**15)])
def test_ties_and_what_is_beside_them(kind: str, low: int) -> None:
    needs.packages("onnx", "onnxruntime", "qonnx")
    program = averaged(kind, low, 9)
    assert rounded_to_odd(program)
    step = 2 ** (9 + 10)
    ties = (torch.arange(-64 if low else 0, 64) * step + step // 2)[::5]
    x = of_sums(torch.cat([ties - 1, ties, ties + 1]))
    assert engines.mismatches(program, "qonnx", x) == 0


def test_signs() -> None:
    needs.packages("onnx", "onnxruntime", "qonnx")
    program = averaged("sign", -(2**15), 0)
    sums = torch.tensor([-(2**25), -(2**24) - 1, -33, -32, -31, -1, 0, 1, 31, 2**24 + 1, 2**25 - 2**10])
    assert engines.mismatches(program, "qonnx", of_sums(sums)) == 0


def test_what_float32_holds_is_summed_at_once() -> None:
    assert not rounded_to_odd(averaged("sum", 0, 0, bits=14))


def test_half_a_step_must_reach_the_bits_that_are_left() -> None:
    """Of 26 bits 4 go."""
    needs.packages("onnx", "onnxruntime", "qonnx")
    fits, more = averaged("sum", 0, -5), averaged("sum", 0, -6)
    assert rounded_to_odd(fits) == {"mean": 4}
    ties = torch.arange(0, 130) * 32 + 16
    assert engines.mismatches(fits, "qonnx", of_sums(torch.cat([ties - 1, ties, ties + 1]))) == 0
    with pytest.raises(InputError, match=r"^'mean' has sums of up to 27 bits, and engines for ONNX compute in float32"):
        exporters()["qonnx"].files(more)


def test_what_is_not_rounded_is_refused() -> None:
    needs.packages("onnx")
    made = Builder()
    image = made.emit("input", "input", (), shape=[1, 1024], low=0, high=65535, exponent=0, sign=False)
    mean = made.emit("mean", "sum", (image,), dims=[2], keep=False, count=1024)
    with pytest.raises(InputError, match=r"^'mean' has sums of up to 27 bits"):
        exporters()["qonnx"].files(made.program(mean))
