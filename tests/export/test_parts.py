"""Convolutions whose sums leave float32: the digits they are split into, and ONNX Runtime on what is written."""

import pytest
import torch
from tests import needs
from tests.export import engines
from tests.export.test_onnx import written

from picojoule.errors import InputError
from picojoule.export.writers import parts
from picojoule.integer import Program
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.types import Constant

MOST = 2**15 - 1


def convolved(made: Builder, shape: list[int], weights: list[int], bits: int, **args: object) -> str:
    """One convolution of 16-bit codes by random weights of so many bits, with exponents by channel, called `conv`."""
    sides, draw = len(shape) - 1, torch.Generator().manual_seed(0)
    image = made.emit("input", "input", (), shape=shape, low=-MOST - 1, high=MOST, exponent=-4, sign=False)
    codes = torch.randint(-(2 ** (bits - 1)), 2 ** (bits - 1), weights, generator=draw)
    bias = torch.randint(-(2**30), 2**30, weights[:1], generator=draw)
    stored = Constant(codes, bits, "signed"), Constant(bias, 32, "signed")
    usual = {"stride": [1] * sides, "padding": [0] * sides, "dilation": [1] * sides, "groups": 1}
    exponents = [-(each % 3) for each in range(weights[0])]
    return made.emit("conv", f"conv{sides}d", (image,), *stored, **usual | args, exponents=exponents)


def convolution(shape: list[int], weights: list[int], bits: int, **args: object) -> Program:
    """That alone."""
    made = Builder()
    return made.program(made.aligned(convolved(made, shape, weights, bits, **args)))


class TestParts:
    @pytest.mark.parametrize(
        ("weights", "low", "high", "count"),
        [([2**12], 0, 2**12, 1), ([2**12, 1], 0, 2**12, 2), ([MOST], 0, 2**16 - 1, 2), ([21845] * 64, 0, 2**16 - 1, 4)],
    )
    def test_there_are_as_few_as_prove_exact(self, weights: list[int], low: int, high: int, count: int) -> None:
        program = engines.convolution(weights, low, high)
        found = parts.parts_of(program, program.by_name["conv"])
        assert found is not None
        assert len(found.weights) * found.read_digits == count

    @pytest.mark.parametrize("bits", [9, 12, 16])
    def test_digits_add_up_and_their_sums_are_bounded(self, bits: int) -> None:
        program = convolution([40, 3, 3], [2, 40, 3, 3], bits)
        found = parts.parts_of(program, program.by_name["conv"])
        assert found is not None
        whole = sum(digit << (found.weight_bits * place) for place, digit in enumerate(found.weights))
        assert torch.equal(torch.as_tensor(whole), program.constants["conv.weights"].values)
        x, largest = torch.arange(-MOST - 1, MOST + 1), 0
        for _ in range(found.read_digits - 1):
            higher = (x / 2**found.read_bits).round().long()
            largest, x = max(largest, int((x - higher * 2**found.read_bits).abs().max())), higher
        largest = max(largest, int(x.abs().max()))
        assert max(int(digit.flatten(1).abs().sum(1).max()) for digit in found.weights) * largest <= 2**24

    def test_too_many_are_refused_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        needs.packages("onnx")
        program = engines.convolution([21845] * 64, 0, 2**16 - 1)
        assert written(program)
        monkeypatch.setattr(parts, "MOST_PARTS", 3)
        told = (
            "^'conv' has sums of up to 38 bits, and more than 3 convolutions in float32 add up to them; give that layer"
        )
        with pytest.raises(InputError, match=told):
            written(program)


@pytest.mark.parametrize("engine", engines.RUNTIMES)
class TestEngines:
    @pytest.mark.parametrize(
        "program",
        [
            convolution([3, 9, 8], [4, 3, 3, 3], 16, padding=[1, 1], stride=[2, 1]),
            convolution([64, 5, 5], [8, 64, 3, 3], 16),
            convolution([4, 9, 8], [8, 2, 3, 2], 13, groups=2, dilation=[2, 3]),
            convolution([6, 8, 8], [6, 1, 3, 3], 16, groups=6, padding=[1, 1]),
            convolution([5, 20], [3, 5, 7], 11, padding=[3]),
        ],
        ids=["padded", "wide", "grouped", "depthwise", "one-dimensional"],
    )
    def test_convolutions(self, engine: str, program: Program) -> None:
        needs.packages("onnx", "onnxruntime")
        assert program.by_name["conv"].largest_sum > 2**24
        assert engines.mismatches(program, engine, engines.hard(program, 10)) == 0

    def test_at_the_ends_of_codes(self, engine: str) -> None:
        needs.packages("onnx", "onnxruntime")
        program = engines.convolution([MOST] * 8, -MOST - 1, MOST)
        ends = torch.tensor([-MOST - 1.0, MOST, MOST - 1, -128, 128, 255, -1])
        x = torch.cartesian_prod(*[ends] * 3).repeat(1, 3)[:, :8, None]
        assert engines.mismatches(program, engine, x) == 0

    def test_windows_over_float64(self, engine: str) -> None:
        """Sums of 40 bits with an exponent for each channel, means over windows of them, then rounded."""
        needs.packages("onnx", "onnxruntime")
        made = Builder()
        sums = convolved(made, [64, 9, 9], [3, 64, 3, 3], 16)
        args = {"kernel": [2, 3], "stride": [2, 2], "padding": [1, 0], "count": 6}
        mean = made.emit("mean", "sum_pool", (made.emit("relu", "clamp", (sums,), low=[0] * 3, high=None),), **args)
        site = made.emit("site", "requantise", (mean,), low=0, high=2**16 - 1, exponent=12)
        for program in (made.program(made.aligned(mean)), made.program(site)):
            assert engines.mismatches(program, engine, engines.hard(program, 10)) == 0

    @pytest.mark.parametrize("high", [None, 2**20])
    def test_signs_of_what_a_rectifier_leaves(self, engine: str, high: int | None) -> None:
        """ONNX Runtime would merge Relu and Clip, and fails to in float64; a bound leads back to float32."""
        needs.packages("onnx", "onnxruntime")
        made = Builder()
        sums = made.aligned(convolved(made, [3, 9, 8], [4, 3, 3, 3], 16))
        relu = made.emit("relu", "clamp", (sums,), low=[0], high=None if high is None else [high])
        args = {"kernel": [2, 2], "stride": [1, 1], "padding": [0, 0], "count": 4}
        mean = made.emit("mean", "sum_pool", (relu,), **args)
        for value in (relu, mean):
            site = made.program(made.emit(f"{value}.sign", "sign", (value,), exponent=-1))
            assert engines.mismatches(site, engine, engines.hard(site, 10)) == 0
