"""A program as steps of C: each makes one value that is stored, with all that is done element by element on the way.

A layer's sums are clamped, added to what is there already and rounded before they are stored, so no wide sum needs a
place. Values of more than one dimension are stored channels last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np
import numpy.typing as npt

from picojoule.export.c.storage import BITS, Storage, program_readers, signs_in_bits, storage_of
from picojoule.integer.program import Operation, Program
from picojoule.integer.types import Type

TAILS = ("clamp", "requantise", "sign", "align", "add", "table")
"""What is done on one element at a time."""


@dataclass(frozen=True)
class Value:
    """What is stored: codes of a type, in some of C's numbers, in the bytes of a value that may have another shape."""

    name: str
    type: Type
    storage: Storage
    lies_in: str

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The sample's dimensions from the slowest on: channels last."""
        return (*range(1, len(self.type.shape)), 0) if self.type.shape else ()

    @property
    def channels(self) -> int:
        """How many lie next to each other at a position."""
        return self.type.shape[0] if self.type.shape else 1

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """For each of the sample's dimensions, how many elements lie between neighbours."""
        sizes = [self.type.shape[each] for each in self.order]
        after = {dim: prod(sizes[k + 1 :]) for k, dim in enumerate(self.order)}
        return tuple(after[dim] for dim in range(len(sizes)))

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """For each place where an element is stored, which of the sample's elements it is."""
        numbers = np.arange(self.type.count).reshape(self.type.shape)
        return numbers.transpose(self.order).ravel()

    @property
    def bytes(self) -> int:
        """What it takes; signs in bits begin a byte at each pixel."""
        if self.storage is BITS:
            return self.type.count // self.type.shape[0] * -(-self.type.shape[0] // 8)
        return self.type.count * self.storage.bytes


@dataclass(frozen=True)
class Tail:
    """What is done on an element: an operation, the type of what it gets, and of an addition what it adds.

    `addend` is a stored value; each of its codes counts `times`, by its exponents.
    """

    operation: Operation
    reads: Type
    addend: str | None = None
    times: tuple[int, ...] = ()


def factors(read: Type, aligned: Type) -> tuple[int, ...]:
    """By what codes are multiplied that are aligned, for each exponent; where all are 0 it may be anything."""
    if not read.low and not read.high:
        return (1,)
    return tuple((aligned.divisor // read.divisor) << (each - aligned.exponents[0]) for each in read.exponents)


@dataclass(frozen=True)
class Step:
    """One loop: `operation` makes elements of the stored values `reads`, `tails` go on with them, `makes` is stored.

    Without an operation elements are passed on.
    """

    operation: Operation | None
    reads: tuple[str, ...]
    tails: tuple[Tail, ...]
    makes: str
    type: Type

    @property
    def name(self) -> str:
        """What it is called: by its operation, else by what it makes."""
        return self.operation.name if self.operation else self.makes

    @property
    def uses(self) -> tuple[str, ...]:
        """All stored values that it reads."""
        return (*self.reads, *(tail.addend for tail in self.tails if tail.addend))

    @property
    def uses_elsewhere(self) -> tuple[str, ...]:
        """Those that it reads not only at the very element that it makes."""
        return self.reads if self.operation else ()


@dataclass(frozen=True)
class Schedule:
    """A program's steps in order, and what is stored by name, input and output too."""

    program: Program
    steps: tuple[Step, ...]
    values: Mapping[str, Value]
    output: str


def schedule(program: Program) -> Schedule:
    """The steps of a program. The last makes the output in the sample's own order, and nothing reads that."""
    maker = _Maker(program)
    needed = {program.output}
    for operation in reversed(program.operations):
        needed |= {*operation.reads} if operation.name in needed else set()
    for operation in program.operations[1:]:
        if operation.name in needed:
            maker.add(operation)
    return maker.finished()


class _Maker:
    """Steps so far, each at `_made_at` of what it makes.

    `_stands` says what is read in place of a flat value, `_shapes` in which value's bytes one of another shape lies.
    `_late` has what is aligned only where it is added.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._packed, self._readers = signs_in_bits(program), program_readers(program)
        self._steps: list[Step] = []
        self._made_at: dict[str, int] = {}
        self._stands: dict[str, str] = {}
        self._shapes: dict[str, str] = {}
        self._late: dict[str, Tail] = {}

    def add(self, operation: Operation) -> None:
        """Add an operation, to the step that makes what it reads where nothing else reads that."""
        if operation.kind == "align" and self._is_late(operation):
            self._late[operation.name] = self._aligned(operation)
        elif operation.kind == "add":
            self._add_sum(operation)
        elif operation.kind in TAILS:
            read = operation.reads[0]
            at = self._made_at[read] if self._is_open(read) else self._begin(None, operation.reads, self._type(read))
            self._extend(at, Tail(operation, self._steps[at].type))
        elif operation.kind == "reshape" and self._lies_in_order(operation):
            read = self._stored(operation.reads[0])
            self._shapes[operation.name] = self._shapes.get(read, read)
        elif operation.kind == "reshape" and self._feeds_columns(operation):
            self._stands[operation.name] = self._stored(operation.reads[0])
        else:
            self._begin(operation, operation.reads, operation.type)

    def finished(self) -> Schedule:
        """The whole. The output is copied where steps read it, or it lies in another order."""
        output = self._stored(self._program.output)
        read = {self._shapes.get(name, name) for step in self._steps for name in step.uses}
        if output not in self._made_at or output in read or not _is_natural(self._value(output)):
            self._begin(None, (output,), self._type(output))
            output = self._steps[-1].makes
        elif self._made_at[output] != len(self._steps) - 1:
            raise AssertionError("the program computes what its output does not need")
        names = [self._program.input.name, *(step.makes for step in self._steps), *self._shapes]
        values = {name: self._value(name) for name in names}
        values[output] = replace(values[output], storage=storage_of(values[output].type, least_bytes=4))
        return Schedule(self._program, tuple(self._steps), values, output)

    def _add_sum(self, operation: Operation) -> None:
        """An addition goes on with the value that is made last; the other must be there by then."""
        reads = sorted(operation.reads, key=lambda name: self._made_at[name] if self._is_open(name) else -1)
        other, one = reads
        addend = self._late.get(other) or Tail(operation, self._type(other), self._stored(other), (1,))
        stored = addend.addend or ""
        if self._is_open(one) and self._made_at.get(self._shapes.get(stored, stored), -1) < self._made_at[one]:
            at = self._made_at[one]
        elif one in self._late:
            late = self._late[one]
            at = self._begin(None, (late.addend or "",), late.reads)
            self._extend(at, Tail(late.operation, late.reads))
        else:
            at = self._begin(None, (one,), self._type(one))
        self._extend(at, replace(addend, operation=operation, reads=self._steps[at].type))

    def _aligned(self, operation: Operation) -> Tail:
        """A stored value that is aligned when it is added."""
        own, read = operation.type, self._type(operation.reads[0])
        times = factors(read, own)
        return Tail(operation, read, self._stored(operation.reads[0]), times)

    def _is_late(self, operation: Operation) -> bool:
        readers = self._readers[operation.name]
        waits = not self._is_open(operation.reads[0]) and operation.name != self._program.output
        return waits and bool(readers) and all(each.kind == "add" for each in readers)

    def _is_open(self, name: str) -> bool:
        """Whether a value is what a step makes so far, for one reader alone."""
        return name in self._made_at and len(self._readers[name]) == 1 and name != self._program.output

    def _begin(self, operation: Operation | None, reads: Sequence[str], type: Type) -> int:
        makes = operation.name if operation else f"{reads[0]}.copy"
        while makes in self._made_at or (operation is None and makes in self._program.by_name):
            makes += "~"
        self._steps.append(Step(operation, tuple(self._stored(read) for read in reads), (), makes, type))
        self._made_at[makes] = len(self._steps) - 1
        return len(self._steps) - 1

    def _extend(self, at: int, tail: Tail) -> None:
        step, name = self._steps[at], tail.operation.name
        del self._made_at[step.makes]
        self._steps[at] = replace(step, tails=(*step.tails, tail), makes=name, type=tail.operation.type)
        self._made_at[name] = at

    def _lies_in_order(self, reshape: Operation) -> bool:
        """Whether the elements lie in the order that the new shape has."""
        before = self._value(self._stored(reshape.reads[0]))
        after = replace(before, type=reshape.type)
        return before.storage is not BITS and np.array_equal(before.positions, after.positions)

    def _feeds_columns(self, reshape: Operation) -> bool:
        """Whether dense layers alone read a flat value, whose columns can be put in the order that there is."""
        readers = self._readers[reshape.name]
        dense = all(each.kind == "linear" and not self._has_blocks(each) for each in readers)
        return dense and len(reshape.type.shape) == 1 and bool(readers) and reshape.name != self._program.output

    def _has_blocks(self, layer: Operation) -> bool:
        """Whether a layer's weights have shifts by block, which its inputs must come in the order of."""
        coding = self._program.constants[f"{layer.name}.weights"].coding
        return coding is not None and coding.shifts is not None

    def _stored(self, name: str) -> str:
        return self._stands.get(name, name)

    def _type(self, name: str) -> Type:
        at = self._made_at.get(name)
        return self._program.by_name[name].type if at is None else self._steps[at].type

    def _value(self, name: str) -> Value:
        type = self._type(name)
        return Value(name, type, BITS if name in self._packed else storage_of(type), self._shapes.get(name, name))


def _is_natural(value: Value) -> bool:
    """Whether the elements lie in the sample's own order."""
    return value.storage is not BITS and bool((np.diff(value.positions) == 1).all())
