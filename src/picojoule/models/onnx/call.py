"""What a rule gets to see of one node: its attributes and arguments, each of which it must take."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from picojoule.errors import InputError
from picojoule.models.onnx.file import MOST_SIZES, Value
from picojoule.network.trial import LARGEST

Function = Callable[..., Value]
"""What a node computes: a value from values, each a tensor or sizes; one that is left out is None."""


@dataclass(frozen=True)
class Constant:
    """A constant argument. Two with one `source` are the same numbers."""

    value: Value
    source: str

    @property
    def tensor(self) -> Tensor:
        """The value, where it is of floating-point numbers."""
        assert isinstance(self.value, Tensor)
        return self.value


Argument = str | Constant | None
"""A value by its name, a constant, or what is left out."""


@dataclass
class Call:
    """One node to be made a function. A rule takes each attribute it knows; one that is left is refused.

    A node that makes several values is made a function for each: `output` is the one meant of so many `outputs`.
    """

    opset: int
    batch: int | None  # the size of a batch where the file fixes it
    arguments: list[Argument]
    attributes: dict[str, Any] = field(default_factory=dict)
    output: int = 0
    outputs: int = 1

    def attribute(self, name: str, default: Any) -> Any:
        """Take an attribute of the same type as its default."""
        value = self.attributes.pop(name, default)
        if not isinstance(value, (int, float) if isinstance(default, float) else type(default)):
            raise InputError(f"its attribute '{name}' is of another type than it should be")
        return value

    def whole(self, name: str) -> int | None:
        """Take an attribute that is a whole number; None where it is not given."""
        return int(self.attribute(name, 0)) if name in self.attributes else None

    def ints(self, name: str) -> list[int] | None:
        """Take an attribute that is a list of whole numbers; None where it is not given."""
        given: list[int] | None = self.attribute(name, []) if name in self.attributes else None
        if given is not None and not all(isinstance(each, int) for each in given):
            raise InputError(f"its attribute '{name}' is no list of whole numbers")
        return given

    def constant(self, index: int) -> Value | None:
        """Take an argument that must be constant; None where it is left out."""
        given = self.arguments[index] if index < len(self.arguments) else None
        if given is None:
            return None
        if not isinstance(given, Constant):
            raise InputError(f"its input {index} must be constant")
        self.arguments[index] = None
        return given.value

    def number(self, index: int) -> float | None:
        """Take an argument that must be one constant number; None where it is left out."""
        given = self.constant(index)
        if given is None:
            return None
        if not isinstance(given, Tensor) or given.numel() != 1:
            raise InputError(f"its input {index} must be one number")
        return float(given)


Rule = Callable[[Call], Function]
"""Makes a node the function that it computes."""


def plain(function: Callable[..., Any]) -> Rule:
    """A rule for what has no attributes."""
    return lambda call: function


def with_attributes(function: Callable[..., Any], **defaults: Any) -> Rule:
    """A rule for what has attributes of the same meaning, in the order of the function's arguments."""

    def rule(call: Call) -> Function:
        given = [call.attribute(name, default) for name, default in defaults.items()]
        return lambda x: function(x, *given)

    return rule


def whole(value: Any) -> list[int]:
    """Sizes as a list of whole numbers, or symbols that stand for some."""
    if isinstance(value, Tensor):
        raise InputError("its sizes are floating-point numbers")
    return [value.item()] if value.ndim == 0 else list(value)


def check_value(value: Value, samples: int) -> Value:
    """Refuse a value that takes more memory than any network's: a small file may ask for it.

    Raises:
        InputError: it does.
    """
    if isinstance(value, Tensor):
        check_count(value.shape, samples)
    elif value.size > MOST_SIZES or any(isinstance(each, int) and abs(each) >= 2**63 for each in value.flat):
        raise InputError("its sizes are too many or too large")
    return value


def check_count(shape: Sequence[int], samples: int) -> None:
    """Refuse a shape of so many samples that is larger than any network's.

    Raises:
        InputError: it is.
    """
    if all(type(size) is int for size in shape) and math.prod(shape) > samples * LARGEST:
        raise InputError(f"its result has more than {LARGEST} elements for each sample")


def bare(tensor: Tensor) -> Tensor:
    """A tensor's shape and type without its elements."""
    return torch.empty_like(tensor, device="meta")
