"""One step of a graph as data, and its text in a network's file."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from picojoule.errors import CaptureError


@dataclass(frozen=True)
class Ref:
    """An argument that is another node's result."""

    node: str


@dataclass(frozen=True)
class Node:
    """One step: an operation on earlier nodes, or `input`, or a stored tensor (`parameter`, `buffer`).

    `shape` is the result's, with None for the batch; () where the result is not a tensor. `rows` is how many entries
    of that dimension belong to one sample: more than 1 once a reshape has put others into it ([n, 3, 4] → [3n, 4]).
    """

    name: str
    op: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int | None, ...] = ()
    rows: int = 1

    @property
    def count(self) -> int:
        """Elements of the result, per sample."""
        return self.rows * math.prod(size for size in self.shape if size is not None)

    def refs(self) -> Iterator[str]:
        """The names of the nodes it reads, in order of its arguments, with repeats."""
        yield from _refs((self.args, tuple(self.kwargs.values())))


def fill(argument: Any, values: Mapping[str, Any]) -> Any:
    """An argument with each reference in it replaced by the value that it names."""
    if isinstance(argument, Ref):
        return values[argument.node]
    return [fill(item, values) for item in argument] if isinstance(argument, tuple) else argument


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, Ref):
        yield value.node
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _refs(item)


def node_to_json(node: Node) -> dict[str, Any]:
    """A node as plain JSON; `node_from_json` gives it back."""
    entry: dict[str, Any] = {"name": node.name, "op": node.op, "shape": list(node.shape)}
    if node.args:
        entry["args"] = [_to_json(value) for value in node.args]
    if node.rows != 1:
        entry["rows"] = node.rows
    if node.kwargs:
        entry["kwargs"] = {key: _to_json(value) for key, value in node.kwargs.items()}
    return entry


def node_from_json(entry: Mapping[str, Any]) -> Node:
    """The node that `node_to_json` wrote.

    Raises:
        ValueError, TypeError, LookupError: it is malformed.
    """
    unknown = set(entry) - {"name", "op", "shape", "rows", "args", "kwargs"}
    if unknown or not isinstance(entry["name"], str) or not isinstance(entry["op"], str):
        raise ValueError(f"node {entry!r:.80} is malformed")
    if not all(size is None or (type(size) is int and size >= 0) for size in entry["shape"]):
        raise ValueError(f"node '{entry['name']}' has a malformed shape")
    args = tuple(_from_json(value) for value in entry.get("args", []))
    kwargs = {str(key): _from_json(value) for key, value in entry.get("kwargs", {}).items()}
    rows = entry.get("rows", 1)
    if type(rows) is not int or rows < 1:
        raise ValueError(f"node '{entry['name']}' has a malformed number of rows")
    return Node(entry["name"], entry["op"], args, kwargs, tuple(entry["shape"]), rows)


def _to_json(value: Any) -> Any:
    """Plain JSON for an argument; what JSON lacks is a one-key table."""
    if isinstance(value, Ref):
        return {"ref": value.node}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [_to_json(item) for item in value]
    if isinstance(value, torch.dtype | torch.memory_format | torch.layout):
        return {"torch": str(value).removeprefix("torch.")}
    raise CaptureError(f"an argument of type {type(value).__name__} cannot be stored ({value!r:.60})")


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_from_json(item) for item in value)
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "ref":
        return Ref(str(content))
    if kind == "float":
        return float(content)
    constant = getattr(torch, str(content), None) if kind == "torch" else None
    if isinstance(constant, torch.dtype | torch.memory_format | torch.layout):
        return constant
    raise ValueError(f"argument {value!r:.80} is not known")
