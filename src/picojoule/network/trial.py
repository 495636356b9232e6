"""A trial run of a graph on torch's meta device, where tensors have a shape and a type but no elements.

A network's file may come from a stranger. Before its graph first runs on memory, this finds at little cost what every
step really gives: whether it runs at all, whether its shape is the declared one, and how much memory it takes.
"""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from picojoule.errors import CaptureError
from picojoule.network import ops
from picojoule.network.node import Node, fill

LARGEST = 2**26
"""Elements of one value for one sample: 256 MiB in float32."""
SPARE = 2**30
"""Bytes that a batch may take at once beyond sixteen times the largest value that the graph declares for it."""
MOST_CALLS = 2**15
"""Operations that one trial may take, down to those that others are made of: ten seconds at worst."""

_GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
"""Recurrent layers: name → gates."""


def trial(nodes: Sequence[Node], tensors: Mapping[str, Tensor], output: str, batch: int) -> None:
    """Run a graph on nothing but shapes, for a batch of so many samples.

    Raises:
        CaptureError: a step cannot run, gives another shape than it declares, or takes too much memory; the message
            names it.
    """
    values: dict[str, Any] = {}
    ends = last_reads(nodes, output)
    limit = SPARE + 16 * 4 * batch * max(node.count for node in nodes)
    with torch.no_grad(), warnings.catch_warnings(), _Meter(limit) as meter:
        warnings.simplefilter("ignore")  # whatever there is to warn of, the real run will
        for node in nodes:
            try:
                values[node.name] = value = _value(node, values, tensors, batch)
                _check_result(node, value, batch)
            except Exception as error:  # of arguments that make no sense torch raises nearly anything
                said = next(iter(str(error).splitlines()), type(error).__name__)
                raise CaptureError(f"node '{node.name}' ({node.op}) cannot run: {said}") from error
            meter.held += _bytes(value) - sum(_bytes(values.pop(name)) for name in ends[node.name])
            meter.made = 0


def last_reads(nodes: Iterable[Node], output: str) -> dict[str, tuple[str, ...]]:
    """For each node the values that nobody reads after it."""
    last = {ref: node.name for node in nodes for ref in node.refs()} | {output: ""}
    return {node.name: tuple(ref for ref in dict.fromkeys(node.refs()) if last[ref] == node.name) for node in nodes}


class _Meter(TorchDispatchMode):
    """Adds up the bytes of all that a step makes, down to the operations that others are made of."""

    def __init__(self, limit: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held = self.made = self._calls = 0
        self._limit = limit

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self._calls += 1
        if self._calls > MOST_CALLS or _pieces(function, args, kwargs) > MOST_CALLS:
            raise CaptureError(f"it takes more than {MOST_CALLS} operations")
        result = function(*args, **kwargs)
        self.made += 0 if function.is_view else _bytes(result)
        if self.held + self.made > self._limit:
            raise CaptureError(f"it takes more than {self._limit >> 20} MiB of memory, far beyond its values")
        return result


def _bytes(value: Any) -> int:
    # By the shape, since numel() overflows.
    return sum(math.prod(each.shape) * each.itemsize for each in tree_leaves(value) if isinstance(each, Tensor))


def _pieces(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """How many tensors an operation that cuts one up will make; 0 for every other operation."""
    if function._schema.name not in ("aten::unbind", "aten::split", "aten::unsafe_split"):
        return 0
    given = {argument.name: value for argument, value in _given(function, args, kwargs)}
    return int(given["self"].shape[given.get("dim", 0)] // max(1, given.get("split_size", 1)))


def _value(node: Node, values: Mapping[str, Any], tensors: Mapping[str, Tensor], batch: int) -> Any:
    """A node's result."""
    if node.op == "input":
        return torch.empty((batch, *(size or 0 for size in node.shape[1:])), device="meta")
    if node.op in ("parameter", "buffer"):
        return torch.empty_like(tensors[node.name], device="meta")
    function = ops.resolve(node.op)
    args = [fill(argument, values) for argument in node.args]
    kwargs = {key: fill(argument, values) for key, argument in node.kwargs.items()}
    if node.op.startswith("operator."):
        _check_scalars(node, args)
    else:
        _check_arguments(function, args, kwargs)
    if ops.short(node.op) in _GATES:
        given = {argument.name: value for argument, value in _given(function, args, kwargs)}
        return _recurrent(_GATES[ops.short(node.op)], **given)
    if node.op in ops.FACTORY:
        kwargs |= ops.like(torch.empty(0, device="meta"), kwargs)
    if node.op == "aten.view.default":  # the meta device does not know how every result will lie in memory
        function = torch.ops.aten.reshape.default
    return function(*args, **kwargs)


def _check_scalars(node: Node, args: Sequence[Any]) -> None:
    """Python's own operators do much more than arithmetic on sizes, with texts for example."""
    if node.op == "operator.getitem":
        fits = len(args) == 2 and isinstance(args[0], list | tuple) and isinstance(args[1], int)
    else:
        fits = all(isinstance(value, int | float) for value in args)
    if not fits:
        raise CaptureError("its arguments are neither sizes nor a list of results")


def _check_arguments(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse what torch would take without looking, and crash on or never return from."""
    for argument, value in _given(function, args, kwargs):
        kind = str(argument.real_type)
        is_choice = kind != str(argument.type)  # a type or a layout, which torch counts, and so takes numbers for
        if value is not None and ("Device" in kind or "Generator" in kind or (is_choice and isinstance(value, int))):
            raise CaptureError(f"its argument '{argument.name}' is {value!r:.40}, which a network may not choose")
        if function._overloadname == "no_stats" and argument.name == "training" and value is not True:
            raise CaptureError("it has no statistics to use")


def _given(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Each argument of an operation's schema that is given, with its value."""
    for index, argument in enumerate(function._schema.arguments):
        if index < len(args) or argument.name in kwargs:
            yield argument, args[index] if index < len(args) else kwargs[argument.name]


def _recurrent(
    gates: int,
    input: Tensor,
    hx: Any,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
    **_: Any,
) -> list[Tensor]:
    """What a recurrent layer gives, without running it step by step: output, last states.

    torch reads its weights without looking at their shapes, so they are looked at here.
    """
    states = hx if isinstance(hx, list | tuple) else [hx]
    directions, outputs, cells = 1 + bidirectional, states[0].shape[-1], states[-1].shape[-1]
    expected: list[tuple[int, ...]] = []
    for layer in range(min(num_layers, len(params))):
        features = outputs * directions if layer else input.shape[-1]
        one = [(gates * cells, features), (gates * cells, outputs)] + [(gates * cells,)] * (2 * has_biases)
        expected += (one + [(outputs, cells)] * (outputs != cells)) * directions
    rows, samples = num_layers * directions, input.shape[0 if batch_first else 1]
    kept = [(rows, samples, outputs)] + [(rows, samples, cells)] * (gates == 4)  # an LSTM's cells beside its outputs
    shapes = [[tuple(each.shape) for each in group] for group in (states, params)]
    if input.dim() != 3 or shapes != [kept, expected]:
        raise CaptureError("its weights or its states do not fit each other")
    torch.empty((*input.shape[:2], gates * cells * directions * num_layers), device="meta")  # what lies in between
    output = torch.empty((*input.shape[:2], outputs * directions), dtype=input.dtype, device="meta")
    return [output, *map(torch.empty_like, states)]


def _check_result(node: Node, value: Any, batch: int) -> None:
    """Refuse a result of another shape than declared, and one that is neither tensors nor a size."""
    if isinstance(value, Tensor):
        if node.shape.count(None) > 1:
            raise CaptureError("its result has the batch in more than one dimension, so that samples mix")
        declared = [batch * node.rows if size is None else size for size in node.shape]
        if list(value.shape) != declared or (node.rows != 1 and None not in node.shape):
            raise CaptureError(f"its result has the shape {list(value.shape)}, not {declared}, for a batch of {batch}")
        return
    is_size = isinstance(value, int | float) and abs(value) < 2**63
    if node.shape or not (is_size or (isinstance(value, list | tuple) and all(isinstance(v, Tensor) for v in value))):
        raise CaptureError(f"its result is of type {type(value).__name__}, not a tensor of shape {list(node.shape)}")
