"""One loop of C as its template takes it, and where elements lie, in words of C."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from picojoule.export.c.steps import Schedule, Step, Value
from picojoule.integer.program import Operation

Facts = dict[str, Any]


class Array(NamedTuple):
    """Constant numbers of C: a part of their name, and their type."""

    name: str
    type: str
    bytes_each: int
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Loop:
    """A loop's template and its facts; `weights` are packed, each sum counts 2^`scale` times what it is.

    `more` belongs to weights that are codes.

    `buffer_bytes` are its own in the arena, `axis` is the dimension along which it has a coordinate at hand, `slack`
    how many bytes behind a value it may read.
    """

    template: str
    facts: Facts
    weights: bytes = b""
    scale: int = 0
    buffer_bytes: int = 0
    axis: int = 0
    slack: int = 0
    more: tuple[Array, ...] = ()

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights, with all that belongs to them."""
        return len(self.weights) + sum(each.bytes_each * len(each.numbers) for each in self.more)


def operation_of(step: Step) -> Operation:
    if step.operation is None:
        raise AssertionError(f"step '{step.name}' has no operation")
    return step.operation


def natural_strides(shape: Sequence[int]) -> list[int]:
    return [prod(shape[dim + 1 :]) for dim in range(len(shape))]


def strides_of(schedule: Schedule, value: Value) -> Sequence[int]:
    """Where elements go: to the caller in the sample's own order."""
    return natural_strides(value.type.shape) if value.name == schedule.output else value.strides


def offset_of(strides: Sequence[int], names: Mapping[int, str]) -> str:
    """Where an element lies, by its coordinates' names in C."""
    parts = [name if strides[dim] == 1 else f"{name} * {strides[dim]}" for dim, name in names.items()]
    return " + ".join(parts) or "0"
