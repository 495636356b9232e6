"""An ONNX graph in floating point whose numbers stay whole, as it is written: what the dialects have in common.

A value stands there as the number that its codes stand for, times its divisor: a whole number of at most 24 bits times
a power of two, which float32 holds, adds and multiplies exactly. What has more bits is in float64 until it is rounded,
where a dialect has that, or refused. Dialects differ in how they write what rounds: activations and weights.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from picojoule.integer.program import Operation, Program
from picojoule.integer.types import Constant, Type


class GraphWriter(ABC):
    """The nodes and stored tensors of one program. A new dialect says how rounding and weights look."""

    opset: ClassVar[int]
    ir_version: ClassVar[int]
    domains: ClassVar[Mapping[str, int]] = {}
    batch: ClassVar[str | int] = "n"
    doubles: ClassVar[bool] = False
    """Whether what float32 does not hold may be in float64."""

    def __init__(self, program: Program, odd: Mapping[str, int]) -> None:
        """`odd` are the sums that are rounded to odd, with the bits that may go."""
        self.program, self.odd = program, odd
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[onnx.TensorProto] = []
        self._numbers: dict[tuple[float, type], str] = {}
        self._kind: type = np.float32
        self._taken = {"", "input", "output"}

    @abstractmethod
    def rounded(self, x: str, name: str, type: Type) -> str:
        """What rounds a value to whole multiples of a power of two within bounds, half to even."""

    @abstractmethod
    def signs(self, x: str, name: str, type: Type) -> str:
        """What makes a power of two of a value, with its sign; of zero the positive one."""

    @abstractmethod
    def weights(self, name: str, constant: Constant, exponents: Sequence[int], axis: int) -> str:
        """A layer's weights, with its output channels along an axis."""

    def node(self, kind: str, reads: Sequence[str], name: str, domain: str = "", **attributes: Any) -> str:
        """Append a node with one result, by the node's name, which is made to differ from others."""
        name = self._free(name, ".value")
        self.nodes.append(helper.make_node(kind, [*reads], [name], name=name, domain=domain, **attributes))
        return name

    @property
    def in_doubles(self) -> bool:
        """Whether numbers are being stored in float64."""
        return self._kind is np.float64

    @contextmanager
    def doubles_written(self, wide: bool = True) -> Iterator[None]:
        """Within, numbers are stored in float64, where that is so."""
        before, self._kind = self._kind, np.float64 if wide else np.float32
        yield
        self._kind = before

    def held(self, x: str) -> str:
        """A value of float32 in the numbers that are being written."""
        return self.node("Cast", [x], f"{x}.wide", to=TensorProto.DOUBLE) if self.in_doubles else x

    def narrowed(self, x: str) -> str:
        """A value of float64 that float32 holds too, in float32."""
        return self.node("Cast", [x], f"{x}.narrow", to=TensorProto.FLOAT)

    def bias(self, operation: Operation, sides: int = 0) -> str:
        """Store a layer's bias as the numbers that its codes stand for, with sides to be added to behind channels."""
        read = self.program.by_name[operation.reads[0]].type
        exponents = [read.exponents[0] + each for each in operation.args["exponents"]]
        codes = self.program.constants[f"{operation.name}.bias"].values.double().numpy()
        values = codes * np.exp2(np.array(exponents, np.float64))
        return self.array(values.reshape(-1, *[1] * sides), f"{operation.name}.bias")

    def array(self, values: Any, name: str, kind: type | None = None) -> str:
        """Store numbers under a name, in the type that is being written unless another is given."""
        return self.tensor(numpy_helper.from_array(np.asarray(values, kind or self._kind), name))

    def tensor(self, stored: onnx.TensorProto) -> str:
        """Store a tensor under its own name, which is made to differ from others."""
        stored.name = self._free(stored.name, ".stored")
        self.stored.append(stored)
        return str(stored.name)

    def number(self, value: float) -> str:
        """Store one number, once for all who use it."""
        key = float(value), self._kind
        if key not in self._numbers:
            self._numbers[key] = self.array(value, f"number.{key[0].hex()}")
        return self._numbers[key]

    def step(self, type: Type) -> str:
        """Store what one code of a value stands for."""
        return self.number(2.0 ** type.exponents[0])

    def clipped(self, x: str, name: str, type: Type, low: int, high: int) -> str:
        """A value within a type's bounds, where these are not the given codes, at which what rounds it saturates."""
        if (type.low, type.high) == (low, high):
            return x
        ends = [self.number(end * 2.0 ** type.exponents[0]) for end in (type.low, type.high)]
        return self.node("Clip", [x, *ends], f"{name}.clipped")

    def _free(self, name: str, suffix: str) -> str:
        while name in self._taken:
            name += suffix
        self._taken.add(name)
        return name


def ends_of(bits: int, signed: bool) -> tuple[int, int]:
    """The least and the largest whole number of so many bits."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
