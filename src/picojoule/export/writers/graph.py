"""A program as an ONNX graph in floating point whose numbers stay whole: what the dialects have in common.

A value stands there as the number that its codes stand for, times its divisor: a whole number of at most 24 bits times
a power of two, which float32 holds, adds and multiplies exactly. What has more bits is in float64 until it is rounded,
where a dialect has that, or refused. Dialects differ in how they write what rounds: activations and weights.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from picojoule.export.writers.exactness import EXACT, check_exact, divides_exactly, largest
from picojoule.export.writers.operations import WRITE
from picojoule.integer.program import Operation, Program
from picojoule.integer.types import Constant, Type


class GraphWriter(ABC):
    """Writes one program as one model. A new dialect says how rounding and weights look."""

    opset: ClassVar[int]
    ir_version: ClassVar[int]
    domains: ClassVar[Mapping[str, int]] = {}
    batch: ClassVar[str | int] = "n"
    doubles: ClassVar[bool] = False
    """Whether what float32 does not hold may be in float64, but for convolutions."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._nodes: list[onnx.NodeProto] = []
        self._stored: list[onnx.TensorProto] = []
        self._values: dict[str, str] = {}
        self._numbers: dict[tuple[float, type], str] = {}
        self._kind: type = np.float32
        self._wide: set[str] = set()
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

    def model(self) -> onnx.ModelProto:
        """The whole model.

        Raises:
            InputError: something would not be exact; the message names it.
        """
        program = self.program
        check_exact(program, self.doubles)
        shape, after = program.input.type.shape, program.output_type.shape
        x = helper.make_tensor_value_info("input", TensorProto.FLOAT, [self.batch, *shape])
        own = program.input
        self._values[own.name] = (self.signs if own.args["sign"] else self.rounded)("input", own.name, own.type)
        for operation in program.operations[1:]:
            self._write(operation)
        result, kind = self._values[program.output], TensorProto.FLOAT
        if program.output in self._wide:
            self._kind, kind = np.float64, TensorProto.DOUBLE
        if program.output_type.divisor != 1:
            result = self.node("Div", [result, self.number(program.output_type.divisor)], f"{program.output}.mean")
        self._rename(result, "output")
        y = helper.make_tensor_value_info("output", kind, [self.batch, *after])
        graph = helper.make_graph(self._nodes, "picojoule", [x], [y], self._stored)
        opsets = [helper.make_opsetid("", self.opset), *(helper.make_opsetid(*each) for each in self.domains.items())]
        return helper.make_model(graph, opset_imports=opsets, ir_version=self.ir_version, producer_name="picojoule")

    def node(self, kind: str, reads: Sequence[str], name: str, domain: str = "", **attributes: Any) -> str:
        """Append a node with one result, by the node's name, which is made to differ from others."""
        name = self._free(name, ".value")
        self._nodes.append(helper.make_node(kind, [*reads], [name], name=name, domain=domain, **attributes))
        return name

    def _write(self, operation: Operation) -> None:
        """Write an operation in the numbers that hold it. Rounding leads from float64 back to float32."""
        reads = [self._values[name] for name in operation.reads]
        wide = [name in self._wide for name in operation.reads]
        if operation.kind in ("requantise", "sign"):
            if wide[0] or not divides_exactly(self.program, operation):
                rounds = self.signs if operation.kind == "sign" else self.rounded
                x = self._narrowed(operation, reads[0], wide[0])
                self._values[operation.name] = rounds(x, operation.name, operation.type)
                return
        elif any(wide) or largest(operation) > EXACT:
            self._kind = np.float64
            self._wide.add(operation.name)
            reads = [x if each else self.held(x) for x, each in zip(reads, wide, strict=True)]
        self._values[operation.name] = WRITE[operation.kind](self, operation, reads)
        self._kind = np.float32

    def _narrowed(self, operation: Operation, x: str, wide: bool) -> str:
        """What is to be rounded, rounded in float64: float32 holds that."""
        own, name = operation.type, operation.name
        self._kind = np.float64
        x = x if wide else self.held(x)
        divisor = self.program.by_name[operation.reads[0]].type.divisor
        if operation.kind == "requantise":
            x = x if divisor == 1 else self.node("Div", [x, self.number(divisor)], f"{name}.mean")
            x = self.node("Mul", [x, self.number(2.0 ** -own.exponents[0])], f"{name}.steps")
            x = self.node("Round", [x], f"{name}.rounded")
        x = self.node("Clip", [x, self.number(own.low), self.number(own.high)], f"{name}.bounded")
        self._kind = np.float32
        x = self.node("Cast", [x], f"{name}.narrow", to=TensorProto.FLOAT)
        return x if operation.kind == "sign" else self.node("Mul", [x, self.step(own)], f"{name}.scaled")

    def held(self, x: str) -> str:
        """A value of float32 in the numbers that are being written."""
        return x if self._kind is np.float32 else self.node("Cast", [x], f"{x}.wide", to=TensorProto.DOUBLE)

    def array(self, values: Any, name: str, kind: type | None = None) -> str:
        """Store numbers under a name, in the type that is being written unless another is given."""
        return self.tensor(numpy_helper.from_array(np.asarray(values, kind or self._kind), name))

    def tensor(self, stored: onnx.TensorProto) -> str:
        """Store a tensor under its own name, which is made to differ from others."""
        stored.name = self._free(stored.name, ".stored")
        self._stored.append(stored)
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

    def _rename(self, value: str, name: str) -> None:
        """Give a node's result another name; an Identity behind it would do, but hls4ml loses the output with it."""
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [name if each == value else each for each in names]

    def _free(self, name: str, suffix: str) -> str:
        while name in self._taken:
            name += suffix
        self._taken.add(name)
        return name


def ends_of(bits: int, signed: bool) -> tuple[int, int]:
    """The least and the largest whole number of so many bits."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def serialised(model: onnx.ModelProto) -> bytes:
    """A model's bytes, the same for the same model."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content
