"""An imported network as a torch module: its steps one after the other, its weights under readable names.

torch.export follows it like any user's module. Before an input of a new shape first takes memory, the steps run on
shapes alone (torch's meta device), so that a small file that asks for gigabytes is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.errors import InputError
from picojoule.models.onnx.call import Function, bare, check_value
from picojoule.network.trial import SPARE

FAULTS = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, InputError)
"""What torch and numpy raise of arguments that do not fit."""


@dataclass(frozen=True)
class Stored:
    """An argument that is a tensor of the module's."""

    name: str


@dataclass(frozen=True)
class Step:
    """One node ready to run: an argument is a value by its name, a stored tensor, or itself."""

    where: str
    function: Function
    arguments: tuple[Any, ...]
    result: str
    frees: tuple[str, ...] = ()  # values that nobody reads after it


class OnnxModule(nn.Module):
    """Runs the steps of an ONNX graph. x [n, ...], float32; returns its one output.

    `input_shape` is a sample's, where the file states it.
    """

    input_shape: tuple[int, ...] | None = None

    def __init__(self, steps: Sequence[Step], tensors: Mapping[str, Tensor], input: str, output: str) -> None:
        super().__init__()
        self._plan, self._names = (tuple(steps), input, output), tuple(tensors)
        self._tried: set[tuple[int, ...]] = set()
        for name, tensor in tensors.items():
            *path, leaf = name.split(".")
            holder: nn.Module = self
            for part in path:
                if part not in holder._modules:
                    holder.add_module(part, nn.Module())
                holder = holder.get_submodule(part)
            if leaf.startswith("running_"):
                holder.register_buffer(leaf, tensor)
            else:
                holder.register_parameter(leaf, nn.Parameter(tensor))

    def forward(self, x: Tensor) -> Tensor:
        """The network's output for a batch.

        Raises:
            InputError: a node cannot run on it; the message names the node.
        """
        if type(x) is Tensor:  # and not torch's stand-in for one, while it traces
            self.try_out(tuple(x.shape[1:]))
        return self._run(x, lambda tensor: tensor)

    def try_out(self, shape: tuple[int, ...]) -> None:
        """Run the steps on nothing but shapes, for two samples of this shape.

        Raises:
            InputError: as `forward`, or it takes too much memory.
        """
        if shape not in self._tried:
            self._run(torch.empty((2, *shape), device="meta"), bare)
            self._tried.add(shape)

    def _run(self, x: Tensor, seen: Callable[[Tensor], Tensor]) -> Tensor:
        steps, input, output = self._plan
        stored = {name: seen(self._stored(name)) for name in self._names}
        values: dict[str, Any] = {input: x}
        samples = x.shape[0] if type(x.shape[0]) is int else 1  # while torch traces, it is a symbol
        held = 0
        for step in steps:
            arguments = [
                stored[each.name] if isinstance(each, Stored) else values[each] if isinstance(each, str) else each
                for each in step.arguments
            ]
            values[step.result] = value = computed(step.where, step.function, arguments, samples)
            freed = [values.pop(name) for name in step.frees]
            held += (_bytes(value) - sum(map(_bytes, freed))) if x.is_meta else 0
            if held > samples * SPARE:
                raise InputError(f"{step.where} cannot run: with all before it, it takes more than {SPARE >> 20} MiB")
        result: Tensor = values[output]
        return result

    def _stored(self, name: str) -> Tensor:
        path, _, leaf = name.rpartition(".")
        tensor: Tensor = getattr(self.get_submodule(path), leaf)
        return tensor


def computed(where: str, function: Function, arguments: Sequence[Any], samples: int) -> Any:
    """What a node's function makes of its arguments.

    Raises:
        InputError: it cannot, or makes more than any network does; the message names the node.
    """
    try:
        return check_value(function(*arguments), samples)
    except FAULTS as error:
        if any(isinstance(each, Tensor) and type(each) not in (Tensor, nn.Parameter) for each in arguments):
            raise  # torch's own words to itself, while it traces
        raise InputError(f"{where} cannot run: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _bytes(value: Any) -> int:
    return value.numel() * value.itemsize if isinstance(value, Tensor) else 0
