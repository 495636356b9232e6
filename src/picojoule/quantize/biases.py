"""Biases as whole numbers of the steps in which their layer's sums go: what makes a network one of integers.

Such a step is that of the inputs times that of the weights. Where nothing but signs sees the sum, a bias is rounded
down, which changes no sign; elsewhere to the nearest, half to even.
"""

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.calibration import Ranges
from picojoule.formats import Binary
from picojoule.network import Layer, Network, Node, Ref, ops
from picojoule.network.fold import free
from picojoule.plan import Plan
from picojoule.quantize.choice import Choice, choices, shifted_biases
from picojoule.quantize.steps import steps_of, value_steps

_MONOTONE = ops.VIEW | {"max_pool1d", "max_pool2d", "hardtanh"}
"""Operations that give the same whether a sign is taken before or after them."""


class Settled(NamedTuple):
    """A network whose biases are whole, and its ranges, whose shifts are in those biases."""

    network: Network
    ranges: Ranges


def settled(network: Network, plan: Plan, ranges: Ranges) -> Settled:
    """The network with every bias a whole number of steps, so that all sums are integers; it has each layer's own.

    Layers with an operand in floating point are left alone, but for the shifts of their ranges.

    Raises:
        PlanError: the plan or the ranges do not fit the network.
    """
    plan = plan.expand(network)
    chosen = choices(network, plan, ranges)
    tensors = dict(network.tensors) | shifted_biases(network, chosen)
    layers = layers_by_node(network)
    readers = Counter(ref for node in network.nodes for ref in node.refs())
    taken = {node.name for node in network.nodes}
    nodes: list[Node] = []
    for node in network.nodes:
        layer, refs = layers.get(node.name), list(node.refs())
        each = None
        if layer is not None and len(refs) > 2:
            each = sum_steps(chosen[layer.weights], chosen[layer.inputs], network.tensors[refs[1]])
        if layer is not None and each is not None:
            name = refs[2]
            bias = tensors[name].double()
            if readers[name] > 1:  # another layer's steps may be others
                name = free(f"{layer.name}.bias", taken)
                taken.add(name)
                nodes.append(Node(name, "parameter", shape=tuple(bias.shape)))
                node = replace(node, args=(*node.args[:2], Ref(name), *node.args[3:]))
            whole = (bias / each).floor() if is_threshold(network, plan, node.name) else (bias / each).round()
            tensors[name] = (whole * each).float()
        nodes.append(node)
    sites = {site: replace(range, shift=()) for site, range in ranges.sites.items()}
    return Settled(Network(tuple(nodes), tensors, network.output), Ranges(sites, ranges.input_shape))


def layers_by_node(network: Network) -> dict[str, Layer]:
    """By the node that computes it, each layer that a plan quantises."""
    left = {leftover.name for leftover in network.leftovers}
    nodes = (node.name for node in network.nodes if node.op in ops.MAC and node.name not in left)
    return dict(zip(nodes, network.layers, strict=True))


def sum_steps(weights: Choice, inputs: Choice, stored: Tensor) -> Tensor | None:
    """The step in which the sums of a layer with these weights go, one or one for each channel, float64; None where
    weights or inputs are whole numbers of none."""
    if not (weights.format.rounds and inputs.format.rounds) or inputs.format.with_scales:
        return None
    found, read = steps_of(weights, stored), value_steps(inputs)
    return _power(found.exponents) * 2.0 ** read.exponents[0] if found.fit and read.fit else None


def is_threshold(network: Network, plan: Plan, name: str) -> bool:
    """Whether nothing but signs sees a layer's sums."""
    seen_by = reached(network, name)
    return bool(seen_by) and all(isinstance(plan.formats[site], Binary) for site in seen_by or ())


def reached(network: Network, name: str) -> tuple[str, ...] | None:
    """The sites through which alone a value is seen, unchanged but for maxima; None where anything else sees it."""
    sites = {site.tensor: site.name for site in network.sites.values()}
    if name in sites:
        return (sites[name],)
    if name == network.output:
        return None
    found: list[str] = []
    for reader in network.nodes:
        if name in reader.refs():
            through = reached(network, reader.name) if _short(reader) in _MONOTONE else None
            if through is None:
                return None
            found += through
    return tuple(dict.fromkeys(found))


def _short(node: Node) -> str:
    return ops.short(node.op) if "." in node.op else node.op


def _power(exponents: tuple[int, ...]) -> Tensor:
    return torch.tensor(exponents, dtype=torch.float64).exp2()
