"""Random layers of every kind, as programs of one layer, with codes for them that lie at the ends as often as not."""

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from picojoule.integer import Constant, Program
from picojoule.integer.lowering.builder import Builder


@st.composite
def cases(draw: st.DrawFn, most_bits: int = 9, most_bias: int = 999) -> tuple[Program, Tensor]:
    """A layer whose weights and inputs have up to so many bits, and codes for it."""
    kind = draw(st.sampled_from(["linear", "conv1d", "conv2d"]))
    sides = {"linear": 0, "conv1d": 1, "conv2d": 2}[kind]
    groups = draw(st.sampled_from([1, 1, 2, 3])) if sides else 1
    inputs, outputs = draw(st.integers(1, 20 if groups == 1 else 3)), groups * draw(st.integers(1, 3))
    kernel, stride, padding, dilation = (
        [draw(st.integers(low, high)) for _ in range(sides)] for low, high in ((1, 3), (1, 3), (0, 2), (1, 2))
    )
    sizes = [d * (k - 1) + draw(st.integers(1, 4)) for d, k in zip(dilation, kernel, strict=True)]
    rows = draw(st.sampled_from([[], [2]])) if kind == "linear" else []
    random = torch.Generator().manual_seed(draw(st.integers(0, 99)))

    form = draw(st.sampled_from(["sign", "sign", "signed", "unsigned"]))
    bits = 1 if form == "sign" else draw(st.integers(1, most_bits))
    ends = (
        (-1, 1)
        if form == "sign"
        else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        if form == "signed"
        else (0, 2**bits - 1)
    )
    weights = _codes(random, (outputs, inputs, *kernel), *ends, step=2 if form == "sign" else 1)
    bias = torch.randint(-most_bias, most_bias + 1, (outputs,), generator=random)

    signs = draw(st.booleans())
    low, high = (-1, 1) if signs else draw(st.sampled_from(_ranges(draw(st.integers(1, most_bits)))))
    shape = [*rows, inputs * groups, *sizes]
    made = Builder()
    image = made.emit("input", "input", (), shape=shape, low=low, high=high, exponent=0, sign=signs)
    how = {} if kind == "linear" else {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    stored = Constant(weights, bits, form), Constant(bias, 54, "signed")
    program = made.program(made.emit("layer", kind, (image,), *stored, exponents=[0], **how))
    return program, _codes(random, (draw(st.integers(0, 3)), *shape), low, high, step=2 if signs else 1)


def _ranges(bits: int) -> list[tuple[int, int]]:
    """Signed, unsigned, and less than all of the codes."""
    half = 1 << (bits - 1)
    return [(-half, half - 1), (0, 2 * half - 1), (-half, half // 3), (-1, 1), (0, 1)]


def _codes(random: torch.Generator, shape: tuple[int, ...], low: int, high: int, step: int) -> Tensor:
    """Multiples of the step from the least on, a half of them at an end."""
    found = low + step * torch.randint(0, (high - low) // step + 1, shape, generator=random)
    ends = torch.where(torch.rand(shape, generator=random) < 0.5, low, high)
    return torch.where(torch.rand(shape, generator=random) < 0.5, ends, found)


def direct(program: Program, codes: Tensor) -> Tensor:
    """A layer's sums by torch's own operations on int64, where it has them, which know nothing of a program's."""
    layer, weights, bias = (
        program.operations[-1], program.constants["layer.weights"].values, program.constants["layer.bias"].values,
    )  # fmt: skip
    if layer.kind == "linear":
        return codes @ weights.t() + bias
    function = functional.conv1d if layer.kind == "conv1d" else functional.conv2d
    how = layer.args
    return function(codes, weights, bias, how["stride"], how["padding"], how["dilation"], how["groups"])
