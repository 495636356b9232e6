"""A program run on codes, exactly, in the quickest numbers that are proved to hold every sum.

Whole numbers up to 2^24 are exact in float32, up to 2^53 in float64, in whatever order they are added; the program
proves the bound of every sum. So layers run as torch's own convolutions, at their speed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from picojoule.errors import InputError
from picojoule.integer.laws import LAYERS
from picojoule.integer.program import Operation, Program
from picojoule.integer.types import Type

EXACT_IN_FLOAT32 = 2**24
_WHOLE = (torch.uint8, torch.int8, torch.uint16, torch.int16, torch.uint32, torch.int32, torch.int64)


@dataclass(frozen=True)
class _Step:
    """An operation with the types that it reads, what computes it exactly, and its constants as that."""

    operation: Operation
    reads: tuple[Type, ...]
    dtype: torch.dtype
    constants: tuple[Tensor, ...]

    @property
    def args(self) -> Mapping[str, Any]:
        return self.operation.args


class Interpreter:
    """Runs a program; its constants are unpacked once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._steps = [_step(program, each) for each in program.operations[1:]]
        self._last = {read: each.name for each in program.operations for read in each.reads}

    def run(self, codes: Tensor) -> Tensor:
        """The output's codes, int64, of the input's codes [n, ...].

        Raises:
            InputError: no whole numbers, or of another shape, or outside the input's type.
        """
        own = self.program.input.type
        if codes.dtype not in _WHOLE or codes.dim() == 0 or tuple(codes.shape[1:]) != own.shape:
            raise InputError(f"the program takes whole numbers of shape [n, {', '.join(map(str, own.shape))}]")
        codes = codes.long()
        if codes.numel() and not own.low <= int(codes.min()) <= int(codes.max()) <= own.high:
            raise InputError(f"the program takes codes from {own.low} to {own.high}; encode samples first")
        if self.program.input.args["sign"] and bool((codes == 0).any()):
            raise InputError("the program takes the codes -1 and 1; encode samples first")
        values = {self.program.input.name: codes.to(_holds(max(-own.low, own.high)))}
        for step in self._steps:
            name = step.operation.name
            read = [values[each].to(step.dtype) for each in step.operation.reads]
            values[name] = RUN[step.operation.kind](step, *read)
            for each in set(step.operation.reads):
                if self._last[each] == name and each != self.program.output:
                    del values[each]
        return values[self.program.output].long()


def _step(program: Program, operation: Operation) -> _Step:
    reads = tuple(program.by_name[name].type for name in operation.reads)
    largest = max(max(-each.low, each.high) for each in (operation.type, *reads))
    dtype = _holds(max(largest, operation.largest_sum))
    if operation.kind == "requantise" and reads[0].divisor != 1:
        dtype = torch.float64  # a quotient is rounded before it is rounded to a code, and must not become a tie by that
    parts = ("weights", "bias") if operation.kind in LAYERS else ()
    constants = tuple(program.constants[f"{operation.name}.{part}"].values.to(dtype) for part in parts)
    return _Step(operation, reads, dtype, constants)


def _holds(largest: int) -> torch.dtype:
    return torch.float32 if largest <= EXACT_IN_FLOAT32 else torch.float64


def _convolution(step: _Step, x: Tensor) -> Tensor:
    function: Callable[..., Tensor] = functional.conv2d if x.dim() == 4 else functional.conv1d
    how = step.args
    return function(x, *step.constants, how["stride"], how["padding"], how["dilation"], how["groups"])


def _clamp(step: _Step, x: Tensor) -> Tensor:
    low, high = (None if ends is None else _by_channel(ends, step.reads[0], x)
                 for ends in (step.args["low"], step.args["high"]))  # fmt: skip
    return torch.clamp(x, low, high)


def _requantise(step: _Step, x: Tensor) -> Tensor:
    given, own = step.reads[0], step.operation.type
    scaled = x * _by_channel([_power(each - own.exponents[0]) for each in given.exponents], given, x)
    if given.divisor != 1:
        scaled = scaled / given.divisor
    return scaled.round_().clamp_(own.low, own.high)


def _align(step: _Step, x: Tensor) -> Tensor:
    given, own = step.reads[0], step.operation.type
    times = own.divisor // given.divisor
    return x * _by_channel([times * _power(each - own.exponents[0]) for each in given.exponents], given, x)


def _power(exponent: int) -> float:
    """2^exponent, within bounds beyond which every code but 0 saturates, or is rounded to 0."""
    return 2.0 ** max(-100, min(exponent, 60))


def _max_pool(step: _Step, x: Tensor) -> Tensor:
    function = functional.max_pool2d if x.dim() == 4 else functional.max_pool1d
    how = step.args
    result: Tensor = function(x, how["kernel"], how["stride"], how["padding"], how["dilation"], how["ceil"])
    return result


def _sum_pool(step: _Step, x: Tensor) -> Tensor:
    """Sums over windows, as the convolution of each channel with ones."""
    function = functional.conv2d if x.dim() == 4 else functional.conv1d
    ones = x.new_ones(x.shape[1], 1, *step.args["kernel"])
    return function(x, ones, None, step.args["stride"], step.args["padding"], 1, x.shape[1])


def _sum(step: _Step, x: Tensor) -> Tensor:
    return x.sum(step.args["dims"], keepdim=step.args["keep"])


def _slice(step: _Step, x: Tensor) -> Tensor:
    how = step.args
    return x[(slice(None),) * how["dim"] + (slice(how["start"], how["stop"], how["step"]),)]


def _by_channel(numbers: list[Any], type: Type, x: Tensor) -> Tensor:
    """A number for each exponent of a type, as a tensor that meets the channels they belong to."""
    found = torch.tensor(numbers, dtype=x.dtype)
    return found.reshape(-1, *[1] * (len(type.shape) - 1 - type.axis)) if len(numbers) > 1 else found


RUN: Mapping[str, Callable[..., Tensor]] = {
    "conv1d": _convolution,
    "conv2d": _convolution,
    "linear": lambda step, x: functional.linear(x, *step.constants),
    "add": lambda _, one, other: one + other,
    "clamp": _clamp,
    "requantise": _requantise,
    "sign": lambda _, x: torch.where(x >= 0, 1.0, -1.0),
    "align": _align,
    "max_pool": _max_pool,
    "sum_pool": _sum_pool,
    "sum": _sum,
    "concat": lambda step, *xs: torch.cat(xs, step.args["dim"]),
    "reshape": lambda step, x: x.reshape(len(x), *step.operation.type.shape),
    "permute": lambda step, x: x.permute(step.args["order"]),
    "slice": _slice,
    "pad": lambda step, x: functional.pad(x, step.args["pad"]),
}
"""By kind; each gets its step and what it reads as whole numbers in floating point."""
