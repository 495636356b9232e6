"""What each operation of a program is in ONNX. Each function gets the writer, the operation and the names it reads."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from picojoule.export.writers.exactness import is_global, needs_parts
from picojoule.export.writers.graph import GraphWriter
from picojoule.export.writers.means import total
from picojoule.export.writers.parts import added_up
from picojoule.export.writers.tables import looked_up
from picojoule.integer.program import Operation


def _convolution(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    how, name = operation.args, operation.name
    given = writer.program.constants[f"{name}.weights"]
    windows = {
        "kernel_shape": [*given.values.shape[2:]], "strides": how["stride"],
        "pads": [*how["padding"], *how["padding"]], "dilations": how["dilation"], "group": how["groups"],
    }  # fmt: skip
    if needs_parts(writer.program, operation):
        return added_up(writer, operation, reads[0], how["exponents"], windows)
    weights = writer.weights(f"{name}.weights", given, how["exponents"], 0)
    return writer.node("Conv", [*reads, weights, writer.bias(operation)], name, **windows)


def _linear(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    name, maker = operation.name, writer.program.by_name[operation.reads[0]]
    while maker.kind in ("reshape", "permute", "slice", "max_pool"):
        maker = writer.program.by_name[maker.reads[0]]
    if maker.kind in ("concat", "pad"):  # ONNX Runtime would round it in a way of its own, for nothing else does there
        read = writer.program.by_name[operation.reads[0]].type
        reads = [writer.rounded(reads[0], f"{name}.inputs", read)]
    given = writer.program.constants[f"{name}.weights"]
    turned = replace(given, values=given.values.t())  # as MatMul takes them
    weights = writer.weights(f"{name}.weights", turned, operation.args["exponents"], 1)
    products = writer.node("MatMul", [*reads, writer.held(weights)], f"{name}.products")
    return writer.node("Add", [products, writer.bias(operation)], name)


def _clamp(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    given = writer.program.by_name[operation.reads[0]].type
    low, high = operation.args["low"], operation.args["high"]
    if high is None and low is not None and not any(low) and not writer.in_doubles:  # where ONNX Runtime has a fault
        return writer.node("Relu", reads, operation.name)
    ends = ["" if bounds is None else writer.number(bounds[0] * 2.0 ** given.exponents[0]) for bounds in (low, high)]
    return writer.node("Clip", [*reads, *ends], operation.name)


def _requantise(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    (x,) = reads
    divisor = writer.program.by_name[operation.reads[0]].type.divisor
    if divisor != 1:
        x = writer.node("Div", [x, writer.number(divisor)], f"{operation.name}.mean")
    return writer.rounded(x, operation.name, operation.type)


def _align(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    given = writer.program.by_name[operation.reads[0]].type
    factor = operation.type.divisor // given.divisor
    if factor == 1:
        return reads[0]
    return writer.node("Mul", [*reads, writer.number(factor)], operation.name)


def _max_pool(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    """Windows that hang over the end are padding here: of `ceil_mode` engines and ONNX's own checker differ.

    Zeros that were put around before are kept from ONNX Runtime by a clip: it would take them for such padding.
    """
    how, read = operation.args, writer.program.by_name[operation.reads[0]]
    if read.kind == "pad":
        ends = [writer.number(end * 2.0 ** read.type.exponents[0]) for end in (read.type.low, read.type.high)]
        reads = [writer.node("Clip", [*reads, *ends], f"{operation.name}.kept")]
    lists = (
        read.type.shape[1:],
        operation.type.shape[1:],
        *(how[key] for key in ("kernel", "stride", "padding", "dilation")),
    )
    after = [
        max(p, (count - 1) * s + d * (k - 1) + 1 - size - p) for size, count, k, s, p, d in zip(*lists, strict=True)
    ]
    return writer.node(
        "MaxPool", reads, operation.name, kernel_shape=how["kernel"], strides=how["stride"],
        pads=[*how["padding"], *after], dilations=how["dilation"],
    )  # fmt: skip


def _sum_pool(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    """Sums over windows as a convolution of each channel; what of the count is a power of two is in its weights."""
    how, channels = operation.args, operation.type.shape[0]
    given = writer.program.by_name[operation.reads[0]].type
    exponent = operation.type.exponents[0] - given.exponents[0]
    scale = 2.0**exponent
    if is_global(writer.program, operation):
        axes = writer.array(range(2, len(given.shape) + 1), f"{operation.name}.axes", np.int64)
        whole = total(writer, operation, reads[0], axes, keep=1)
        return writer.node("Mul", [whole, writer.number(scale)], operation.name)
    windows = {
        "kernel_shape": how["kernel"], "strides": how["stride"], "pads": [*how["padding"], *how["padding"]],
        "group": channels,
    }  # fmt: skip
    if needs_parts(writer.program, operation):
        return added_up(writer, operation, reads[0], [exponent], windows)
    weights = writer.array(np.full((channels, 1, *how["kernel"]), scale), f"{operation.name}.ones")
    return writer.node("Conv", [*reads, weights], operation.name, **windows)


def _sum(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    given = writer.program.by_name[operation.reads[0]].type
    axes = writer.array(operation.args["dims"], f"{operation.name}.axes", np.int64)
    whole = total(writer, operation, reads[0], axes, keep=int(operation.args["keep"]))
    return writer.node(
        "Mul", [whole, writer.number(2.0 ** (operation.type.exponents[0] - given.exponents[0]))], operation.name
    )


def _reshape(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    shape = writer.array([0, *operation.type.shape], f"{operation.name}.shape", np.int64)
    return writer.node("Reshape", [*reads, shape], operation.name)


def _slice(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    how = operation.args
    ends = [writer.array([how[key]], f"{operation.name}.{key}", np.int64) for key in ("start", "stop", "dim", "step")]
    return writer.node("Slice", [*reads, *ends], operation.name)


def _pad(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    """torch names the last dimension first, ONNX all of them from the front, starts before ends."""
    pad, count = operation.args["pad"], len(operation.type.shape) + 1
    starts, ends = [0] * count, [0] * count
    for index in range(len(pad) // 2):
        starts[-1 - index], ends[-1 - index] = pad[2 * index : 2 * index + 2]
    sizes = writer.array([*starts, *ends], f"{operation.name}.sizes", np.int64)
    return writer.node("Pad", [*reads, sizes], operation.name)


WRITE: Mapping[str, Callable[[GraphWriter, Operation, list[str]], str]] = {
    "conv1d": _convolution,
    "conv2d": _convolution,
    "linear": _linear,
    "add": lambda writer, operation, reads: writer.node("Add", reads, operation.name),
    "clamp": _clamp,
    "requantise": _requantise,
    "sign": lambda writer, operation, reads: writer.signs(reads[0], operation.name, operation.type),
    "table": looked_up,
    "align": _align,
    "max_pool": _max_pool,
    "sum_pool": _sum_pool,
    "sum": _sum,
    "concat": lambda writer, operation, reads: writer.node("Concat", reads, operation.name, axis=operation.args["dim"]),
    "reshape": _reshape,
    "permute": lambda writer, operation, reads: writer.node(
        "Transpose", reads, operation.name, perm=operation.args["order"]
    ),
    "slice": _slice,
    "pad": _pad,
}
