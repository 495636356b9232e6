"""A network as data: a graph of tensor operations with its weights, from which layers and sites are derived.

`Network` is what capture returns and what every other room reads. It holds no user code: it is saved as one safetensors
file (weights, with the graph in the header) and runs again from that file alone.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import safetensors
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from picojoule import files
from picojoule.errors import CaptureError, FileError, InputError
from picojoule.network import derive, ops
from picojoule.network.derive import Layer, Leftover, Site
from picojoule.network.node import Node, node_from_json, node_to_json
from picojoule.network.trial import LARGEST, trial

VERSION = 1
MOST_NODES = 10_000
"""Steps and stored tensors that a network may have; deep networks have some thousands."""


@dataclass(frozen=True, eq=False)
class Network:
    """A captured network: nodes in an order in which each comes after those it reads, and the tensors they name.

    Its weights are float32 with batch norm folded in. Two networks are equal when their digests are.
    """

    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor] = field(repr=False)
    output: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))
        _check(self)

    def __reduce__(self) -> tuple[type["Network"], tuple[Any, ...]]:
        return Network, (
            self.nodes,
            dict(self.tensors),
            self.output,
        )  # a mapping proxy can be neither copied nor pickled

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        """Each node by its name."""
        return MappingProxyType({node.name: node for node in self.nodes})

    @cached_property
    def input(self) -> Node:
        """The network's one input."""
        return next(node for node in self.nodes if node.op == "input")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample, for example (1, 28, 28)."""
        return tuple(size for size in self.input.shape if size is not None)

    @property
    def input_count(self) -> int:
        """Elements of one sample."""
        return self.input.count

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one sample's output, for example (10,)."""
        return tuple(size for size in self.by_name[self.output].shape if size is not None)

    @cached_property
    def _derived(self) -> derive.Derived:
        return derive.derive(self.by_name)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that a plan quantises, in order."""
        return self._derived.layers

    @property
    def sites(self) -> Mapping[str, Site]:
        """Every site by its name: for each layer in order its inputs, then its weights."""
        return self._derived.sites

    def shape(self, site: str) -> tuple[int, ...]:
        """The shape of a site's tensor, of inputs for one sample, as formats see it: its `axis` turned to be the
        second."""
        node = self.by_name[self.sites[site].tensor]
        sizes = [node.rows if size is None else size for size in node.shape]
        if self.sites[site].axis != 1:
            sizes.insert(1, sizes.pop())
        return tuple(sizes)

    @property
    def biases(self) -> Mapping[str, str]:
        """By the site of a layer's weights its bias, a stored tensor, where that layer alone reads both."""
        return self._derived.biases

    @property
    def leftovers(self) -> tuple[Leftover, ...]:
        """Every operation that stays in floating point, with the reason."""
        return self._derived.leftovers

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample of the layers and of what is left in floating point."""
        return sum(layer.macs for layer in self.layers) + sum(leftover.macs for leftover in self.leftovers)

    def layer(self, name: str) -> Layer:
        """The layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)

    def check_batch(self, x: Tensor) -> None:
        """Refuse a batch that the graph does not run on, before it takes any memory.

        Raises:
            InputError: samples of another shape than `input_shape`.
            CaptureError: as `try_out`.
        """
        if x.dim() == 0 or tuple(x.shape[1:]) != self.input_shape:
            own, given = list(self.input_shape), list(x.shape[1:])
            raise InputError(f"the network takes samples of shape {own}, not {given}; prepare the data for it")
        if type(x.shape[0]) is int:  # while torch traces, a size may be a symbol
            self.try_out(x.shape[0])

    def try_out(self, batch: int) -> None:
        """Run the graph on shapes alone, once for each size of batch: a file may declare what it does not keep.

        Raises:
            CaptureError: a step cannot run, gives another shape than it declares, or takes too much memory.
        """
        if batch not in self._tried:
            trial(self.nodes, self.tensors, self.output, batch)
            self._tried.add(batch)

    @cached_property
    def _tried(self) -> set[int]:
        return set()

    def digest(self) -> str:
        """SHA-256 of its file, as hexadecimal text: the same graph and weights give the same digest."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.digest())

    def to_bytes(self) -> bytes:
        """The network as one safetensors file; the same network always gives the same bytes."""
        graph = {
            "version": VERSION,
            "output": self.output,
            "nodes": [node_to_json(node) for node in self.nodes],
        }
        text = json.dumps(graph, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        return save_tensors(tensors, metadata={"picojoule.network": text})

    @classmethod
    def from_bytes(cls, content: bytes, origin: str) -> "Network":
        """The network that `to_bytes` wrote; `origin` names it in errors.

        Raises:
            FileError: not a safetensors file, no or a malformed graph in it, an operation that is not allowed.
        """
        try:
            tensors = load_tensors(content)
            text = files.header(io.BytesIO(content))["__metadata__"]["picojoule.network"]
        except (safetensors.SafetensorError, ValueError, LookupError, TypeError) as error:
            raise FileError(f"{origin} is not a picojoule network: {error!s:.200}") from error
        try:
            table = files.loads(text)
            if table["version"] != VERSION or isinstance(table["version"], bool):
                raise FileError(f"{origin}: version {table['version']!r} of a network is not known; expected {VERSION}")
            if unknown := sorted(table.keys() - {"version", "output", "nodes"}):
                raise FileError(f"{origin}: unknown key '{unknown[0]}'")
            network = cls(tuple(map(node_from_json, table["nodes"])), tensors, table["output"])
            _check_whole(network)
            return network
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, CaptureError) as error:
            raise FileError(f"{origin} holds a malformed network: {error!s:.200}") from error

    def save(self, path: Path) -> None:
        """Write the network as one safetensors file."""
        files.write_bytes(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> "Network":
        """Read a network that `save` wrote. No code of a stranger runs.

        Raises:
            FileError: as `from_bytes`, or the file cannot be read.
        """
        return cls.from_bytes(files.read_bytes(path), f"'{path}'")


def _check(network: Network) -> None:
    """Names are unique, every reference points backwards, stored tensors are there, operations and sizes allowed."""
    seen: set[str] = set()
    if len(network.nodes) > MOST_NODES:
        raise CaptureError(f"it has {len(network.nodes)} nodes, at most {MOST_NODES} are possible")
    for node in network.nodes:
        if node.name in seen:
            raise CaptureError(f"node '{node.name}' stands twice")
        if not node.name.isprintable():
            raise CaptureError(f"node {node.name!r} has a name that cannot be printed")
        if missing := [name for name in node.refs() if name not in seen]:
            raise CaptureError(f"node '{node.name}' reads '{missing[0]}', which does not come before it")
        if node.op in ("parameter", "buffer"):
            tensor = network.tensors.get(node.name)
            if tensor is None:
                raise CaptureError(f"tensor '{node.name}' is missing")
            if tuple(tensor.shape) != node.shape:
                raise CaptureError(f"tensor '{node.name}' has shape {list(tensor.shape)}, not {list(node.shape)}")
        elif node.count > LARGEST:
            raise CaptureError(f"node '{node.name}' has {node.count} elements for one sample, more than {LARGEST}")
        elif node.op != "input":
            ops.resolve(node.op)
            if node.op.startswith("aten.") and node.op not in ops.FACTORY and next(node.refs(), None) is None:
                raise CaptureError(f"node '{node.name}' reads no other")
        seen.add(node.name)
    if network.output not in seen:
        raise CaptureError(f"output '{network.output}' is no node")
    if sum(node.op == "input" for node in network.nodes) != 1:
        raise CaptureError("a network has exactly one input")
    if network.input.shape[:1] != (None,) or not all(network.input.shape[1:]):
        raise CaptureError(f"the input's shape is {list(network.input.shape)}, expected [null, ...] with sizes above 0")
    for site in network.sites.values():
        if site.count == 0:
            raise CaptureError(f"'{site.name}' has no elements")
        if site.kind == "weights" and not network.tensors[site.tensor].is_floating_point():
            raise CaptureError(f"'{site.name}' are of {network.tensors[site.tensor].dtype}, no floating-point numbers")


def _check_whole(network: Network) -> None:
    """What capture sees to, and a file need not: tensors that nobody names, values that are not finite, the output."""
    named = {node.name for node in network.nodes if node.op in ("parameter", "buffer")}
    for name, tensor in network.tensors.items():
        if name not in named:
            raise ValueError(f"tensor '{name}' is no node")
        if tensor.is_floating_point() and tensor.itemsize < 2:
            raise ValueError(f"tensor '{name}' is of {tensor.dtype}, which torch only stores")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"tensor '{name}' has NaN or Inf")
    output = network.by_name[network.output]
    if output.shape[:1] != (None,) or output.rows != 1:
        raise ValueError(f"output '{output.name}' has not one row for each sample")
