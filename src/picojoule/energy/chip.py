"""The parts of a chip, one class per table of a platform's file, and how a datapath runs operands of given widths.

A datapath says at how many bits it multiplies, and in how many passes. Memories are no part of that: they always
charge each operand its own bits. A float32 layer runs no integer datapath: `FLOAT32` is its run on every platform; the
other floats run as wide as the wider operand, in one pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from picojoule.energy.curves import HIGHEST_EXPONENT, Curve, Power, Table, read_curve
from picojoule.files import Fields


@dataclass(frozen=True)
class Run:
    """One layer on one datapath: `passes` MACs of `bits` bits for each MAC of the layer.

    Each pass fetches one weight and `input_bits` bits of the input. `bits` need not be whole (`product`).
    """

    bits: float
    passes: int
    input_bits: int


FLOAT32 = Run(bits=32, passes=1, input_bits=32)


def serial(weight_bits: int, input_bits: int) -> Run:
    """As wide as the weights; a wider input runs digit by digit. For the layer that reads the image (`[input] passes`).

    An input of M bits is M/Q digits of Q bits, rounded up, each of them a full MAC. A narrower weight can so cost
    more: 5-bit inputs take one pass at 5-bit weights and two at 4-bit ones.
    Source: Moons et al., arXiv 1711.00215, section on the first layer: `s = Σ_k 2^(Q·k)·(x^k·w_Q)`.
    """
    return Run(weight_bits, -(-input_bits // weight_bits), min(weight_bits, input_bits))


def common(weight_bits: int, input_bits: int) -> Run:
    """As wide as the wider operand, in one pass: a subword-parallel datapath (Moons, Envision, ISSCC 2017)."""
    return Run(max(weight_bits, input_bits), 1, input_bits)


def product(weight_bits: int, input_bits: int) -> Run:
    """As wide as the geometric mean of both widths, in one pass: a multiplier that scales each operand by itself."""
    return Run((weight_bits * input_bits) ** 0.5, 1, input_bits)


DATAPATHS: dict[str, Callable[[int, int], Run]] = {"common": common, "product": product}


@dataclass(frozen=True)
class Mac:
    """`[mac]`: pJ per multiply-accumulate by bits, the datapath, and the MACs that each output costs on top."""

    curve: Curve
    datapath: str
    per_output: float  # BatchNorm, bias and activation

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(read_curve(fields), fields.text("datapath", tuple(DATAPATHS)), fields.number("per_output", 0, 1e3))


@dataclass(frozen=True)
class Float:
    """`[float]`: what floats of up to 16 bits cost, by power laws through two published points each.

    A multiply goes by the bits of the significands, an add by the bits of the sum.
    """

    multiply: Power
    add: Power
    sum_bits: int  # of a sum, at least

    @classmethod
    def read(cls, fields: Fields) -> Self:
        multiply, add = (_through_two_points(fields.table(key)) for key in ("multiply", "add"))
        return cls(multiply, add, fields.integer("sum_bits", 1, 64))

    def mac_pj(self, significand_bits: int, bits: int) -> float:
        """pJ of one multiply-accumulate of operands of so many bits, the sum as wide as them or as `sum_bits`."""
        return self.multiply(significand_bits) + self.add(max(bits, self.sum_bits))


def _through_two_points(fields: Fields) -> Power:
    points = Table.read(fields)
    if len(points.bits) != 2:
        fields.fail(f"key 'bits' has {len(points.bits)} members, expected the two points of a power law")
    law = Power.through(points)
    if law.exponent > HIGHEST_EXPONENT:
        fields.fail(f"key 'pj' rises by the power {law.exponent:.3g} of the bits, expected at most {HIGHEST_EXPONENT}")
    fields.finish()
    return law


@dataclass(frozen=True)
class Local:
    """`[local]`: pJ per word of the memory beside each MAC unit, and the accesses of each operand per MAC."""

    curve: Curve
    weights: float
    inputs: float
    sums: float
    sum_bits: int

    @classmethod
    def read(cls, fields: Fields) -> Self:
        weights, inputs, sums = (fields.number(key, 0, 1e3) for key in ("weights", "inputs", "sums"))
        return cls(read_curve(fields), weights, inputs, sums, fields.integer("sum_bits", 1, 64))


@dataclass(frozen=True)
class Array:
    """`[array]`: `units` MAC units of `bits` bits, which split into `units·bits/Q` of Q bits."""

    units: int
    bits: int
    sharing: str  # "square" or "none"

    @classmethod
    def read(cls, fields: Fields) -> Self:
        units, bits = fields.integer("units", 1, 2**30), fields.integer("bits", 1, 64)
        return cls(units, bits, fields.text("sharing", ("square", "none")))

    def shared_by(self, bits: float) -> float:
        """How many units each locally fetched operand serves: √p in a square array of p, never below 1."""
        return max(1.0, self.units * self.bits / bits) ** 0.5 if self.sharing == "square" else 1.0


@dataclass(frozen=True)
class Image:
    """`[input]`: bits per element of the network's input in DRAM; whether the layer that reads it runs in passes."""

    bits: int
    passes: bool

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(fields.integer("bits", 1, 64), fields.boolean("passes"))


@dataclass(frozen=True)
class Capacity:
    """`[capacity]`: bits on chip for all weights together, and for the outputs of one layer."""

    weight_bits: int
    activation_bits: int

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(fields.integer("weight_bits", 0), fields.integer("activation_bits", 0))
