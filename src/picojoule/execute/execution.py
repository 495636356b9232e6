"""A network at a plan, run step by step as fast as torch lets it: what evaluation runs on.

On the CPU values lie channels last, convolutions of sites of at most 8 bits run on bytes, rectifiers and quantisers
work in place, and maxima over windows are taken without the book that `max_pool2d` keeps of where they lay. What a
step gives depends on the choices at the sites upstream alone, never on what else ran.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from picojoule.errors import InputError
from picojoule.execute.codes import Codes, Grid, encode, grid_of
from picojoule.execute.integers import Weights, convolve, serves
from picojoule.execute.steps import Step, Steps, arguments, pair
from picojoule.network import Node, ops
from picojoule.network.node import fill
from picojoule.quantize import Choice

Value = Any
"""What a step makes: a tensor, `Codes` that stand for one, or a tuple of tensors."""

_NEW = frozenset("conv1d conv2d linear add relu max_pool2d avg_pool2d cat".split())
"""Operations whose result is nobody else's memory."""

_AS_IT_LIES = (ops.EXACT | {"conv1d", "conv2d", "linear"}) - {"view", "_unsafe_view", "view_as"}
"""Operations that take tensors however they lie in memory."""


class Execution:
    """One network at one choice per site. `stored` are its tensors by name, layers' weights as `Weights`."""

    def __init__(self, steps: Steps, choices: Mapping[str, Choice], stored: Mapping[str, Any]) -> None:
        self._steps, self._choices, self.stored = steps, choices, stored
        self._grids = {site: grid_of(choice) for site, choice in choices.items()}
        self._on_bytes = {step.name for step in steps.steps if self._can_run_on_bytes(step)}
        self._as_bytes = {step.inputs for step in steps.steps if step.name in self._on_bytes}

    def begin(self, x: Tensor) -> dict[str, Value]:
        """What is known of a batch before any step is taken, by name."""
        values: dict[str, Value] = {**self.stored}
        for node in self._steps.sizes:
            values[node.name] = self._size(node, values, len(x))
        return values

    def raw(self, step: Step, values: Mapping[str, Value], x: Tensor) -> Value:
        """What a step makes of the values it reads, not yet quantised; x is the network's input.

        Raises:
            InputError: torch refuses; the message names the step.
        """
        if step.node.op == "input":
            return x
        try:
            return self._raw(step, values, x)
        except (RuntimeError, ValueError, LookupError, TypeError) as error:
            said = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(f"the network fails at '{step.node.name}' ({step.node.op}): {said}") from error

    def value(self, step: Step, values: Mapping[str, Value], x: Tensor) -> Value:
        """A step's value as its readers see it, where nobody needs the one before it was quantised.

        Raises:
            InputError: as `raw`.
        """
        if step.site is None:
            return self.raw(step, values, x)
        grid = self._grids[step.site] if step.site in self._as_bytes else None
        if grid is not None and grid.low == 0 and step.name in self._on_bytes:
            return Codes(self._convolved(step, values, grid), grid.step, 0)
        return self.quantized(step, self.raw(step, values, x), overwrite=True)

    def quantized(self, step: Step, raw: Value, overwrite: bool = False) -> Value:
        """A step's value at its site's choice; `overwrite` says that nobody needs the raw one any more."""
        assert step.site is not None
        choice = self._choices[step.site]
        if not choice.format.rounds:
            return raw
        raw = _numbers(raw)
        grid = self._grids[step.site] if step.site in self._as_bytes else None
        if grid is not None:
            return encode(raw, grid)
        return choice.quantize(raw, out=raw if overwrite and step.short in _NEW else None)

    def _raw(self, step: Step, values: Mapping[str, Value], x: Tensor) -> Value:
        first = values[step.reads[0]] if step.reads else None
        if step.name in self._on_bytes:
            return self._convolved(step, values)
        args, kwargs = step.node.args, dict(step.node.kwargs)
        window = _window(step.node) if step.short == "max_pool2d" else None
        if window is not None:
            return _each(first, lambda value: _largest(value, *window))
        if step.short in ops.VIEW and isinstance(first, Codes):
            values = {**values, step.reads[0]: first.bytes}
        read = {ref: self._read(step, values[ref]) for ref in step.refs}
        if step.node.op in ops.FACTORY:
            kwargs |= ops.like(x, kwargs)
        filled = {key: fill(argument, read) for key, argument in kwargs.items()}
        result = step.function(*(fill(argument, read) for argument in args), **filled)
        if step.short in ops.VIEW and isinstance(first, Codes):
            return Codes(result, first.step, first.zero)
        return result.relu_() if step.relu else result

    def _convolved(self, step: Step, values: Mapping[str, Value], to: Grid | None = None) -> Tensor:
        assert step.inputs is not None
        assert step.weights is not None
        assert step.how is not None
        grid = self._grids[step.inputs]
        assert grid is not None
        value = values[step.reads[0]]
        codes = value if isinstance(value, Codes) else encode(value, grid)
        bias = values[step.refs[2]] if len(step.refs) > 2 else None
        return convolve(codes, values[step.weights], bias, step.how, step.relu, to)

    def _read(self, step: Step, value: Value) -> Any:
        """A value as an operation of torch may read it."""
        if isinstance(value, Weights):
            return value.values
        value = _numbers(value)
        if not isinstance(value, Tensor):
            return value
        if step.short == "conv2d" and value.is_cpu and value.dim() == 4:
            return value.contiguous(memory_format=torch.channels_last)
        return value if step.short in _AS_IT_LIES else value.contiguous()

    def _can_run_on_bytes(self, step: Step) -> bool:
        if step.how is None or step.inputs is None or step.weights is None:
            return False
        grid, weights = self._grids[step.inputs], self.stored[step.weights]
        if grid is None or weights.bytes is None or not step.how.is_ordinary(weights.values.shape[2:]):
            return False
        return serves(grid.step)

    def _size(self, node: Node, values: Mapping[str, Value], batch: int) -> Any:
        if node.op != "aten.sym_size.int":
            return ops.resolve(node.op)(*(fill(argument, values) for argument in node.args))
        of, dim = node.args
        read = self._steps.nodes[of.node]
        size = read.shape[dim]
        return batch * read.rows if size is None else size


def _numbers(value: Value) -> Value:
    return value.values() if isinstance(value, Codes) else value


def _each(value: Value, function: Callable[[Tensor], Tensor]) -> Value:
    return value.moved(function) if isinstance(value, Codes) else function(value)


def _window(node: Node) -> tuple[int, int, int, int] | None:
    """Height and width of a pooling window and its steps; None where it goes beyond the image, or has holes."""
    given = arguments(node, "input kernel stride padding dilation ceil_mode")
    kernel = pair(given.get("kernel", given.get("kernel_size")))
    rest = [pair(given.get("padding", 0)), pair(given.get("dilation", 1)), given.get("ceil_mode", False)]
    if len(node.shape) != 4 or rest != [(0, 0), (1, 1), False] or kernel == (1, 1):
        return None
    return (*kernel, *pair(given.get("stride") or kernel))


def _largest(x: Tensor, height: int, width: int, down: int, right: int) -> Tensor:
    """The largest number of each window of images [n, c, h, w]; NaN where there is one."""
    rows, columns = x.shape[2] - height + 1, x.shape[3] - width + 1
    x = reduce(torch.maximum, (x[:, :, :, k : k + columns : right] for k in range(width)))
    return reduce(torch.maximum, (x[:, :, k : k + rows : down] for k in range(height)))
