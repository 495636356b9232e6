"""A program as an ONNX graph in floating point whose numbers stay whole: what the dialects have in common.

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

from picojoule.export.writers.exactness import EXACT, check_exact, divides_exactly, is_wide, largest, needs_parts
from picojoule.export.writers.means import rounded_to_odd
from picojoule.export.writers.operations import WRITE
from picojoule.export.writers.tables import nearest
from picojoule.integer.program import Operation, Program
from picojoule.integer.types import Constant, Type


class GraphWriter(ABC):
    """Writes one program as one model. A new dialect says how rounding and weights look."""

    opset: ClassVar[int]
    ir_version: ClassVar[int]
    domains: ClassVar[Mapping[str, int]] = {}
    batch: ClassVar[str | int] = "n"
    doubles: ClassVar[bool] = False
    """Whether what float32 does not hold may be in float64."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.odd = {} if self.doubles else rounded_to_odd(program)  # as nothing wider holds them
        self._nodes: list[onnx.NodeProto] = []
        self._stored: list[onnx.TensorProto] = []
        self._values: dict[str, str] = {}
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

    def model(self) -> onnx.ModelProto:
        """The whole model.

        Raises:
            InputError: something would not be exact; the message names it.
        """
        program = self.program
        check_exact(program, self.doubles, self.odd)
        shape, after = program.input.type.shape, program.output_type.shape
        x = helper.make_tensor_value_info("input", TensorProto.FLOAT, [self.batch, *shape])
        self._values[program.input.name] = self._given(program.input)
        for operation in program.operations[1:]:
            self._write(operation)
        result, wide = self._values[program.output], is_wide(program.by_name[program.output])
        if program.output_type.divisor != 1:
            with self.doubles_written(wide):
                result = self.node("Div", [result, self.number(program.output_type.divisor)], f"{program.output}.mean")
        kind = TensorProto.DOUBLE if wide else TensorProto.FLOAT
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

    def _given(self, given: Operation) -> str:
        """Write the rounding of the input."""
        if self.program.members:
            return nearest(self, given, "input")
        return (self.signs if given.args["sign"] else self.rounded)("input", given.name, given.type)

    def _write(self, operation: Operation) -> None:
        """Write an operation in the numbers that hold it; what float32 holds is in float32 again behind it."""
        name, write = operation.name, WRITE[operation.kind]
        reads = [self._values[each] for each in operation.reads]
        wide = [self.doubles and is_wide(self.program.by_name[each]) for each in operation.reads]
        if operation.kind in ("requantise", "sign"):
            if wide[0] or not divides_exactly(self.program, operation):
                rounds = self.signs if operation.kind == "sign" else self.rounded
                self._values[name] = rounds(self._rounded_wide(operation, reads[0], wide[0]), name, operation.type)
                return
        elif operation.kind != "table" and (any(wide) or (self.doubles and largest(operation) > EXACT)):
            if needs_parts(self.program, operation):
                x = write(self, operation, reads)
            else:
                with self.doubles_written():
                    x = write(
                        self, operation, [x if each else self.held(x) for x, each in zip(reads, wide, strict=True)]
                    )
            self._values[name] = x if is_wide(operation) else self.narrowed(x)
            return
        self._values[name] = write(self, operation, reads)

    def _rounded_wide(self, operation: Operation, x: str, wide: bool) -> str:
        """What is to be rounded, rounded in float64: float32 holds that."""
        own, name = operation.type, operation.name
        divisor = self.program.by_name[operation.reads[0]].type.divisor
        with self.doubles_written():
            x = x if wide else self.held(x)
            if operation.kind == "requantise":
                x = x if divisor == 1 else self.node("Div", [x, self.number(divisor)], f"{name}.mean")
                x = self.node("Mul", [x, self.number(2.0 ** -own.exponents[0])], f"{name}.steps")
                x = self.node("Round", [x], f"{name}.rounded")
            x = self.node("Clip", [x, self.number(own.low), self.number(own.high)], f"{name}.bounded")
        x = self.node("Cast", [x], f"{name}.narrow", to=TensorProto.FLOAT)
        return x if operation.kind == "sign" else self.node("Mul", [x, self.step(own)], f"{name}.scaled")

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
