"""Networks as the energy model sees them, made from layer counts alone, and plans for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from picojoule.energy import Platform
from picojoule.network.derive import Layer, Leftover


@dataclass(frozen=True)
class Number:
    """What the energy model asks of a format."""

    bits: int
    arithmetic: str = "fixed"
    with_scales: bool = False

    def __str__(self) -> str:
        return f"{self.arithmetic}{self.bits}"


@dataclass(frozen=True)
class Net:
    layers: tuple[Layer, ...]
    input_count: int
    leftovers: tuple[Leftover, ...] = ()

    def plan(self, bits: Sequence[tuple[int, int]], arithmetic: str = "fixed") -> SimpleNamespace:
        """Each layer's (input bits, weight bits)."""
        formats = {}
        for layer, (inputs, weights) in zip(self.layers, bits, strict=True):
            formats[layer.inputs], formats[layer.weights] = Number(inputs, arithmetic), Number(weights, arithmetic)
        return SimpleNamespace(formats=formats)

    def uniform(self, bits: int, arithmetic: str = "fixed") -> SimpleNamespace:
        return self.plan([(bits, bits)] * len(self.layers), arithmetic)


def chain(*counts: tuple[int, int, int, int, int], leftovers: tuple[Leftover, ...] = ()) -> Net:
    """Layers in a row, each (MACs, weights, biases, inputs, outputs before pooling)."""
    layers = [
        Layer(
            name=f"l{index}",
            kind="linear",
            weights=f"l{index}.weights",
            inputs=f"l{index}.inputs",
            macs=macs,
            weight_count=weights,
            bias_count=biases,
            input_count=inputs,
            output_count=outputs,
            outputs=(f"l{index + 1}.inputs",) if index + 1 < len(counts) else (),
            reads_input=index == 0,
        )
        for index, (macs, weights, biases, inputs, outputs) in enumerate(counts)
    ]
    return Net(tuple(layers), counts[0][3], leftovers)


def conv(inputs: int, outputs: int, side: int, kernel: int, groups: int = 1) -> tuple[int, int, int, int, int]:
    """A convolution's counts without biases: channels in and out, output side, kernel side; stride 1, same size."""
    weights = inputs // groups * outputs * kernel**2
    return weights * side**2, weights, 0, inputs * side**2, outputs * side**2


def dense(inputs: int, outputs: int) -> tuple[int, int, int, int, int]:
    """A dense layer's counts without biases."""
    return inputs * outputs, inputs * outputs, 0, inputs, outputs


def without(text: str, *tables: str) -> str:
    """A platform's text without some of its tables."""
    blocks = text.split("\n\n")
    kept = [block for block in blocks if not any(block.startswith(f"[{table}]") for table in tables)]
    assert len(kept) == len(blocks) - len(tables)
    return "\n\n".join(kept)


def edited(name: str, *edits: tuple[str, str], drop: Sequence[str] = (), add: str = "") -> Platform:
    """A bundled platform with texts replaced, each found exactly once, tables dropped and text added."""
    text = without(Platform.load(name).to_toml(), *drop) + add
    for old, new in edits:
        assert text.count(old) == 1, (old, text.count(old))
        text = text.replace(old, new)
    return Platform.parse(text, "variant")


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The builders of this file, for every test beside it."""
    return SimpleNamespace(chain=chain, conv=conv, dense=dense, edited=edited, without=without, Net=Net, Number=Number)


LENET = (
    (117600, 150, 6, 1024, 4704),
    (240000, 2400, 16, 1176, 1600),
    (48000, 48000, 120, 400, 120),
    (10080, 10080, 84, 120, 84),
    (840, 840, 10, 84, 10),
)


@pytest.fixture(scope="session")
def lenet() -> Net:
    """LeNet-5 on 32x32 images."""
    return chain(*LENET)
