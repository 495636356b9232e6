"""From a network at a plan to its program: which integers each value has, and which operations compute them.

Rounding happens at sites alone, and every type's bounds are proved: from the codes of what is read, and of a layer from
its very weights. What an operation on values becomes stands in `rules.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from picojoule.calibration import Ranges
from picojoule.errors import InputError
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.lowering.rules import RULES, convolution, remedy
from picojoule.integer.lowering.sinking import sunk
from picojoule.integer.lowering.sites import Site, rounded, site_of
from picojoule.integer.lowering.tables import MOVES, origins, table
from picojoule.integer.lowering.weights import stored_weights
from picojoule.integer.program import Program
from picojoule.integer.types import LARGEST, Constant
from picojoule.network import Layer, Network, Node, ops
from picojoule.plan import Plan
from picojoule.quantize import Choice, choices, layers_by_node, settled

_APART = frozenset(("parameter", "buffer")) | ops.FACTORY
"""What is no value of the network: it does not depend on the input."""


def lower(network: Network, plan: Plan, ranges: Ranges) -> Program:
    """The program of a network at a plan; the network with whole biases (`quantize.settled`) gives the same.

    Raises:
        InputError: something has no exact integers: a layer or a value in floating point, an operation that is not
            known, sums that may leave 53 bits. The message names it.
        PlanError: plan or ranges do not fit the network.
    """
    network, ranges = settled(network, plan, ranges)
    chosen = choices(network, plan.expand(network), ranges)
    lowering = _Lowering(network, chosen)
    for node in network.nodes:
        lowering.add(node)
    return sunk(lowering.program())


class _Lowering:
    """A network as far as it is lowered: by node, the value of the program that it became.

    What has exact integers only once it is rounded waits until then, with the error that it is otherwise.
    """

    def __init__(self, network: Network, chosen: Mapping[str, Choice]) -> None:
        self._network, self._chosen = network, chosen
        self._sites = {site.tensor: name for name, site in network.sites.items() if site.kind == "inputs"}
        self._layers = layers_by_node(network)
        self._values: dict[str, str] = {}
        self._waiting: dict[str, InputError] = {}
        self._origins: dict[str, tuple[str, ...]] = {}
        self._tables: dict[tuple[str, str], str] = {}
        self._made = Builder()

    def add(self, node: Node) -> None:
        """Lower a node, and round its value where it is a site."""
        if node.op in _APART or not node.shape:  # a stored tensor, or the size of a batch
            return
        if node.shape[0] is not None or node.rows != 1:
            raise InputError(f"'{node.name}' mixes the samples of a batch; a program runs one sample after the other")
        if node.op == "input":
            self._values[node.name] = self._input(node)
            self._origins[node.name] = (node.name,)
            return
        found = origins(self._network, node, self._origins)
        try:
            self._values[node.name] = self._lowered(node, pointwise=bool(found))
            found = (node.name, *found)
        except InputError as error:
            if not found and not self._moves(node):
                raise
            self._waiting[node.name] = error
        self._origins[node.name] = found
        if (name := self._sites.get(node.name)) is not None:
            self._values[node.name] = self._rounded(node, site_of(name, self._chosen[name]))
            self._origins[node.name] = (node.name,)

    def program(self) -> Program:
        """What was lowered, the output with one exponent for all of it."""
        output = self._made.aligned(self._value(self._network.output))
        return self._made.program(output)

    def _lowered(self, node: Node, pointwise: bool) -> str:
        """A node's value, not rounded.

        Raises:
            InputError: it has no exact integers.
        """
        name = ops.short(node.op)
        if node.op in ops.MAC:
            return self._layer(node)
        if name in RULES:
            return RULES[name](self._made, node, [self._value(ref) for ref in self._read(node)])
        raise InputError(f"'{node.name}' ({name}) has no exact integers; {remedy(name, pointwise)}")

    def _moves(self, node: Node) -> bool:
        """Whether a node only moves values of which some wait."""
        return ops.short(node.op) in MOVES and any(ref in self._waiting for ref in node.refs())

    def _read(self, node: Node) -> list[str]:
        """The nodes whose values a node reads."""
        stored = [ref for ref in node.refs() if self._network.by_name[ref].op in ("parameter", "buffer")]
        if stored and node.op not in ops.MAC:
            raise InputError(f"'{node.name}' reads the stored tensor '{stored[0]}', which has no place in a program")
        return [ref for ref in node.refs() if self._network.by_name[ref].shape]

    def _value(self, name: str) -> str:
        if name in self._waiting and name not in self._values:
            raise self._waiting[name]
        if name not in self._values:
            raise InputError(f"'{name}' is no value that depends on the network's input; it has no place in a program")
        return self._values[name]

    def _input(self, node: Node) -> str:
        name = self._sites.get(node.name)
        if name is None:
            raise InputError("no layer reads the network's input itself, so that no site makes integers of it")
        site = site_of(name, self._chosen[name])
        how: dict[str, Any] = {"shape": [size for size in node.shape if size is not None]}
        how |= {"low": site.low, "high": site.high, "exponent": site.exponent, "sign": site.sign}
        if site.members and not site.sign:
            how["members"] = [*site.members]
        return self._made.emit(node.name, "input", (), **how)

    def _rounded(self, node: Node, site: Site) -> str:
        """A node's value rounded to a site; what waits is rounded before it is moved."""
        if node.name in self._values:
            return rounded(self._made, self._values[node.name], site)
        if found := self._origins[node.name]:
            key = node.name, site.name
            if key not in self._tables:
                self._tables[key] = table(self._made, self._network, node, found[0], self._values[found[0]], site)
            return self._tables[key]
        name = ops.short(node.op)
        if site.members and 0 not in site.members and "pad" in name:
            raise self._waiting[node.name]
        moved = [self._rounded(self._network.by_name[ref], site) for ref in self._read(node)]
        return RULES[name](self._made, node, moved)

    def _layer(self, node: Node) -> str:
        """A convolution or a dense layer."""
        layer, names = self._layers.get(node.name), list(node.refs())
        if layer is None:
            told = next((each.reason for each in self._network.leftovers if each.name == node.name), "")
            raise InputError(f"layer '{node.name}' stays in floating point{told and ': '}{told}")
        read = self._value(names[0])
        tensor = self._network.tensors[self._network.sites[layer.weights].tensor]
        weights, exponents = stored_weights(self._chosen[layer.weights], tensor, layer.weights)
        step = self._made.type(read).exponents[0]
        stored = self._network.tensors[names[2]] if len(names) > 2 else None
        bias = _whole(stored, [step + each for each in exponents], layer)
        how: dict[str, Any] = {}
        if layer.kind != "linear":
            read, how = convolution(self._made, node, read, weights.values.shape[2:])
        return self._made.emit(layer.name, layer.kind, (read,), weights, bias, exponents=exponents, **how)


def _whole(bias: Tensor | None, exponents: Sequence[int], layer: Layer) -> Constant:
    """A bias in whole steps of the sums."""
    if bias is None:
        return Constant(torch.zeros(len(exponents), dtype=torch.int64), 2, "signed")
    whole = (bias.double() / torch.tensor(exponents, dtype=torch.float64).exp2()).round()
    largest = float(whole.abs().max())
    if largest > LARGEST:
        raise InputError(
            f"layer '{layer.name}' has a bias of more than 53 bits in steps of its sums; give it fewer bits"
        )
    return Constant(whole.long(), max(2, int(largest).bit_length() + 1), "signed")
