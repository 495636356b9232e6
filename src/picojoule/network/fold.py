"""What is settled once at capture: constants computed from weights alone, batch norms, and steps nobody reads.

Batch norm after a layer is a scale and a shift of the layer's output channels, so it folds into the layer's weights and
bias: `w' = w g / sqrt(v + eps)`, `b' = (b - m) g / sqrt(v + eps) + beta`, computed in float64 and rounded once.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from picojoule.network import ops
from picojoule.network.graph import Node, Ref

_STORED = ("parameter", "buffer")


def constants(nodes: list[Node], tensors: dict[str, Tensor], output: str) -> tuple[list[Node], dict[str, Tensor]]:
    """Compute each operation whose arguments are all stored tensors (a weight norm, say) and store its result.

    A result that a layer reads as its weights is a parameter named after what it was computed from.
    """
    tensors = dict(tensors)
    known: dict[str, Any] = dict(tensors)
    stored = {node.name: node for node in nodes if node.op in _STORED}
    kept: list[Node] = []
    renamed: dict[str, str] = {}
    for original in nodes:
        node = _renamed(original, renamed)
        refs = list(node.refs())
        if node.op in (*_STORED, "input") or not refs or any(ref not in known for ref in refs):
            kept.append(node)
            continue
        value = ops.resolve(node.op)(
            *[_value(argument, known) for argument in node.args],
            **{key: _value(argument, known) for key, argument in node.kwargs.items()},
        )
        known[node.name] = value
        if isinstance(value, Tensor):
            name = _constant_name(refs[0], set(stored) | {other.name for other in nodes})
            constant = Node(name, "parameter", shape=tuple(value.shape))
            kept.append(constant)
            stored[name] = constant
            tensors[name] = known[name] = value.detach().clone()
            renamed[node.name] = name
    return kept, tensors


def _value(argument: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(argument, Ref):
        return known[argument.node]
    return [_value(item, known) for item in argument] if isinstance(argument, tuple) else argument


def _constant_name(source: str, taken: set[str]) -> str:
    """`fc.weight` for what is computed from `fc.parametrizations.weight.original1`, else the source with a number."""
    stem, mark, rest = source.partition(".parametrizations.")
    wanted = f"{stem}.{rest.split('.')[0]}" if mark else f"{source}_folded"
    return wanted if wanted not in taken else next(n for k in range(2, 1 << 20) if (n := f"{wanted}{k}") not in taken)


def batch_norms(
    nodes: list[Node], tensors: dict[str, Tensor], output: str
) -> tuple[list[Node], dict[str, Tensor], str]:
    """Fold each batch norm whose input is the result of a layer that nobody else reads, with weights of its own."""
    tensors = dict(tensors)
    for norm in [node for node in nodes if "batch_norm" in node.op]:
        by_name = {node.name: node for node in nodes}
        layer = by_name[next(norm.refs())]
        if not _foldable(nodes, layer, tensors, output):
            continue
        weight, bias = _folded(norm, layer, tensors)
        refs = list(layer.refs())
        bias_name = refs[2] if len(refs) > 2 else refs[1].removesuffix(".weight") + ".bias"
        tensors[refs[1]], tensors[bias_name] = weight, bias
        layer_args = (Ref(refs[0]), Ref(refs[1]), Ref(bias_name), *layer.args[3:])
        replacement = Node(layer.name, layer.op, layer_args, layer.kwargs, layer.shape)
        nodes = [replacement if node.name == layer.name else node for node in nodes]
        if len(refs) == 2:
            nodes.insert(0, Node(bias_name, "parameter", shape=tuple(bias.shape)))
        result = {norm.name: layer.name}
        result |= {node.name: layer.name for node in nodes if _is_first_of(node, norm.name)}
        nodes = [_renamed(node, result) for node in nodes if node.name not in result]
        output = result.get(output, output)
    return nodes, tensors, output


def _foldable(nodes: list[Node], layer: Node, tensors: Mapping[str, Tensor], output: str) -> bool:
    if layer.op not in ops.MAC or layer.name == output:
        return False
    stored = list(layer.refs())[1:]
    readers = [(node.name, ref) for node in nodes for ref in node.refs()]
    read_once = sum(ref == layer.name for _, ref in readers) == 1
    own_weights = all(name == layer.name for name, ref in readers if ref in stored)
    channels_second = layer.op != "aten.linear.default" or len(layer.shape) == 2  # linear's channels come last
    return read_once and own_weights and channels_second and all(ref in tensors for ref in stored)


def _folded(norm: Node, layer: Node, tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The layer's weights and bias with the norm in them."""
    gamma, beta, mean, variance = (
        tensors[argument.node].double() if isinstance(argument, Ref) else None for argument in norm.args[1:5]
    )
    if mean is None or variance is None:
        raise ValueError(f"batch norm '{norm.name}' has no running statistics")
    eps = norm.args[-2] if norm.op == "aten.batch_norm.default" else norm.args[-1]
    scale = (variance + eps).rsqrt() * (1.0 if gamma is None else gamma)
    refs = list(layer.refs())
    weight = tensors[refs[1]].double()
    bias = tensors[refs[2]].double() if len(refs) > 2 else torch.zeros_like(mean)
    shift = 0.0 if beta is None else beta
    folded = weight * scale.reshape(-1, *[1] * (weight.dim() - 1))
    return folded.float(), ((bias - mean) * scale + shift).float()


def _is_first_of(node: Node, name: str) -> bool:
    return node.op == "operator.getitem" and node.args == (Ref(name), 0)


def dead_code(nodes: list[Node], tensors: dict[str, Tensor], output: str) -> tuple[list[Node], dict[str, Tensor]]:
    """Drop every node that the output does not depend on, except the input."""
    needed = {output, "input"}
    for node in reversed(nodes):
        if node.name in needed:
            needed.update(node.refs())
    kept = [node for node in nodes if node.name in needed]
    return kept, {name: tensor for name, tensor in tensors.items() if name in needed}


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    """The node with its references renamed."""
    if not any(ref in names for ref in node.refs()):
        return node
    return Node(
        node.name,
        node.op,
        tuple(_rename(argument, names) for argument in node.args),
        {key: _rename(argument, names) for key, argument in node.kwargs.items()},
        node.shape,
    )


def _rename(argument: Any, names: Mapping[str, str]) -> Any:
    if isinstance(argument, Ref):
        return Ref(names.get(argument.node, argument.node))
    return tuple(_rename(item, names) for item in argument) if isinstance(argument, tuple) else argument
