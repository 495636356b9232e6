"""From a graph to its layers, sites and leftovers: who multiplies what by what, and which values that makes sites.

A value that several layers read, also through reshapes, is one site, because it is quantised once, where it is made.
All counts are per sample (one image, not one batch).
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from picojoule.network import ops
from picojoule.network.node import Node

Nodes = Mapping[str, Node]
"""A graph's nodes by name, each after those it reads."""


@dataclass(frozen=True)
class Site:
    """One tensor that a plan gives a format: a layer's weights, or a value that at least one MAC layer reads.

    `tensor` is the node of the graph that makes it; `readers` are the layers that read it, in order; the site is named
    after the first (`conv1.weights`, `conv1.inputs`) and every reader's own name for it is an alias.
    """

    name: str
    kind: str  # "weights" or "inputs"
    tensor: str
    readers: tuple[str, ...]
    count: int  # elements, per sample for inputs
    channels: int  # weights: output channels (axis 0), the grain of channel-wise ranges; inputs: 1
    axis: int = 1  # the dimension over which layers multiply, or -1, the last: along it a format lays blocks

    @property
    def aliases(self) -> tuple[str, ...]:
        """Every name the site answers to, its own first."""
        return tuple(f"{reader}.{self.kind}" for reader in self.readers)


@dataclass(frozen=True)
class Layer:
    """One call of a multiply-accumulate layer. A module used twice is two layers (`fc`, `fc@2`) that share weights."""

    name: str
    kind: str  # "conv1d", "conv2d" or "linear"
    weights: str  # its weights' site
    inputs: str  # its inputs' site
    macs: int
    weight_count: int  # 0 where an earlier layer holds the same weights
    bias_count: int
    input_count: int
    output_count: int  # before any pooling
    outputs: tuple[str, ...]  # the sites its outputs reach before any other layer; empty for the last layer
    reads_input: bool  # it reads the network's own input, through no other layer


@dataclass(frozen=True)
class Leftover:
    """An operation that stays in floating point, and why. `macs` is 0 for element-wise operations."""

    name: str
    op: str
    reason: str
    macs: int


@dataclass(frozen=True)
class Derived:
    """What follows from a graph."""

    layers: tuple[Layer, ...]
    sites: Mapping[str, Site]
    leftovers: tuple[Leftover, ...]
    biases: Mapping[str, str]


def derive(nodes: Nodes) -> Derived:
    """The layers, sites and leftovers of a network, each in the order of its nodes."""
    calls, leftovers = _calls(nodes)
    sites = _sites(nodes, calls)
    by_tensor = {site.tensor: site.name for site in sites.values()}
    reached = _reached_sites(nodes, calls, by_tensor)
    image = _image(nodes)
    held: set[str] = set()
    layers = []
    for call in calls:
        layers.append(_layer(nodes, call, by_tensor, reached[call.node.name], held, call.inputs in image))
        held.update(list(call.node.refs())[1:])
    biases = MappingProxyType(_biases(nodes, calls, by_tensor))
    return Derived(tuple(layers), MappingProxyType(sites), tuple(leftovers), biases)


@dataclass(frozen=True)
class _Call:
    """One call of a layer: its node, its name, the tensors it reads."""

    node: Node
    name: str
    weights: str
    inputs: str


def base(nodes: Nodes, name: str) -> str:
    """The node that makes the value `name`: through reshapes back to where its elements come from."""
    node = nodes[name]
    while _moves(node.op):
        node = nodes[next(node.refs())]
    return node.name


@cache
def _moves(op: str) -> bool:
    """Whether an operation only rearranges its first argument's elements."""
    return op.startswith("aten.") and ops.short(op) in ops.VIEW


def _bases(nodes: Nodes) -> dict[str, str]:
    """The base of every node at once, for a chain of reshapes may be long."""
    bases: dict[str, str] = {}
    for node in nodes.values():
        bases[node.name] = bases[next(node.refs())] if _moves(node.op) else node.name
    return bases


def _calls(nodes: Nodes) -> tuple[list[_Call], list[Leftover]]:
    calls: list[_Call] = []
    leftovers: list[Leftover] = []
    times: dict[str, int] = {}
    bases = _bases(nodes)
    for node in nodes.values():
        if node.op in ops.MAC:
            inputs, weights = list(node.refs())[:2]
            reason = _why_float(nodes, bases[inputs], weights)
            if reason is None:
                times[weights] = times.get(weights, 0) + 1
                stem = weights.removesuffix(".weight")
                name = stem if times[weights] == 1 else f"{stem}@{times[weights]}"
                calls.append(_Call(node, name, weights, bases[inputs]))
            else:
                leftovers.append(Leftover(node.name, node.op, reason, _macs(nodes, node)))
        elif "." in node.op and (leftover := _leftover(nodes, node)) is not None:
            leftovers.append(leftover)
    return calls, leftovers


def _why_float(nodes: Nodes, inputs: str, weights: str) -> str | None:
    """Why a call of a layer cannot be quantised, or None where it can."""
    if nodes[weights].op not in ("parameter", "buffer"):
        return "its weights are computed from the network's values, not stored"
    if nodes[inputs].op in ("parameter", "buffer"):
        return "its inputs are constant"
    return None


def _leftover(nodes: Nodes, node: Node) -> Leftover | None:
    name = ops.short(node.op)
    if name in ops.FLOAT_MAC:
        macs = _macs(nodes, node)
        reason = ops.FLOAT_MAC[name] + ("" if macs else "; its MACs are not known, so it is not in any energy")
        return Leftover(node.name, node.op, reason, macs)
    if "batch_norm" in name and node.op.endswith(".no_stats"):
        return Leftover(node.name, node.op, "it has no running statistics, so its results depend on the batch", 0)
    if "batch_norm" in name:
        return Leftover(node.name, node.op, "it does not follow a layer of its own that it could be folded into", 0)
    if name in ops.EXACT or not node.op.startswith("aten.") or not node.shape:
        return None
    if name in ("mul", "div") and not any(nodes[ref].shape for ref in list(node.refs())[1:]):
        return Leftover(node.name, node.op, "it scales by a constant that need not be a power of two", 0)
    return Leftover(node.name, node.op, f"'{name}' is computed in floating point, element by element", 0)


def _macs(nodes: Nodes, node: Node) -> int:
    """Multiply-accumulates of one call, per sample: outputs times products per output (0 where the shapes hide it)."""
    read = [nodes[ref] for ref in node.refs()]
    shapes = [value.shape for value in read]
    name = ops.short(node.op)
    if name.startswith("conv_transpose") and len(shapes) > 1:
        return read[0].count * math.prod(size or 1 for size in shapes[1][1:])
    if name.startswith(("conv", "linear")) and len(shapes) > 1:
        return node.count * math.prod(size or 1 for size in shapes[1][1:])
    if name in ("matmul", "mm", "bmm") and shapes and shapes[0]:
        return node.count * (shapes[0][-1] or 1)
    if name in ("addmm", "baddbmm") and len(shapes) > 1 and shapes[1]:
        return node.count * (shapes[1][-1] or 1)
    if name in ("lstm", "gru", "rnn_tanh", "rnn_relu") and shapes and shapes[0]:
        matrices = [
            nodes[ref].count for ref in node.refs() if nodes[ref].op == "parameter" and len(nodes[ref].shape) == 2
        ]
        return sum(matrices) * (nodes[next(node.refs())].count // (shapes[0][-1] or 1))
    if name == "scaled_dot_product_attention" and len(shapes) > 2:
        queries = read[0].count
        return queries * (shapes[1][-2] or 1) + (queries // (shapes[0][-1] or 1)) * (shapes[1][-2] or 1) * (
            shapes[2][-1] or 1
        )
    return 0


def _sites(nodes: Nodes, calls: list[_Call]) -> dict[str, Site]:
    """For each layer in order its inputs' site, then its weights', each once, under its first reader's name."""
    readers: dict[tuple[str, str], list[_Call]] = {}
    for call in calls:
        readers.setdefault(("inputs", call.inputs), []).append(call)
        readers.setdefault(("weights", call.weights), []).append(call)
    sites = {}
    for (kind, tensor), theirs in readers.items():
        node, names = nodes[tensor], tuple(call.name for call in theirs)
        channels = node.shape[0] or 1 if kind == "weights" else 1
        axis = 1 if kind == "weights" else _axis(nodes, node, theirs)
        site = Site(f"{names[0]}.{kind}", kind, tensor, names, node.count, channels, axis)
        sites[site.name] = site
    return sites


def _axis(nodes: Nodes, value: Node, readers: list[_Call]) -> int:
    """Over which dimension a value is multiplied: its last where dense layers alone read it, with that dimension as it
    is, or where dimension 1 is the batch; else 1."""
    read = (nodes[next(call.node.refs())].shape for call in readers)
    kinds = {ops.MAC[call.node.op] for call in readers}
    by_rows = kinds == {"linear"} and all(shape[-1] == value.shape[-1] for shape in read)
    return -1 if len(value.shape) > 2 and (by_rows or value.shape[1] is None) else 1


def _biases(nodes: Nodes, calls: list[_Call], by_tensor: Mapping[str, str]) -> dict[str, str]:
    """For each site of weights that one call alone reads, the bias of that call, if nothing else reads it either."""
    reads = Counter(ref for node in nodes.values() for ref in node.refs())
    found = {}
    for call in calls:
        _, weights, *others = (nodes[ref] for ref in call.node.refs())
        for bias in others[:1]:
            stored = bias.op in ("parameter", "buffer") and len(weights.shape) > 1 and bias.shape == weights.shape[:1]
            if stored and reads[weights.name] == reads[bias.name] == 1:
                found[by_tensor[weights.name]] = bias.name
    return found


def _reached_sites(nodes: Nodes, calls: list[_Call], by_tensor: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """For each layer's node the sites that its outputs reach before any other layer."""
    readers: dict[str, list[str]] = {}
    for node in nodes.values():
        for ref in node.refs():
            readers.setdefault(ref, []).append(node.name)
    stops = {call.node.name for call in calls}
    reached = {}
    for call in calls:
        found: dict[str, None] = {}
        visited: set[str] = set()
        queue = [call.node.name]
        while queue:
            name = queue.pop(0)
            if name in visited:
                continue
            visited.add(name)
            if name in by_tensor:
                found[by_tensor[name]] = None
            else:
                queue += [reader for reader in readers.get(name, []) if reader not in stops]
        reached[call.node.name] = tuple(found)
    return reached


def _image(nodes: Nodes) -> set[str]:
    """The values that come from the network's input through no multiply-accumulates: the image, however prepared."""
    found: set[str] = set()
    for node in nodes.values():
        values = [ref for ref in node.refs() if nodes[ref].op not in ("parameter", "buffer")]
        multiplies = node.op in ops.MAC or ("." in node.op and ops.short(node.op) in ops.FLOAT_MAC)
        if node.op == "input" or (values and not multiplies and all(ref in found for ref in values)):
            found.add(node.name)
    return found


def _layer(
    nodes: Nodes, call: _Call, by_tensor: dict[str, str], reached: tuple[str, ...], held: set[str], reads_input: bool
) -> Layer:
    """A layer's counts; stored tensors that an earlier layer holds are not counted again."""
    refs = list(call.node.refs())
    counts = [0 if ref in held else nodes[ref].count for ref in refs[1:3]]
    return Layer(
        name=call.name,
        kind=ops.MAC[call.node.op],
        weights=by_tensor[call.weights],
        inputs=by_tensor[call.inputs],
        macs=_macs(nodes, call.node),
        weight_count=counts[0],
        bias_count=sum(counts[1:]),
        input_count=nodes[call.inputs].count,
        output_count=call.node.count,
        outputs=reached,
        reads_input=reads_input,
    )
