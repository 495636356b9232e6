"""Cross-layer equalisation: channels between two layers scaled so that the weights of both fill their ranges alike.

What is divided by s > 0 in one output channel of a layer and multiplied by s in the next layer's weights passes what
lies between unchanged, as long as that is positively homogeneous and keeps channels apart: f(x / s) · s = f(x). The
factors are powers of two, so the network computes the very numbers it did.

Source: Nagel, van Baalen, Blankevoort, Welling, *Data-Free Quantization Through Weight Equalization and Bias
Correction*, ICCV 2019, section 4.1: s = sqrt(r1 / r2), r1 and r2 the largest magnitudes of a channel's weights in the
one and the other. One pass, not until nothing changes: that does no better (docs/methods/prepare.md).
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from picojoule.formats.base import power_of_two
from picojoule.network import Network, Node, ops

_MOST = 16
"""Factors are at most 2^16 and at least 2^-16, so that nothing leaves float32."""
_KINDS = {"linear": 2, "conv1d": 3, "conv2d": 4}
"""The dimensions of what a layer of a kind reads and makes where its channels are the second of them."""
_POOLS = {"max_pool1d": 3, "avg_pool1d": 3, "max_pool2d": 4, "avg_pool2d": 4, "adaptive_avg_pool2d": 4}
_IN_ORDER = frozenset("relu view reshape flatten unflatten squeeze unsqueeze contiguous clone detach dropout".split())
"""Operations that are positively homogeneous and leave elements in their order."""


def equalize(network: Network) -> Network:
    """The network with the weights of every pair of layers in a row equalised; it computes the same.

    In a row are two layers of which the second alone reads what the first makes, through rectifiers, pooling and
    reshapes only; both have weights of their own, the first a bias of its own.

    Raises:
        CaptureError: the network cannot run.
    """
    network.try_out(1)
    tensors = dict(network.tensors)
    for first, second in _pairs(network):
        weights, bias, others = first[1], first[2], second[1]
        factors = _factors(tensors[weights], tensors[others])
        tensors[weights] = tensors[weights] / factors.reshape(-1, *[1] * (tensors[weights].dim() - 1))
        tensors[bias] = tensors[bias] / factors
        tensors[others] = tensors[others] * _by_input(factors, tensors[others])
    return Network(network.nodes, tensors, network.output)


def _factors(weights: Tensor, others: Tensor) -> Tensor:
    """What to divide each output channel of the one by, and to multiply in the other: 1 where either is all zero."""
    channels, inputs = len(weights), others.shape[1]  # the inputs of one group of channels, or of all
    ours = weights.abs().flatten(1).amax(1)
    each = others.abs().reshape(len(others), inputs, -1).amax(2)
    theirs = each.reshape(max(1, channels // inputs), -1, inputs).amax(1).reshape(channels, -1).amax(1)
    exponents = (ours / theirs).log2().div(2).round().clamp(-_MOST, _MOST)
    factors = power_of_two(torch.where((ours > 0) & (theirs > 0), exponents, 0).int(), weights)
    assert isinstance(factors, Tensor)
    return factors


def _by_input(factors: Tensor, others: Tensor) -> Tensor:
    """The factors as they broadcast to the second layer's weights, for each group of channels or all as one."""
    outputs, inputs = others.shape[:2]
    groups = max(1, len(factors) // inputs)
    wide = factors.repeat_interleave(groups * inputs // len(factors)).reshape(groups, inputs)
    return wide.repeat_interleave(outputs // groups, 0).reshape(outputs, inputs, *[1] * (others.dim() - 2))


def _pairs(network: Network) -> Iterator[tuple[list[str], list[str]]]:
    """For layers in a row what each reads: inputs, weights, bias."""
    readers: dict[str, list[Node]] = {}
    for node in network.nodes:
        for ref in node.refs():
            if node.op != "aten.sym_size.int":
                readers.setdefault(ref, []).append(node)
    own = {network.sites[site].tensor for site in network.biases}
    for node in network.nodes:
        if node.op in ops.MAC and (refs := list(node.refs()))[1] in own:
            reader = _only_layer_behind(network, readers, node)
            if reader is not None and len(readers[list(reader.refs())[1]]) == 1:
                yield refs, list(reader.refs())


def _only_layer_behind(network: Network, readers: Mapping[str, list[Node]], layer: Node) -> Node | None:
    """The layer that alone reads what a layer makes, channel by channel."""
    if len(layer.shape) != _KINDS[ops.MAC[layer.op]]:
        return None
    node = layer
    while _has(node, layer.shape[1]) and node.name != network.output and len(readers.get(node.name, ())) == 1:
        before, node = node, readers[node.name][0]
        name = ops.short(node.op) if "." in node.op else ""
        if node.op in ops.MAC:
            inputs, weights, *_ = (network.by_name[ref] for ref in node.refs())
            fits = inputs is before and len(inputs.shape) == len(weights.shape) == _KINDS[ops.MAC[node.op]]
            return node if fits and weights.op in ("parameter", "buffer") else None
        if name not in _IN_ORDER and len(before.shape) != _POOLS.get(name):
            return None
    return None


def _has(node: Node, channels: int | None) -> bool:
    """Whether a value holds the channels one behind the other, in its second dimension."""
    if node.shape[:1] != (None,) or node.rows != 1 or len(node.shape) < 2:
        return False
    second = node.shape[1]
    return second == channels or (len(node.shape) == 2 and (second or 0) % (channels or 1) == 0)
