"""A program run on codes, exactly, in the quickest numbers that are proved to hold every sum.

Whole numbers up to 2^24 are exact in float32, up to 2^53 in float64, in whatever order they are added; the program
proves the bound of every sum. So layers run as torch's own convolutions, at their speed; or, where asked, as a device's
datapath runs them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from picojoule.errors import InputError
from picojoule.integer.arithmetic import datapath, wide
from picojoule.integer.laws import LAYERS, PARTS
from picojoule.integer.program import Operation, Program
from picojoule.integer.types import EXACT_IN_FLOAT32, Type

CACHED = 2**18
"""Codes of a value that are worked on at once: memory near the processor holds them."""
Arithmetic = Literal["float", "datapath"]
_WHOLE = (torch.uint8, torch.int8, torch.uint16, torch.int16, torch.uint32, torch.int32, torch.int64)


@dataclass(frozen=True)
class _Step:
    """An operation with the types that it reads, what computes it exactly, and its constants as that.

    `layer` runs a layer that is not to be one of torch's own in floating point.
    """

    operation: Operation
    reads: tuple[Type, ...]
    dtype: torch.dtype
    constants: tuple[Tensor, ...]
    layer: Callable[[Tensor], Tensor] | None = None

    @property
    def args(self) -> Mapping[str, Any]:
        return self.operation.args


class Interpreter:
    """Runs a program; its constants are unpacked once.

    Layers are convolutions in floating point that are proved exact, or with `arithmetic="datapath"` what a device of
    few bits does: whole numbers digit by digit, by XNOR and popcount where weights are signs. The outputs are equal.
    """

    def __init__(self, program: Program, arithmetic: Arithmetic = "float") -> None:
        if arithmetic not in get_args(Arithmetic):
            raise InputError(f"arithmetic '{arithmetic}' is unknown; give {' or '.join(get_args(Arithmetic))}")
        self.program = program
        self._steps = [_step(program, each, arithmetic) for each in program.operations[1:]]
        self._samples = max(1, CACHED // max(each.type.count for each in program.operations))
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
        if codes.numel() and not own.low <= min(ends := torch.aminmax(codes)) <= max(ends) <= own.high:
            raise InputError(f"the program takes codes from {own.low} to {own.high}; encode samples first")
        if self.program.input.args["sign"] and bool((codes == 0).any()):
            raise InputError("the program takes the codes -1 and 1; encode samples first")
        return torch.cat([self._run(part) for part in codes.chunk(-(-len(codes) // self._samples) or 1)])

    def _run(self, codes: Tensor) -> Tensor:
        own = self.program.input.type
        values = {self.program.input.name: codes.to(_holds(max(-own.low, own.high)))}
        for step in self._steps:
            name = step.operation.name
            read = [values[each].to(step.dtype) for each in step.operation.reads]
            values[name] = step.layer(*read) if step.layer else RUN[step.operation.kind](step, *read)
            for each in set(step.operation.reads):
                if self._last[each] == name and each != self.program.output:
                    del values[each]
        return values[self.program.output].long()


def _step(program: Program, operation: Operation, arithmetic: Arithmetic) -> _Step:
    reads = tuple(program.by_name[name].type for name in operation.reads)
    largest = max(max(-each.low, each.high) for each in (operation.type, *reads))
    dtype = _holds(max(largest, operation.largest_sum))
    if operation.kind == "requantise" and reads[0].divisor != 1:
        dtype = torch.float64  # a quotient is rounded before it is rounded to a code, and must not become a tie by that
    if operation.kind == "table":
        dtype = _holds((reads[0].high - reads[0].low + 1) * (len(operation.args["steps"]) - 1) + largest)
    stored = [program.constants[f"{operation.name}.{part}"] for part in PARTS.get(operation.kind, ())]
    constants = tuple(each.values.to(dtype) for each in stored)
    other = (datapath if arithmetic == "datapath" else wide).layer
    layer = other(operation, reads[0], *stored) if operation.kind in LAYERS else None
    return _Step(operation, reads, dtype, constants, layer)


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


def _table(step: _Step, x: Tensor) -> Tensor:
    """The code behind the last threshold that is reached; rows are laid one after the other, and so are codes."""
    (thresholds, codes), read, how = step.constants, step.reads[0], step.args
    rows = torch.tensor(how["rows"])
    if len(rows) > 1:
        rows = rows.reshape(-1, *[1] * (len(read.shape) - 1 - how["axis"]))
    if len(how["steps"]) > 1:
        starts = torch.arange(len(how["steps"]), dtype=x.dtype) * (read.high - read.low + 1)
        thresholds = thresholds + starts.repeat_interleave(torch.tensor(how["steps"]))
        x = x + starts[rows]
    return codes[torch.bucketize(x.contiguous(), thresholds, right=True) + rows]


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
    """Sums over windows: means that are multiplied by nothing."""
    kernel, stride, padding = ([*[default] * (4 - x.dim()), *step.args[key]] for key, default in
                               (("kernel", 1), ("stride", 1), ("padding", 0)))  # fmt: skip
    flat = x.unsqueeze(2) if x.dim() == 3 else x
    found = functional.avg_pool2d(flat, kernel, stride, padding, divisor_override=1)
    return found.reshape(len(x), *step.operation.type.shape)


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
    "table": _table,
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
