"""From any network to one that can be trained at a plan: every layer with a bias of its own, the activations asked for,
weights on the scale of [-1, 1], and the published formats for a bit count.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from picojoule.calibration import OBSERVERS, Range, Ranges, Statistics
from picojoule.calibration.observers import covering, end_of
from picojoule.errors import InputError
from picojoule.formats import Binary, Fixed, Float32, Format
from picojoule.network import Network, Node, Ref, ops
from picojoule.network.fold import free
from picojoule.plan import Plan

ACTIVATIONS = {"relu": "aten.relu.default", "hardtanh": "aten.hardtanh.default"}
FLOAT_BITS, INPUT_BITS = 32, 8
FILL = 0.5
"""The largest of a layer's weights at first: far from the ends, so that they can grow, and not all zero at 2 bits; 1
where a format makes that zero."""

_RECTIFIERS = ("aten.relu.default", "aten.relu6.default", "aten.hardtanh.default")
_KEEPS_SIGN = ops.VIEW | frozenset(
    "max_pool1d max_pool2d avg_pool1d avg_pool2d adaptive_avg_pool1d adaptive_avg_pool2d mean sum add cat".split()
)
"""Operations that make nothing negative of what is not."""


def plan_at(network: Network, bits: int | None) -> Plan:
    """The published formats: the image 8 bits, all else so many; one bit is the sign; 32 is floating point.

    Raises:
        InputError: bits are neither 1 to 16 nor 32.
    """
    if type(bits) is not int or not (1 <= bits <= 16 or bits == FLOAT_BITS):
        raise InputError(f"bits {bits!r} cannot be trained at; give 1 to 16, or 32 for floating point")
    format: Format = Float32() if bits == FLOAT_BITS else Binary() if bits == 1 else Fixed(bits)
    image = {layer.inputs for layer in network.layers if layer.reads_input} if format.rounds else set()
    return Plan({site: Fixed(INPUT_BITS) if site in image else format for site in network.sites})


def with_activation(network: Network, plan: Plan, activation: str) -> Network:
    """The network with one activation everywhere; what signs come of goes through the hard tangent.

    Raises:
        InputError: no such activation.
    """
    if activation not in ACTIVATIONS:
        raise InputError(f"activation '{activation}' is not known; choose one of {', '.join(ACTIVATIONS)}")
    nodes = []
    for node in network.nodes:
        if node.op in _RECTIFIERS:
            signs = any(isinstance(plan.formats[site], Binary) for site in _next_sites(network, node.name))
            name = "hardtanh" if signs else activation
            node = replace(node, op=ACTIVATIONS[name], args=(Ref(next(node.refs())),), kwargs={})
        nodes.append(node)
    return replace(network, nodes=tuple(nodes))


def with_biases(network: Network) -> Network:
    """The network with a bias of its own for every layer, all zero: what batch norm folds into.

    Raises:
        InputError: two layers share their weights.
    """
    nodes: list[Node] = []
    tensors = dict(network.tensors)
    layers = {network.sites[layer.weights].tensor: layer for layer in network.layers}
    for site in network.sites.values():
        if len(site.readers) > 1 and site.kind == "weights":
            raise InputError(
                f"layer '{site.readers[0]}' is used {len(site.readers)} times, and batch norm differs from use to use; "
                "give each its own weights"
            )
    for node in network.nodes:
        _, weights, *_ = [*node.refs(), "", ""]
        if node.op in ops.MAC and weights in layers:
            size = tensors[weights].shape[0]
            name = free(f"{layers[weights].name}.bias", {*tensors, *(each.name for each in network.nodes)})
            if network.biases.get(layers[weights].weights) is not None:
                name = network.biases[layers[weights].weights]
            else:
                nodes.append(Node(name, "parameter", shape=(size,)))
                node = replace(node, args=(*node.args[:2], Ref(name), *node.args[3:]))
            tensors[name] = torch.zeros(size)
        nodes.append(node)
    read = {ref for node in nodes for ref in node.refs()}
    kept = tuple(node for node in nodes if node.op not in ("parameter", "buffer") or node.name in read)
    return Network(kept, {node.name: tensors[node.name] for node in kept if node.name in tensors}, network.output)


def with_unit_weights(network: Network, plan: Plan) -> Network:
    """The network with each layer's weights on a scale of ours; batch norm makes up for it."""
    tensors = dict(network.tensors)
    for site in network.sites.values():
        if site.kind == "weights" and plan.formats[site.name].rounds:
            largest, format = tensors[site.tensor].abs().amax(), plan.formats[site.name]
            lost = bool(format.quantize(torch.full((1,), FILL), unit_exponent(format)) == 0)
            tensors[site.tensor] = tensors[site.tensor] * ((1 if lost else FILL) / torch.where(largest > 0, largest, 1))
    return replace(network, tensors=tensors)


def unit_exponent(format: Format) -> int:
    """The least exponent at which a format's numbers cover [-1, 1]: 0 for fixed point."""
    return covering(1.0, end_of(format, signed=True))


def unit_end(format: Format) -> float:
    """Where a format's numbers end at that exponent, and weights are clipped: 1 for fixed point, else at least 1,
    infinite where blocks find scales of their own."""
    return end_of(format, signed=True) * 2.0 ** unit_exponent(format) if format.rounds else math.inf


def unit_ranges(network: Network, plan: Plan, x: Tensor) -> Ranges:
    """The published ranges: [-1, 1], or [0, 1] after a rectifier; of the image the power of two that suits x best."""
    sites: dict[str, Range] = {}
    for site in network.sites.values():
        if site.kind == "inputs" and site.tensor == network.input.name:
            sites[site.name] = _image_range(x, plan.formats[site.name])
        else:
            signed = site.kind == "weights" or not _rectified(network, site.tensor)
            sites[site.name] = Range((unit_exponent(plan.formats[site.name]),), signed)
    return Ranges(sites, network.input_shape)


def _next_sites(network: Network, name: str) -> set[str]:
    """The sites that a value has a part in, before anything else is rounded on the way."""
    sites = {site.tensor: site.name for site in network.sites.values()}
    found: set[str] = set()
    reach: set[str] = set()
    for node in network.nodes:
        if node.name == name or any(ref in reach for ref in node.refs()):
            if node.name in sites:
                found.add(sites[node.name])
            else:
                reach.add(node.name)
    return found


def layer_nodes(network: Network) -> Iterator[tuple[str, Node]]:
    """Each layer's name with the node that computes it."""
    by_weights = {network.sites[layer.weights].tensor: layer.name for layer in network.layers}
    for node in network.nodes:
        if node.op in ops.MAC and (name := by_weights.get(list(node.refs())[1])) is not None:
            yield name, node


def _image_range(x: Tensor, format: Format) -> Range:
    signed = bool(x.min() < 0)
    if not format.rounds:
        return Range((0,), signed)
    values = x.reshape(1, -1)[:, :: max(1, x.numel() >> 16)]
    return Range(OBSERVERS["mse"](Statistics(values, values.abs().amax(dim=1), float(x.min())), format, signed), signed)


def _rectified(network: Network, name: str) -> bool:
    """Whether a value comes from rectifiers alone, and is never negative."""
    node = network.by_name[name]
    if node.op == ACTIVATIONS["relu"]:
        return True
    values = [ref for ref in node.refs() if network.by_name[ref].shape]
    return _short(node) in _KEEPS_SIGN and bool(values) and all(_rectified(network, ref) for ref in values)


def _short(node: Node) -> str:
    return ops.short(node.op) if "." in node.op else node.op
