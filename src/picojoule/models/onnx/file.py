"""An ONNX file as plain data: nodes with their attributes, and constants as tensors. Whatever it says is checked here.

Its protocol buffers come from a stranger: a file is read once, nothing outside its folder is, and what it declares must
fit the bytes that are there.
"""

import errno
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from torch import Tensor

from picojoule import files
from picojoule.errors import FileError, InputError
from picojoule.network.graph import MOST_NODES
from picojoule.network.trial import LARGEST

OLDEST = 7
_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
_WHOLE = (
    TensorProto.INT64, TensorProto.INT32, TensorProto.INT16, TensorProto.INT8,
    TensorProto.UINT64, TensorProto.UINT32, TensorProto.UINT16, TensorProto.UINT8, TensorProto.BOOL,
)  # fmt: skip
MOST_SIZES = 2**12
"""Whole numbers of one constant: they are sizes and places, of which there are few."""

Sizes = np.ndarray[Any, np.dtype[np.object_]]
"""Whole numbers, such as a shape: an array of Python's, among which may be a symbol while torch traces."""
Value = Tensor | Sizes


@dataclass(frozen=True)
class Node:
    """One node; an input that is left out is None, and `where` names it in errors."""

    where: str
    name: str
    op: str
    inputs: tuple[str | None, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Graph:
    """A model's one graph. `batch` is the size of a batch where the file fixes it, `shape` a sample's where it says."""

    origin: str  # the file, as errors name it
    opset: int
    nodes: tuple[Node, ...]
    constants: Mapping[str, Value]
    input: str
    output: str
    batch: int | None
    shape: tuple[int | None, ...] | None


class _Beside:
    """The files beside a model that its weights may lie in. No byte is read twice: a small model would become large."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: Counter[Path] = Counter()

    def take(self, place: Path, start: int, length: int) -> bytes:
        """Bytes of a file.

        Raises:
            OSError: it cannot be read.
            ValueError: it has fewer.
        """
        if not place.is_file():
            raise OSError(errno.ENOENT, "there is no such file")
        self._read[place] += length
        size = place.stat().st_size
        if start < 0 or start + length > size or self._read[place] > size:
            raise ValueError
        with place.open("rb") as file:
            file.seek(start)
            return file.read(length)


def sizes(numbers: Any) -> Sizes:
    """Whole numbers as an array, of the shape they have."""
    return np.asarray(numbers, dtype=object)


def read(path: Path) -> Graph:
    """The graph of a file.

    Raises:
        FileError: it cannot be read, is no ONNX model, or does not hold what it declares.
        InputError: it has what cannot be imported.
    """
    origin, content = f"'{path}'", files.read_bytes(path)
    try:
        return _graph(onnx.ModelProto.FromString(content), origin, _Beside(path.parent))
    except (DecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{origin} is no ONNX model, or damaged; export it again") from error


def _graph(model: onnx.ModelProto, origin: str, beside: _Beside) -> Graph:
    graph = model.graph
    if not graph.node or not all(isinstance(text, str) for text in _texts(graph)):  # but bytes, where it is no UTF-8
        raise FileError(f"{origin} is no ONNX model, or damaged; export it again")
    opset = _opset(model, origin)
    if model.functions:
        raise InputError(f"{origin} has functions of its own; inline them (onnx.inliner.inline_local_functions)")
    if len(graph.node) + len(graph.initializer) > MOST_NODES:
        raise InputError(f"{origin} has more than {MOST_NODES} nodes and constants; give a smaller network")
    if graph.sparse_initializer:
        raise InputError(f"{origin} has sparse weights; store them whole")
    nodes = tuple(_node(node, origin, beside) for node in graph.node)
    constants = {
        each.name: tensor(each, f"{origin}: constant {_told(each.name)}", beside) for each in graph.initializer
    }
    inputs = [each for each in graph.input if each.name not in constants]  # of old, constants are inputs too
    if len(inputs) != 1 or len(graph.output) != 1:
        raise InputError(
            f"{origin} takes {len(inputs)} inputs and gives {len(graph.output)} outputs; give a network of one each"
        )
    _check_order(nodes, [inputs[0].name, *(each.name for each in graph.initializer)], graph.output[0].name, origin)
    batch, shape = _input(inputs[0], origin)
    return Graph(origin, opset, nodes, constants, inputs[0].name, graph.output[0].name, batch, shape)


def _texts(graph: onnx.GraphProto) -> Iterator[str]:
    """Every name in a graph."""
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    for each in (*graph.initializer, *graph.input, *graph.output):
        yield each.name


def _opset(model: onnx.ModelProto, origin: str) -> int:
    newest = onnx.defs.onnx_opset_version()
    opset: int = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0)
    if not OLDEST <= opset <= newest:
        raise InputError(f"{origin} is of opset {opset}; export it again in one of {OLDEST} to {newest}")
    return opset


def _node(node: onnx.NodeProto, origin: str, beside: _Beside) -> Node:
    op = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    where = f"{origin}: node {_told(node.name or ' '.join(node.output))} ({_told(op, '')})"
    attributes = {each.name: _attribute(each, where, beside) for each in node.attribute}
    if len(attributes) != len(node.attribute):
        raise FileError(f"{where} cannot be imported: it has one attribute twice")
    return Node(where, node.name, op, tuple(name or None for name in node.input), tuple(node.output), attributes)


def _attribute(given: onnx.AttributeProto, where: str, beside: _Beside) -> Any:
    """An attribute's value; a graph, which only control flow has, stays as it is, and no operation here takes it."""
    match given.type:
        case AttributeProto.FLOAT:
            return given.f
        case AttributeProto.INT:
            return given.i
        case AttributeProto.STRING:
            return given.s.decode()
        case AttributeProto.FLOATS:
            return list(given.floats)
        case AttributeProto.INTS:
            return list(given.ints)
        case AttributeProto.TENSOR:
            return tensor(given.t, f"{where}: constant", beside)
    return given


def tensor(given: onnx.TensorProto, where: str, beside: _Beside) -> Value:
    """A constant: floats of any kind as a tensor in float32, whole numbers as sizes.

    Raises:
        FileError: the bytes do not fit the shape, or lie outside the folder.
        InputError: it is of a type that no float network computes with.
    """
    allowed = _FLOATS if math.prod(given.dims) > MOST_SIZES else (*_FLOATS, *_WHOLE)
    if given.data_type not in allowed:
        known = given.data_type in TensorProto.DataType.values()
        kind = TensorProto.DataType.Name(given.data_type) if known else "none"
        raise InputError(f"{where} is of type {kind}; give a network in floating point")
    unfit = f"{where} does not hold the numbers of its shape {list(given.dims)[:8]}; copy it again"
    if min(given.dims, default=0) < 0 or math.prod(given.dims) >= 2**40:
        raise FileError(unfit)
    if given.data_location == TensorProto.EXTERNAL:
        given = _gathered(given, where, beside, unfit)
    try:
        array = numpy_helper.to_array(given)
    except (ValueError, TypeError, OverflowError) as error:
        raise FileError(unfit) from error
    if given.data_type in _FLOATS:
        wide = array.astype(np.float64 if given.data_type == TensorProto.DOUBLE else np.float32)
        return torch.from_numpy(np.ascontiguousarray(wide)).float().reshape(array.shape)
    return sizes(array.tolist()).reshape(array.shape)


def _gathered(given: onnx.TensorProto, where: str, beside: _Beside, unfit: str) -> onnx.TensorProto:
    """A tensor with its bytes, which lie in another file of the model's folder."""
    told = {each.key: each.value for each in given.external_data}
    location = str(told.get("location", ""))
    place, inside = beside.folder / location, beside.folder.resolve() / location
    known = location.isprintable() and location and ".." not in inside.parts and not Path(location).is_absolute()
    if not known or place.resolve() != inside:  # a link leads elsewhere
        raise FileError(f"{where} lies in {_told(location)}, not in the model's own folder; save the model in one file")
    count = math.prod(given.dims) * helper.tensor_dtype_to_np_dtype(given.data_type).itemsize
    try:
        start, length = int(told.get("offset", "0")), int(told.get("length", str(count)))
        if length != count:
            raise ValueError
        raw = beside.take(inside, start, length)
    except OSError as error:
        raise FileError(f"{where} lies in {_told(location)}, which cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise FileError(unfit) from error
    return TensorProto(data_type=given.data_type, dims=given.dims, raw_data=raw)


def _check_order(nodes: Sequence[Node], given: Iterable[str], output: str, origin: str) -> None:
    """Each value is made once, and before it is read: no cycle, and nothing missing."""
    made: set[str] = set()

    def make(name: str) -> None:
        if name in made:
            raise FileError(f"{origin} makes the value {_told(name)} twice; export it again")
        made.add(name)

    for name in given:
        make(name)
    for node in nodes:
        for read in node.inputs:
            if read is not None and read not in made:
                raise FileError(f"{node.where} reads {_told(read)}, which nothing before it makes; export it again")
        for result in filter(None, node.outputs):
            make(result)
    if output not in made:
        raise FileError(f"{origin} has the output {_told(output)}, which nothing makes; export it again")


def _input(given: onnx.ValueInfoProto, origin: str) -> tuple[int | None, tuple[int | None, ...] | None]:
    """The batch's size where it is fixed, and a sample's shape where it is told; 0 and -1 stand for any size."""
    declared = given.type.tensor_type
    if declared.elem_type not in _FLOATS:
        raise InputError(f"{origin} takes no floating-point numbers; give a network that does")
    if not declared.HasField("shape"):
        return None, None
    found = [each.dim_value if each.dim_value > 0 else None for each in declared.shape.dim]
    if len(found) < 2:
        raise InputError(f"{origin} takes an input of {len(found)} dimensions; give a network of batches, [n, ...]")
    if math.prod(size or 1 for size in found[1:]) > LARGEST:
        raise InputError(f"{origin} takes more than {LARGEST} numbers for one sample; give a smaller network")
    return found[0], tuple(found[1:])


def _told(name: str, quote: str = "'") -> str:
    """A name as it can be printed in one line."""
    shown = name if name.isprintable() else repr(name)[1:-1]
    return f"{quote}{shown[:80]}{quote}"
