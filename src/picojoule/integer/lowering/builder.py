"""A program in the making: operations are appended, each with the type that follows by the laws."""

import math
from collections.abc import Sequence
from typing import Any

from picojoule.integer.laws import PARTS
from picojoule.integer.program import Operation, Program, operation
from picojoule.integer.types import Constant, Type


class Builder:
    """Operations and constants so far; a value goes by the name of the operation that makes it."""

    def __init__(self) -> None:
        self._operations: dict[str, Operation] = {}
        self._constants: dict[str, Constant] = {}

    def type(self, value: str) -> Type:
        """What a value's codes are."""
        return self._operations[value].type

    def emit(self, name: str, kind: str, reads: Sequence[str], *constants: Constant, **args: Any) -> str:
        """Append an operation, with its constants; returns its name, made to differ from others.

        Raises:
            InputError: it breaks a law, such as values of more than 53 bits.
        """
        free, k = name, 1
        while free in self._operations:
            k += 1
            free = f"{name}~{k}"
        self._constants |= {f"{free}.{part}": each for part, each in zip(PARTS.get(kind, ()), constants, strict=True)}
        types = [self.type(value) for value in reads]
        self._operations[free] = operation(free, kind, tuple(reads), args, types, self._constants, "the network")
        return free

    def aligned(self, value: str, exponent: int | None = None, divisor: int | None = None) -> str:
        """A value with one exponent for all channels, its finest unless a finer one is given, and that divisor."""
        given = self.type(value)
        finest, parts = min(given.exponents) if exponent is None else exponent, divisor or given.divisor
        if given.exponents == (finest,) and given.divisor == parts:
            return value
        return self.emit(f"{value}.aligned", "align", (value,), exponent=finest, divisor=parts)

    def together(self, values: Sequence[str]) -> list[str]:
        """Values aligned to one exponent and one divisor."""
        types = [self.type(value) for value in values]
        exponent, divisor = min(min(type.exponents) for type in types), math.lcm(*(type.divisor for type in types))
        return [self.aligned(value, exponent, divisor) for value in values]

    def program(self, output: str) -> Program:
        """The program so far, without what its output does not need."""
        wanted, needed = [output], set[str]()
        while wanted:
            name = wanted.pop()
            if name not in needed:
                needed.add(name)
                wanted += self._operations[name].reads
        kept = tuple(each for each in self._operations.values() if each.name in needed or each.kind == "input")
        parts = {f"{each.name}.{part}" for each in kept for part in PARTS.get(each.kind, ())}
        return Program(kept, {name: each for name, each in self._constants.items() if name in parts}, output)
