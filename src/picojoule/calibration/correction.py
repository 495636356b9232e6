"""Bias correction: what to add to a layer's biases to make up for the mean error that rounding its weights makes.

A layer is linear, so over samples and positions the mean of its error is the error of its weights times the mean of
what each weight is multiplied by. That is measured once, and gives the shift at any format and exponents without a run.

Source: Nagel, van Baalen, Blankevoort, Welling, *Data-Free Quantization Through Weight Equalization and Bias
Correction*, ICCV 2019, section 4.2; there the mean inputs follow from batch norms, here from calibration samples.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from picojoule.network import Network, Node, ops
from picojoule.network.node import fill

_IN_ANY_LAYOUT = dict.fromkeys(("aten.view.default", "aten._unsafe_view.default"), torch.ops.aten.reshape.default)
_CHANNELS = {"conv1d": -2, "conv2d": -3, "linear": -1}
"""Where a layer's inputs have their channels, by its kind."""


def mean_inputs(network: Network, means: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What each weight is multiplied by, its mean over samples and positions, float64 [groups, n], by its site.

    n are the weights of one output channel; all channels of a group of a convolution are multiplied by the same. Sites
    are those with a bias of their own. `means` are values' means over the samples, as batches of one, by node.

    Raises:
        CaptureError: the network cannot run a batch of one.
    """
    network.try_out(1)
    sites = {network.sites[site].tensor: site for site in network.biases}
    values: dict[str, Any] = {name: mean.double().contiguous() for name, mean in means.items()}
    found = {}
    for node in network.nodes:
        refs = list(node.refs())
        if node.op == "aten.sym_size.int":
            of, dim = node.args
            size = network.by_name[of.node].shape[dim]
            values[node.name] = network.by_name[of.node].rows if size is None else size
        elif node.op in ops.MAC and refs[0] in values and refs[1] in sites:
            found[sites[refs[1]]] = _multiplied_by(network, node, values)
        elif _moves(node) and node.name not in values and all(ref in values for ref in refs):
            args, kwargs = fill(node.args, values), {key: fill(each, values) for key, each in node.kwargs.items()}
            values[node.name] = _IN_ANY_LAYOUT.get(node.op, ops.resolve(node.op))(*args, **kwargs)
    return found


def shift(weights: Tensor, rounded: Tensor, inputs: Tensor) -> tuple[float, ...]:
    """What makes up for the mean error of rounded weights [c, n], for each output channel; empty where all is zero.

    `inputs` are their `mean_inputs`. Six digits are all that a mean of samples tells: with them texts stay short, and
    do not change with the order of sums.
    """
    groups, n = inputs.shape
    errors = (weights.double() - rounded.double()).reshape(groups, -1, n)
    found = torch.einsum("gcn,gn->gc", errors, inputs).flatten().tolist()
    return tuple(float(f"{each:.6g}") for each in found) if any(found) else ()


def _multiplied_by(network: Network, node: Node, values: Mapping[str, Any]) -> Tensor:
    """The mean inputs of one layer: the gradient of its mean output, as one channel of each group gives it."""
    inputs, weights, bias, *_ = node.refs()
    shape = network.tensors[weights].shape[1:]
    kind = ops.MAC[node.op]
    groups = 1 if kind == "linear" else values[inputs].shape[_CHANNELS[kind]] // shape[0]
    with torch.inference_mode(False), torch.enable_grad():
        one = torch.zeros(groups, *shape, dtype=torch.float64, requires_grad=True)
        given = {**values, inputs: values[inputs].clone(), weights: one, bias: None}
        args, kwargs = fill(node.args, given), {key: fill(each, given) for key, each in node.kwargs.items()}
        outputs = ops.resolve(node.op)(*args, **kwargs)
        (gradient,) = torch.autograd.grad(outputs.sum(), one)
    positions: int = outputs.numel() // groups
    return gradient.reshape(groups, -1) / positions


def _moves(node: Node) -> bool:
    """Whether it rearranges a value, or is arithmetic on sizes."""
    return "." in node.op and (node.op.startswith("operator.") or ops.short(node.op) in ops.VIEW)
