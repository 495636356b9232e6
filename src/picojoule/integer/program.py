"""A network as integers: operations on whole numbers, each value with a type that is proved, and packed weights.

Nothing of it is floating point but what its integers stand for.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import safetensors
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from picojoule import files
from picojoule.errors import FileError, InputError
from picojoule.files import Fields
from picojoule.formats import Lut
from picojoule.integer.coding import MOST_ENTRIES
from picojoule.integer.constants import constant_of, packed
from picojoule.integer.laws import LAWS, LAYERS, PARTS, type_of
from picojoule.integer.laws.layers import largest_sum
from picojoule.integer.types import Constant, Type

VERSIONS = (1, 2)
"""Of files: the first has neither codings nor members of the input, and is written where there are none."""
MOST_OPERATIONS = 10_000
MOST_CODES = 2**28
"""Of all values of one sample together."""
_HEADER = "picojoule.program"


@dataclass(frozen=True)
class Operation:
    """One step: its kind, the values it reads by name, its arguments as plain data, and the type of what it makes.

    `largest_sum` bounds every partial sum of a layer, in whatever order its products are added; 0 of what is no layer.
    """

    name: str
    kind: str
    reads: tuple[str, ...]
    args: Mapping[str, Any]
    type: Type
    largest_sum: int = 0

    @property
    def accumulator_bits(self) -> int:
        """The bits of a two's complement accumulator that holds every sum of a layer; 0 of what is no layer."""
        return self.largest_sum.bit_length() + 1 if self.kind in LAYERS else 0


@dataclass(frozen=True, eq=False)
class Program:
    """Operations in order, the input's first; the last value; and constants: of layers `NAME.weights` and `NAME.bias`,
    of tables `NAME.thresholds` and `NAME.codes`.

    Types are not stored: they follow from the input's and the constants, by the `laws`.
    """

    operations: tuple[Operation, ...]
    constants: Mapping[str, Constant] = field(repr=False)
    output: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "constants", MappingProxyType(dict(self.constants)))

    @cached_property
    def by_name(self) -> Mapping[str, Operation]:
        """Each operation by its name."""
        return MappingProxyType({each.name: each for each in self.operations})

    @property
    def input(self) -> Operation:
        """The operation that rounds the network's input."""
        return self.operations[0]

    @property
    def members(self) -> tuple[int, ...]:
        """All codes of an input in a codebook, ascending; none are named where there is each from low to high."""
        return tuple(self.input.args.get("members", ()))

    @property
    def output_type(self) -> Type:
        """The type of what comes out."""
        return self.by_name[self.output].type

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights, packed; biases are not counted."""
        return sum(each.packed_bytes for name, each in self.constants.items() if name.endswith(".weights"))

    def encode(self, x: Tensor) -> Tensor:
        """The codes of samples x [n, ...] in floating point, int64: rounded half to even, saturated; of signs, -1 or 1;
        of a codebook the nearest member, as formats round to it.

        Raises:
            InputError: samples of another shape, or with NaN.
        """
        own = self.input.type
        if tuple(x.shape[1:]) != own.shape:
            raise InputError(f"the program takes samples of shape {list(own.shape)}, not {list(x.shape[1:])}")
        if bool(x.isnan().any()):
            raise InputError("the samples have NaN, which has no code")
        if self.input.args["sign"]:
            return torch.where(x >= 0, 1, -1)
        scaled = x.double() * 2.0 ** -own.exponents[0]
        if self.members:
            return Lut(MOST_ENTRIES, members=self.members).quantize(scaled).long()
        return scaled.round_().clamp_(own.low, own.high).long()

    def decode(self, codes: Tensor) -> Tensor:
        """What codes of the output stand for, float64."""
        own = self.output_type
        return codes.double() * 2.0 ** own.exponents[0] / own.divisor

    def to_bytes(self) -> bytes:
        """The program as one safetensors file; the same program always gives the same bytes."""
        operations = [{"name": each.name, "kind": each.kind, "reads": list(each.reads), "args": dict(each.args)}
                      for each in self.operations]  # fmt: skip
        stated = {name: each.to_table() for name, each in self.constants.items()}
        header = {"version": self._version, "output": self.output}
        header |= {"operations": operations, "constants": stated}
        text = json.dumps(header, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        tensors = {name: packed(each) for name, each in self.constants.items()}
        return save_tensors(tensors, {_HEADER: text})

    @classmethod
    def from_bytes(cls, content: bytes, origin: str) -> "Program":
        """The program that `to_bytes` wrote; `origin` names it in errors.

        Raises:
            FileError: not a safetensors file, no program in it, another version, sizes that do not fit, or operations
                that do not follow the laws.
        """
        try:
            tensors = load_tensors(content)
            text = files.header(io.BytesIO(content))["__metadata__"][_HEADER]
            fields = Fields(files.loads(text), origin)
        except (safetensors.SafetensorError, ValueError, LookupError, TypeError) as error:
            raise FileError(f"{origin} is not a program of picojoule's, or damaged: {error!s:.200}") from error
        if (version := fields.integer("version")) not in VERSIONS:
            fields.fail(f"this picojoule reads versions {VERSIONS[0]} and {VERSIONS[1]} of programs")
        stated = fields.table("constants").rest()
        constants = {
            name: constant_of(name, Fields(table, f"{origin}: constant '{name}'"), tensors)
            for name, table in stated.items()
        }
        if unknown := sorted(tensors.keys() - constants.keys()):
            fields.fail(f"tensor '{unknown[0]}' is no constant")
        output, tables = fields.text("output"), fields.items("operations")
        fields.finish()
        found = assembled(tables, constants, output, origin)
        if version != found._version:
            fields.fail(f"is of version {version}, and has{' no' * (version == VERSIONS[1])} codings or members")
        return found

    @property
    def _version(self) -> int:
        """The first version of files that has what there is."""
        return VERSIONS[bool(self.members) or any(each.coding is not None for each in self.constants.values())]

    def save(self, path: Path) -> None:
        """Write the program as one safetensors file."""
        files.write_bytes(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> "Program":
        """Read a program that `save` wrote.

        Raises:
            FileError: as `from_bytes`, or the file cannot be read.
        """
        return cls.from_bytes(files.read_bytes(path), f"'{path}'")


def assembled(tables: list[Any], constants: Mapping[str, Constant], output: str, origin: str) -> Program:
    """A program from its operations as plain data, each one's type found by the laws.

    Raises:
        FileError: an operation that is malformed, reads what does not come before it, or breaks a law.
    """
    made: dict[str, Operation] = {}
    whole = Fields({}, origin)
    if not 0 < len(tables) <= MOST_OPERATIONS:
        whole.fail(f"it has {len(tables)} operations; 1 to {MOST_OPERATIONS} are possible")
    for table in tables:
        fields = Fields(table, f"{origin}: 'operations'")
        name, kind = fields.text("name"), fields.text("kind", tuple(LAWS))
        reads = tuple(Fields({"reads": each}, origin).text("reads") for each in fields.items("reads"))
        args = fields.table("args").rest()
        fields.finish()
        if name in made or (kind == "input") != (not made) or any(each not in made for each in reads):
            whole.fail(f"operation '{name}' stands twice, is a second input, or reads what does not come before it")
        made[name] = operation(name, kind, reads, args, [made[each].type for each in reads], constants, origin)
    if output not in made:
        whole.fail(f"output '{output}' is no operation")
    if (total := sum(each.type.count for each in made.values())) > MOST_CODES:
        whole.fail(f"its values take {total} codes for one sample; at most {MOST_CODES} are possible")
    used = {f"{each.name}.{part}" for each in made.values() for part in PARTS.get(each.kind, ())}
    if unknown := sorted(constants.keys() - used):
        whole.fail(f"constant '{unknown[0]}' belongs to no layer")
    return Program(tuple(made.values()), constants, output)


def operation(
    name: str, kind: str, reads: tuple[str, ...], args: Mapping[str, Any], types: list[Type],
    constants: Mapping[str, Constant], origin: str,
) -> Operation:  # fmt: skip
    """An operation with the type that follows for it."""
    parts = PARTS.get(kind, {})
    own = [each for part in parts if (each := constants.get(f"{name}.{part}")) is not None]
    if [each.values.dim() for each in own] != [*parts.values()]:
        raise FileError(f"{origin}: operation '{name}' has no {' and '.join(parts)} of its kind")
    if any(each.coding is not None for each, part in zip(own, parts, strict=True) if part != "weights"):
        raise FileError(f"{origin}: operation '{name}' has codings of what are no weights")
    type = type_of(kind, args, types, own, f"{origin}: operation '{name}'")
    most = largest_sum(own[0].values, own[1].values, types[0]) if kind in LAYERS else 0
    return Operation(name, kind, reads, dict(args), type, most)
