"""A network's graph as the steps that a fast run takes: what each calls, and what its value depends on.

A rectifier that alone reads a layer or a sum is taken into its step. Weights, biases and sizes are no steps: they are
known before a batch comes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from picojoule.execute.integers import Convolution
from picojoule.network import Network, Node, ops
from picojoule.network.derive import base

_FINITE = frozenset("sigmoid hardsigmoid tanh silu hardswish gelu elu leaky_relu mul".split())
"""Operations in floating point that make no NaN of finite numbers, as those that are exact make none."""


@dataclass(frozen=True)
class Step:
    """One operation, or a layer or sum with its rectifier, and the name of the value that it makes.

    `reads` are other steps' values. `site` is where the value is quantised, `upstream` are the sites it depends on
    before that. Of layers, `weights` names the tensor, `inputs` the site, and `how` is set where bytes may serve.
    """

    name: str
    node: Node
    reads: tuple[str, ...]
    relu: bool
    site: str | None
    upstream: tuple[str, ...]
    finite: bool
    weights: str | None = None
    inputs: str | None = None
    how: Convolution | None = None
    macs: int = 0

    @cached_property
    def short(self) -> str:
        """The operation's bare name; that of the network's input is `input`."""
        return ops.short(self.node.op) if "." in self.node.op else self.node.op

    @cached_property
    def refs(self) -> tuple[str, ...]:
        """Everything it reads, stored tensors and sizes included, in order of its arguments."""
        return tuple(self.node.refs())

    @cached_property
    def function(self) -> Callable[..., Any]:
        """What it calls."""
        return ops.resolve(self.node.op)


@dataclass(frozen=True)
class Steps:
    """All steps in order, each stored tensor's site by its name, and the nodes that follow from the batch's size."""

    steps: tuple[Step, ...]
    stored: Mapping[str, str | None]
    sizes: tuple[Node, ...]
    nodes: Mapping[str, Node]


def steps_of(network: Network) -> Steps:
    """The steps of a network."""
    sites = {site.tensor: site.name for site in network.sites.values()}
    taken = _taken(network, sites)
    macs = _macs(network)
    stored = {node.name: sites.get(node.name) for node in network.nodes if node.op in ("parameter", "buffer")}
    sizes = _sizes(network)
    known = stored.keys() | {node.name for node in sizes}
    steps: dict[str, Step] = {}
    for node in network.nodes:
        if node.name in known or node.name in taken.values():
            continue
        call = network.by_name[taken.get(node.name, node.name)]
        reads = tuple(dict.fromkeys(ref for ref in call.refs() if ref not in known))
        upstream = {site for ref in call.refs() if ref in stored and (site := stored[ref])}
        for ref in reads:
            upstream |= {*steps[ref].upstream, *filter(None, (steps[ref].site,))}
        inputs, weights = _layer(network, call, sites)
        steps[node.name] = Step(
            name=node.name,
            node=call,
            reads=reads,
            relu=node.name in taken,
            site=sites.get(node.name),
            upstream=tuple(site for site in network.sites if site in upstream),
            finite=_finite(call) and all(steps[ref].finite for ref in reads),
            weights=weights,
            inputs=inputs,
            how=_how(call) if inputs and steps[base(network.by_name, reads[0])].finite else None,
            macs=macs.get(call.name, 0),
        )
    return Steps(tuple(steps.values()), stored, sizes, network.by_name)


def _taken(network: Network, sites: Mapping[str, str]) -> dict[str, str]:
    """For each rectifier that is taken into the step before it, that step's node."""
    readers: dict[str, int] = {}
    for node in network.nodes:
        for ref in node.refs():
            readers[ref] = readers.get(ref, 0) + 1
    taken = {}
    for node in network.nodes:
        if node.op == "aten.relu.default":
            before = network.by_name[next(node.refs())]
            alone = readers[before.name] == 1 and before.name not in sites and before.name != network.output
            if alone and (before.op in ops.MAC or before.op == "aten.add.Tensor"):
                taken[node.name] = before.name
    return taken


def _layer(network: Network, node: Node, sites: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The site of a layer's inputs and the name of its weights; nothing for what is no layer that a plan quantises."""
    if node.op not in ops.MAC:
        return None, None
    inputs, weights = list(node.refs())[:2]
    site = sites.get(base(network.by_name, inputs))
    return (site, weights) if weights in sites and site is not None else (None, None)


def _sizes(network: Network) -> tuple[Node, ...]:
    """The nodes that are worked out from the batch's size alone."""
    found: dict[str, Node] = {}
    for node in network.nodes:
        arithmetic = node.op.startswith("operator.") and all(ref in found for ref in node.refs())
        if node.op == "aten.sym_size.int" or arithmetic:
            found[node.name] = node
    return tuple(found.values())


def _macs(network: Network) -> dict[str, int]:
    """Multiply-accumulates per sample of the nodes that have any."""
    left = {leftover.name: leftover.macs for leftover in network.leftovers}
    layers = (node.name for node in network.nodes if node.op in ops.MAC and node.name not in left)
    return left | {name: layer.macs for name, layer in zip(layers, network.layers, strict=True)}


def _finite(node: Node) -> bool:
    name = ops.short(node.op) if "." in node.op else node.op
    return node.op in ops.MAC or name in ops.EXACT or name in _FINITE or name == "input"


def _how(node: Node) -> Convolution | None:
    """The arguments of a two-dimensional convolution with its padding in numbers."""
    if node.op != "aten.conv2d.default":
        return None
    given = arguments(node, "input weight bias stride padding dilation groups")
    stride, padding, dilation = (
        pair(given.get("stride", 1)),
        pair(given.get("padding", 0)),
        pair(given.get("dilation", 1)),
    )
    groups = given.get("groups", 1)
    known = all(isinstance(number, int) for number in (*stride, *padding, *dilation, groups))
    return Convolution(list(stride), list(padding), list(dilation), groups) if known else None


def arguments(node: Node, names: str) -> dict[str, Any]:
    """A node's arguments by the names they have in its operation."""
    return {**dict(zip(names.split(), node.args, strict=False)), **node.kwargs}


def pair(size: Any) -> tuple[Any, Any]:
    """One size for height and width, or one for each."""
    height, *width = size if isinstance(size, tuple) else (size,)
    return height, *(width or [height])
