"""What is settled once at capture: constants computed from weights alone, batch norms, and steps nobody reads.

Batch norm after a layer is a scale and a shift of the layer's output channels, so it folds into the layer's weights and
bias: `w' = w g / sqrt(v + eps)`, `b' = (b - m) g / sqrt(v + eps) + beta`, computed in float64 and rounded once.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from picojoule.network import ops
from picojoule.network.node import Node, Ref, fill

_STORED = ("parameter", "buffer")


def constants(nodes: list[Node], tensors: dict[str, Tensor], output: str) -> tuple[list[Node], dict[str, Tensor], str]:
    """Compute each operation whose arguments are all stored tensors (a weight norm, say) and store what others read.

    A result that a layer reads as its weights is a parameter named after what it was computed from.
    """
    known: dict[str, Any] = dict(tensors)
    for node in nodes:
        refs = list(node.refs())
        if node.op not in (*_STORED, "input") and refs and all(ref in known for ref in refs):
            known[node.name] = ops.resolve(node.op)(
                *[fill(argument, known) for argument in node.args],
                **{key: fill(argument, known) for key, argument in node.kwargs.items()},
            )
    computed = known.keys() - tensors.keys()
    read = {output, *(ref for node in nodes if node.name not in computed for ref in node.refs())}
    by_name = {node.name: node for node in nodes}
    tensors, taken = dict(tensors), set(by_name)
    kept: list[Node] = []
    instead: dict[str, Any] = {}
    for node in nodes:
        value = known.get(node.name)
        if node.name not in computed:
            kept.append(_replaced(node, instead))
        elif node.name in read and isinstance(value, Tensor):
            name = _constant_name(node, by_name, taken)
            taken.add(name)
            kept.append(Node(name, "parameter", shape=tuple(value.shape)))
            tensors[name] = value.detach().clone()
            instead[node.name] = Ref(name)
        else:
            instead[node.name] = value
    return kept, tensors, instead[output].node if output in instead else output


def _constant_name(node: Node, by_name: Mapping[str, Node], taken: set[str]) -> str:
    """`fc.weight` for what is computed from `fc.parametrizations.weight.original1`, else the source with a suffix."""
    sources = _sources(node, by_name)
    source = next((name for name in sources if ".parametrizations." in name), sources[0])
    stem, mark, rest = source.partition(".parametrizations.")
    return free(f"{stem}.{rest.split('.')[0]}" if mark else f"{source}_folded", taken)


def _sources(node: Node, by_name: Mapping[str, Node]) -> list[str]:
    """The stored tensors that a constant is computed from, the nearest first."""
    reached = {node.name: None}
    queue = [node]
    for reader in queue:
        new = [ref for ref in dict.fromkeys(reader.refs()) if ref not in reached]
        reached |= dict.fromkeys(new)
        queue += [by_name[ref] for ref in new]
    return [name for name in reached if by_name[name].op in _STORED]


def free(wanted: str, taken: set[str]) -> str:
    """The name, with a number where it is taken."""
    return wanted if wanted not in taken else next(n for k in range(2, 1 << 20) if (n := f"{wanted}{k}") not in taken)


def batch_norms(
    nodes: list[Node], tensors: dict[str, Tensor], output: str
) -> tuple[list[Node], dict[str, Tensor], str]:
    """Fold each batch norm whose input is the result of a layer that nobody else reads, with weights of its own."""
    tensors = dict(tensors)
    for norm in [node for node in nodes if "batch_norm" in node.op]:
        by_name = {node.name: node for node in nodes}
        layer = by_name[next(norm.refs())]
        if not (_has_statistics(norm) and _foldable(nodes, layer, tensors, output)):
            continue
        weight, bias = _folded(norm, layer, tensors)
        refs = list(layer.refs())
        bias_name = refs[2] if len(refs) > 2 else _bias_name(refs[1], {*by_name, *tensors})
        tensors[refs[1]], tensors[bias_name] = weight, bias
        layer_args = (Ref(refs[0]), Ref(refs[1]), Ref(bias_name), *layer.args[3:])
        replacement = replace(layer, args=layer_args)
        nodes = [replacement if node.name == layer.name else node for node in nodes]
        if len(refs) == 2:
            nodes.insert(0, Node(bias_name, "parameter", shape=tuple(bias.shape)))
        result = {norm.name, *(node.name for node in nodes if _is_first_of(node, norm.name))}
        nodes = [_replaced(node, dict.fromkeys(result, Ref(layer.name))) for node in nodes if node.name not in result]
        output = layer.name if output in result else output
    return nodes, tensors, output


def _bias_name(weight: str, taken: set[str]) -> str:
    """`conv.bias` beside `conv.weight`, or another name where the model has that one."""
    stem, dot, leaf = weight.rpartition(".")
    return free(f"{stem}{dot}bias" if leaf == "weight" else f"{weight}_bias", taken)


def _has_statistics(norm: Node) -> bool:
    return all(isinstance(argument, Ref) for argument in norm.args[3:5])


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
    gamma, beta = (tensors[given.node].double() if isinstance(given, Ref) else None for given in norm.args[1:3])
    mean, variance = (tensors[given.node].double() for given in norm.args[3:5])
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


def _replaced(node: Node, instead: Mapping[str, Any]) -> Node:
    """The node with some of the nodes that it reads replaced by other arguments."""
    if not any(ref in instead for ref in node.refs()):
        return node
    kwargs = {key: _replace(argument, instead) for key, argument in node.kwargs.items()}
    return replace(node, args=tuple(_replace(argument, instead) for argument in node.args), kwargs=kwargs)


def _replace(argument: Any, instead: Mapping[str, Any]) -> Any:
    if isinstance(argument, Ref):
        return instead.get(argument.node, argument)
    return tuple(_replace(item, instead) for item in argument) if isinstance(argument, tuple) else argument
