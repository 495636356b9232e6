"""A network as data: a graph of tensor operations with its weights, from which layers and sites are derived.

`Network` is what capture returns and what every other room reads. It holds no user code: it is saved as one safetensors
file (weights, with the graph in the header) and runs again from that file alone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import safetensors
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from picojoule import files
from picojoule.errors import CaptureError, FileError
from picojoule.network import derive, ops
from picojoule.network.layers import Layer, Leftover, Site
from picojoule.network.node import Node, node_from_json, node_to_json

VERSION = 1


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
            size = int.from_bytes(content[:8], "little")
            text = json.loads(content[8 : 8 + size])["__metadata__"]["picojoule.network"]
        except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
            raise FileError(f"{origin} is not a picojoule network: {error!s:.200}") from error
        try:
            table = json.loads(text)
            if table["version"] != VERSION or isinstance(table["version"], bool):
                raise FileError(f"{origin}: version {table['version']!r} of a network is not known; expected {VERSION}")
            nodes = tuple(node_from_json(entry) for entry in table["nodes"])
            network = cls(nodes, tensors, table["output"])
            derive.derive(network.by_name)  # so that a layer that makes no sense is found here
            return network
        except (
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            ArithmeticError,
            RecursionError,
            CaptureError,
        ) as error:
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
    """Names are unique, every reference points backwards, stored tensors are there, operations are allowed."""
    seen: set[str] = set()
    for node in network.nodes:
        if node.name in seen:
            raise ValueError(f"node '{node.name}' stands twice")
        if missing := [name for name in node.refs() if name not in seen]:
            raise ValueError(f"node '{node.name}' reads '{missing[0]}', which does not come before it")
        if node.op in ("parameter", "buffer"):
            tensor = network.tensors.get(node.name)
            if tensor is None:
                raise ValueError(f"tensor '{node.name}' is missing")
            if tuple(tensor.shape) != node.shape:
                raise ValueError(f"tensor '{node.name}' has shape {list(tensor.shape)}, not {list(node.shape)}")
        elif node.op != "input":
            ops.resolve(node.op)
        seen.add(node.name)
    if network.output not in seen:
        raise ValueError(f"output '{network.output}' is no node")
    if sum(node.op == "input" for node in network.nodes) != 1:
        raise ValueError("a network has exactly one input")
