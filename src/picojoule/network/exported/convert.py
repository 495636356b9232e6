"""The graph that `torch.export` gives as nodes and tensors: one input, one output, operations that picojoule knows."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from torch.export.graph_signature import InputKind

from picojoule.errors import CaptureError
from picojoule.network import fold, ops
from picojoule.network.exported.export import FIXED_BATCH
from picojoule.network.node import Node, Ref
from picojoule.userref import is_library


def convert(exported: torch.export.ExportedProgram) -> tuple[list[Node], dict[str, Tensor], str]:
    """The exported graph as nodes, tensors and the name of the output."""
    signature = exported.graph_signature
    if signature.buffers_to_mutate or signature.user_inputs_to_mutate:
        name = next(iter([*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()]))
        raise CaptureError(f"the model changes '{name}' while it runs; only models without state can be captured")
    specs = {spec.arg.name: spec for spec in signature.input_specs if hasattr(spec.arg, "name")}
    nodes: list[Node] = []
    tensors: dict[str, Tensor] = {}
    names: dict[fx.Node, str] = {}
    aliases: dict[int, str] = {}
    output = ""
    for node in exported.graph.nodes:
        if node.op == "placeholder":
            name = _placeholder(exported, node, specs[node.name], nodes, tensors, aliases)
        elif node.op == "call_function":
            if not node.users:  # an assertion of torch.export's
                continue
            name = _call(node, names, nodes)
        elif node.op == "output":
            output = _output(node, names)
            continue
        else:
            user = next(iter(node.users), node)
            name = ops.short(_op_name(user.target))
            raise CaptureError(f"operation '{name}' cannot be part of a network{_line_of(user)}")
        names[node] = name
    return nodes, tensors, output


def _placeholder(
    exported: torch.export.ExportedProgram,
    node: fx.Node,
    spec: Any,
    nodes: list[Node],
    tensors: dict[str, Tensor],
    aliases: dict[int, str],
) -> str:
    """Add the input, or a stored tensor under the user's name for it; one tensor under two names is stored once."""
    if spec.kind == InputKind.USER_INPUT:
        if any(earlier.op == "input" for earlier in nodes):
            raise CaptureError("the model takes more than one input; picojoule captures models of one tensor")
        shape = _shape(node)
        if shape[0] is not None:
            raise CaptureError(FIXED_BATCH)
        nodes.append(Node("input", "input", shape=shape))
        return "input"
    target = spec.target
    tensor = exported.state_dict.get(target, exported.constants.get(target))
    if not isinstance(tensor, Tensor):
        raise CaptureError(f"the model holds '{target}', a {type(tensor).__name__}, which cannot be captured")
    if id(tensor) in aliases:
        return aliases[id(tensor)]
    kind = "parameter" if spec.kind == InputKind.PARAMETER else "buffer"
    nodes.append(Node(target, kind, shape=tuple(tensor.shape)))
    tensors[target] = tensor.detach().clone()
    aliases[id(tensor)] = target
    return str(target)


def _call(node: fx.Node, names: dict[fx.Node, str], nodes: list[Node]) -> str:
    """Add one operation. Its name is fx's, which is unique and never a stored tensor's dotted name."""
    op = _op_name(node.target)
    args = tuple(_argument(value, names) for value in node.args)
    kwargs = {key: _argument(value, names) for key, value in node.kwargs.items() if key not in ("device", "pin_memory")}
    try:
        ops.resolve(op)
    except CaptureError as error:
        raise CaptureError(f"{error}{_line_of(node)}") from error
    name = fold.free(node.name, {earlier.name for earlier in nodes})
    nodes.append(Node(name, op, args, kwargs, _shape(node), _rows(node)))
    return name


def _op_name(target: Any) -> str:
    if isinstance(target, torch._ops.OpOverload):
        return str(target)
    return f"operator.{getattr(target, '__name__', target)}"


def _line_of(node: fx.Node) -> str:
    """The last line of the user's own code behind a node, as ` (in net.py, line 12: x = ...)`."""
    lines = [line.strip() for line in str(node.meta.get("stack_trace", "")).splitlines()]
    frames = [(index, line) for index, line in enumerate(lines) if line.startswith('File "')]
    for index, line in reversed(frames):
        path, number = line.split('"')[1], line.split("line ")[1].split(",")[0]
        if not is_library(path):
            return f" (in {Path(path).name}, line {number}: {lines[index + 1] if index + 1 < len(lines) else ''})"
    return ""


def _argument(value: Any, names: dict[fx.Node, str]) -> Any:
    if isinstance(value, fx.Node):
        return Ref(names[value])
    if isinstance(value, tuple | list):
        return tuple(_argument(item, names) for item in value)
    return value


def _shape(node: fx.Node) -> tuple[int | None, ...]:
    """The shape of a node's result, None for a dimension that varies with the batch; () where it is no tensor."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        return ()
    return tuple(size if isinstance(size, int) else None for size in value.shape)


def _rows(node: fx.Node) -> int:
    """How many entries of the batch's dimension belong to one sample; the graph was captured with a batch of 2."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        return 1
    sizes: list[Any] = [size for size in value.shape if not isinstance(size, int)]
    entries = [size.node.hint or 2 for size in sizes]
    return max(1, math.prod(entries) // 2)


def _output(node: fx.Node, names: dict[fx.Node, str]) -> str:
    results = node.args[0]
    if not isinstance(results, tuple | list) or len(results) != 1:
        raise CaptureError("the model returns more than one tensor; wrap it so that it returns one")
    if not isinstance(results[0], fx.Node):
        raise CaptureError("the model returns no tensor; wrap it so that it returns one")
    return names[results[0]]
