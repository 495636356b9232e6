"""From an ONNX graph to a module: each node a step, what is constant computed once, a bias put into its layer.

Weights get names that say whose they are: those that the file has (`conv1.weight`), else the node's (`conv1`).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.errors import InputError
from picojoule.models.onnx.call import Argument, Call, Constant, Function, bare
from picojoule.models.onnx.file import Graph, Node, Value
from picojoule.models.onnx.module import FAULTS, OnnxModule, Step, Stored, computed, first_line
from picojoule.models.onnx.operations import OPERATIONS, QUANTISED, SEVERAL

_LAYERS = ("Conv", "Gemm", "MatMul")
_LEAVES = dict.fromkeys(_LAYERS, ("input", "weight", "bias")) | {
    "BatchNormalization": ("input", "weight", "bias", "running_mean", "running_var")
}
"""What the constant arguments of a node are called; those of any other are `constant`."""
_EMPTY = nn.Module()
_SPARE = 2**22
"""Elements that may be computed from constants beyond four times those of the file: 16 MiB."""


def build(graph: Graph, input_shape: Sequence[int] | None) -> nn.Module:
    """The module of a graph, tried out on samples of `input_shape` or, where that is None, of the file's own.

    Raises:
        InputError: a node cannot be imported or cannot run, or the samples are of another shape than the file's.
    """
    builder = _Builder(graph)
    for node in _needed(graph):
        builder.add(node)
    module = builder.module()
    module.eval()
    told = graph.shape
    if input_shape is not None:
        fits = told is None or (
            len(told) == len(input_shape)
            and all(own in (None, given) for own, given in zip(told, input_shape, strict=True))
        )
        if not fits:
            takes, given = (", ".join(["n", *("?" if each is None else str(each) for each in shape)])
                            for shape in (told or (), input_shape))  # fmt: skip
            raise InputError(f"{graph.origin} takes inputs of shape [{takes}], not [{given}]; give data of that shape")
        module.try_out(tuple(input_shape))
    if told is not None and None not in told:
        module.input_shape = tuple(size or 0 for size in told)
        module.try_out(module.input_shape)
    return module


def _needed(graph: Graph) -> list[Node]:
    """The nodes that the output depends on."""
    wanted, found = {graph.output}, []
    for node in reversed(graph.nodes):
        if not wanted.isdisjoint(node.outputs):
            wanted.update(name for name in node.inputs if name is not None)
            found.append(node)
    return found[::-1]


class _Builder:
    """Takes one node after the other."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._constants = {name: Constant(value, name) for name, value in graph.constants.items()}
        self._reads = Counter(name for node in graph.nodes for name in node.inputs)
        self._reads[graph.output] += 1
        self._steps: dict[str, Step] = {}  # by the value that each makes
        self._open: dict[str, str] = {}  # values of layers without a bias, and what the layer is called
        self._names = _Names()
        self._tensors: dict[str, Tensor] = {}
        self._stored: dict[str, Stored] = {}  # by what they are in the file
        self._left = _SPARE + 4 * sum(math.prod(value.shape) for value in graph.constants.values())

    def add(self, node: Node) -> None:
        """One node as a step, or as a constant, or as the bias of a layer before it."""
        _check_known(node)
        if node.op in ("Add", "Sum") and self._becomes_bias(node, self._arguments(node)):
            return
        if not any(node.outputs):
            raise InputError(f"{node.where} cannot be imported: it makes nothing")
        for index, result in enumerate(node.outputs):
            if index and node.op not in SEVERAL:
                if self._reads[result]:
                    raise InputError(
                        f"{node.where} cannot be imported: its result {index} is read; only the first can be"
                    )
            elif index == 0 or self._reads[result]:
                self._add(node, index)

    def _arguments(self, node: Node) -> list[Argument]:
        return [self._constants.get(name or "", name) for name in node.inputs]

    def _add(self, node: Node, index: int) -> None:
        """One result of a node."""
        given, result = self._arguments(node), node.outputs[index]
        attributes = dict(node.attributes)
        call = Call(self._graph.opset, self._graph.batch, given, attributes, index, len(node.outputs))
        try:
            function = OPERATIONS[node.op](call)
            if call.attributes:
                raise InputError(f"its attribute '{next(iter(call.attributes))}' is not known")
        except FAULTS as error:
            said = "it has too few inputs" if isinstance(error, IndexError) else first_line(error)
            raise InputError(f"{node.where} cannot be imported: {said}") from error
        while given and given[-1] is None:
            given.pop()
        if all(not isinstance(each, str) for each in given):
            value = self._fold(node, function, [each.value if isinstance(each, Constant) else None for each in given])
            self._constants[result] = Constant(value, result)
        else:
            self._step(node, function, given, result)

    def module(self) -> OnnxModule:
        """The module of all nodes so far."""
        steps, graph = list(self._steps.values()), self._graph
        if graph.output not in self._steps:
            raise InputError(f"{graph.origin} gives the same for every input; give a network")
        last = {name: step.result for step in steps for name in step.arguments if isinstance(name, str)}
        last |= {step.result: step.result for step in steps if step.result not in last}
        ends: dict[str, list[str]] = {}
        for name, end in last.items():
            if name != graph.output:
                ends.setdefault(end, []).append(name)
        steps = [replace(step, frees=tuple(ends.get(step.result, ()))) for step in steps]
        return OnnxModule(steps, self._tensors, graph.input, graph.output)

    def _step(self, node: Node, function: Function, given: Sequence[Argument], result: str) -> None:
        leaves = _LEAVES.get(node.op, ())
        stem = None
        arguments: list[Any] = []
        for index, each in enumerate(given):
            if isinstance(each, Constant) and isinstance(each.value, Tensor):
                if stem is None:
                    stem = self._names.stem(node, each.source)
                known = each.source in self._stored
                arguments.append(self._store(each, stem, leaves[index] if index < len(leaves) else "constant"))
                stem = stem if known else arguments[-1].name.rpartition(".")[0]  # perhaps with a number
            else:
                arguments.append(each.value if isinstance(each, Constant) else each)
        self._steps[result] = Step(node.where, function, tuple(arguments), result)
        if node.op in _LAYERS and len(arguments) == 2 and isinstance(arguments[1], Stored) and stem is not None:
            self._open[result] = stem

    def _store(self, constant: Constant, stem: str, leaf: str) -> Stored:
        """A constant among the module's tensors, once, however many nodes read it."""
        if constant.source not in self._stored:
            name = self._names.free(stem, leaf)
            self._tensors[name] = constant.tensor
            self._stored[constant.source] = Stored(name)
        return self._stored[constant.source]

    def _becomes_bias(self, node: Node, arguments: Sequence[Argument]) -> bool:
        """Put what is added to a layer's outputs, one number for each channel, into the layer, if nobody else looks."""
        values = [each for each in arguments if isinstance(each, str)]
        added = [each for each in arguments if isinstance(each, Constant) and isinstance(each.value, Tensor)]
        if len(values) != 1 or len(added) != 1 or len(arguments) != 2:
            return False
        if values[0] not in self._open or self._reads[values[0]] != 1:
            return False
        layer = self._steps[values[0]]
        weight, bias = self._tensors[layer.arguments[1].name], added[0].tensor
        behind = (1,) * (weight.dim() - 2)  # the channels, where there are places
        row = (len(weight), *behind)
        if bias.dim() > weight.dim() or bias.shape[-len(row) :] != row or bias.numel() != len(weight):
            return False
        del self._steps[values[0]]
        stored = self._store(Constant(bias.flatten(), f"{added[0].source} as a row"), self._open.pop(values[0]), "bias")
        self._steps[node.outputs[0]] = replace(layer, arguments=(*layer.arguments, stored), result=node.outputs[0])
        return True

    def _fold(self, node: Node, function: Function, values: Sequence[Value | None]) -> Value:
        """What a node computes from constants alone, which is tried out on shapes first."""
        shapes = [bare(value) if isinstance(value, Tensor) else value for value in values]
        self._left -= math.prod(computed(node.where, function, shapes, 1).shape)
        if self._left < 0:
            raise InputError(f"{node.where} cannot be imported: too much is computed from constants")
        with torch.no_grad():
            value: Value = computed(node.where, function, values, 1)
        return value


def _check_known(node: Node) -> None:
    if node.op in QUANTISED or node.op.startswith("qonnx."):
        raise InputError(f"{node.where}: the network is quantised already; give the float model")
    if node.op not in OPERATIONS:
        raise InputError(f"{node.where}: this operation cannot be imported; give the network as a torch module")


class _Names:
    """Names for the module's tensors: no two alike, none that is a module's too."""

    def __init__(self) -> None:
        self._tensors: set[str] = set()
        self._modules: set[str] = set()
        self._count: Counter[str] = Counter()

    def stem(self, node: Node, source: str) -> str:
        """What a node is called: as its weights in the file, or as itself, without what only says its operation."""
        if source.split(" ")[0].endswith(".weight"):
            return source.split(" ")[0].removesuffix(".weight")
        parts = [part for part in node.name.split("/") if part]
        if len(parts) > 1 and parts[-1].lower().startswith(node.op.lower()):
            parts.pop()
        if node.name.startswith("/"):  # torch's: each part may repeat those before it, /layer1/layer1.0/conv1/Conv
            return ".".join(a for a, b in zip(parts, [*parts[1:], ""], strict=True) if not b.startswith(f"{a}."))
        if parts:
            return "/".join(parts)
        self._count[node.op] += 1
        return f"{node.op.lower()}{self._count[node.op]}"

    def free(self, stem: str, leaf: str) -> str:
        """`stem.leaf` in words that torch can use, with a number where it is taken."""
        parts = [_word(part) for part in stem.split(".") if part] or ["layer"]
        k = 1
        while True:
            path = [*parts[:-1], parts[-1] + (str(k) if k > 1 else "")]
            above = {".".join(path[: end + 1]) for end in range(len(path))}
            name = ".".join([*path, leaf])
            if name not in self._tensors | self._modules and above.isdisjoint(self._tensors):
                self._tensors.add(name)
                self._modules |= above
                return name
            k += 1


def _word(part: str) -> str:
    """A name without what cannot be printed, and none of those that every module has."""
    word = "".join(letter if letter.isprintable() else "_" for letter in part)[:80]
    return f"{word}_" if hasattr(_EMPTY, word) else word
