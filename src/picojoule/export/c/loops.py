"""Which loop of C makes the elements of a step, and the numbers that its template takes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch

from picojoule.errors import InputError
from picojoule.export.c.steps import Schedule, Step, Value
from picojoule.export.c.storage import BITS
from picojoule.export.c.weights import GROUP, Codes, channels_last, grouped, signs
from picojoule.integer.packing import pack
from picojoule.integer.program import Operation

MOST_INPUT_BITS = 16
MOST_WEIGHT_BITS = 16
WIDENED_ROWS = 16
"""From so many rows on it pays to put bytes of a pixel into halves of words once for all."""
Facts = dict[str, Any]


@dataclass(frozen=True)
class Loop:
    """A loop's template and its facts; `weights` are packed, each sum counts 2^`scale` times what it is.

    `buffer_bytes` are its own in the arena, `axis` is the dimension along which it has a coordinate at hand, `slack`
    how many bytes behind a value it may read.
    """

    template: str
    facts: Facts
    weights: bytes = b""
    scale: int = 0
    buffer_bytes: int = 0
    axis: int = 0
    slack: int = 0


def loop(schedule: Schedule, step: Step) -> Loop:
    """The loop of a step.

    Raises:
        InputError: C has none; the message names the operation.
    """
    if step.operation is None:
        return _copy(schedule, step, _concatenated)
    return LOOPS[step.operation.kind](schedule, step)


def _layer(schedule: Schedule, step: Step) -> Loop:
    operation, read = _operation(step), schedule.values[step.reads[0]]
    if read.type.bits > MOST_INPUT_BITS:
        raise InputError(
            f"'{operation.name}' multiplies codes of {read.type.bits} bits; C has at most {MOST_INPUT_BITS}"
        )
    constant = schedule.program.constants[f"{operation.name}.weights"]
    if (bits := constant.bits + (constant.form == "unsigned")) > MOST_WEIGHT_BITS:
        raise InputError(
            f"'{operation.name}' has weights of {bits} bits with their sign; C has at most {MOST_WEIGHT_BITS}"
        )
    if operation.kind == "linear" and len(operation.type.shape) > 1:
        return _rows(schedule, step)
    if operation.args.get("groups", 1) > 1:
        return _grouped(schedule, step)
    return _counted(schedule, step) if read.storage is BITS else _dot(schedule, step)


def _dot(schedule: Schedule, step: Step) -> Loop:
    """Products of rows of weights with patches of the image, or with the image where it is one already."""
    operation, read = _operation(step), schedule.values[step.reads[0]]
    constant = schedule.program.constants[f"{operation.name}.weights"]
    rows, bits, sign = _matrix(schedule, step), constant.bits + (constant.form == "unsigned"), constant.form == "sign"
    length, size = rows.shape[1], read.storage.bytes
    groups = -(-length // GROUP)
    geometry = None if operation.kind == "linear" else _geometry(operation, _kernel(schedule, operation), read)
    pixels = geometry["pixels"] if geometry else 1
    direct = geometry is None or (_is_plain(geometry) and (size > 1 or len(rows) < WIDENED_ROWS))
    ragged = length % GROUP != 0
    if direct and ragged and (sign or read.lies_in == schedule.program.input.name):
        direct = False  # what lies behind a row is no zero, or not ours to read
    given, gather = read.storage.name, ""
    if not direct:
        gather, given, size = ("bytes", given, size) if size == 2 else (given, "int16", 2)
    at_once, row = min(pixels, 2), groups * GROUP * size
    packed = grouped((rows < 0).astype(np.int64) if sign else rows, bits, interleaved=size == 2)
    pixel = length * read.storage.bytes if geometry is None else read.type.shape[0] * read.storage.bytes
    facts = {
        "pixels": pixels, "at_once": at_once, "odd_pixels": at_once == 2 and pixels % 2 == 1, "rows": len(rows),
        "row": row, "row_bytes": groups * bits, "groups": groups, "length": length * size, "bits": bits, "sign": sign,
        "filled": not direct and ragged, "gather": gather, "input": given, "width": size,
        "geometry": None if direct else _windows(geometry or _LINE, pixel),
    }  # fmt: skip
    scale = 6 if sign else (8 if bits <= 8 else 16) - bits
    buffer = 0 if direct else at_once * row
    return Loop("dot", facts, packed, scale, buffer, slack=(GROUP - 1) * size if direct and ragged else 0)


def _counted(schedule: Schedule, step: Step) -> Loop:
    """Signs times signs: what differs is counted."""
    operation, read = _operation(step), schedule.values[step.reads[0]]
    channels = read.type.shape[0]
    rows = _matrix(schedule, step)
    packed = signs(rows, channels)
    run = -(-channels // 8)
    row_bytes = rows.shape[1] // channels * run
    if operation.kind == "linear":
        windows, pixels, padded = _windows(_LINE, row_bytes), 1, False
        taps, each = 1, rows.shape[1]
    else:
        geometry = _geometry(operation, _kernel(schedule, operation), read)
        windows, pixels, padded = _windows(geometry, run), geometry["pixels"], geometry["padded"]
        taps, each = rows.shape[1] // channels, channels
    words = -(-row_bytes // 4)
    facts = {
        "pixels": pixels, "rows": len(rows), "row": 4 * words, "row_bytes": row_bytes, "words": words, "taps": taps,
        "channels": each, "padded": padded, "geometry": windows, "gather": "bytes",
        "end": f"0x{(1 << 8 * (row_bytes % 4)) - 1:08X}u" if row_bytes % 4 else "",
        "buffer_bytes": 4 * words * (4 if padded else 2),
    }  # fmt: skip
    return Loop("signs", facts, packed, buffer_bytes=facts["buffer_bytes"])


def _grouped(schedule: Schedule, step: Step) -> Loop:
    """Each channel with some of the image's: a row of weights is unpacked once for all pixels.

    Where each channel has one of its own, four are made at once.
    """
    operation, read = _operation(step), schedule.values[step.reads[0]]
    rows = _matrix(schedule, step)
    own = len(rows) == operation.args["groups"] == read.type.shape[0]
    facts = _stream(schedule, operation, rows, read) | _geometry(operation, _kernel(schedule, operation), read) | {
        "convolution_groups": operation.args["groups"], "channels": read.type.shape[0] // operation.args["groups"],
        "pixel": read.type.shape[0], "bytes": read.storage.bytes,
        "fours": len(rows) // 4 * 4 if own and abs(rows).max() < 1 << 15 else 0,
    }  # fmt: skip
    buffer = max(8 if facts["fours"] else 0, 4 if facts["fours"] < len(rows) else 0) * rows.shape[1]
    return Loop("grouped", facts, _packed(schedule, operation, rows), buffer_bytes=buffer)


def _rows(schedule: Schedule, step: Step) -> Loop:
    """A dense layer on each row of a value of more than one dimension."""
    operation, read, own = _operation(step), schedule.values[step.reads[0]], schedule.values[step.makes]
    rows = _matrix(schedule, step)
    dims = range(len(read.type.shape) - 1)
    facts = _stream(schedule, operation, rows, read) | {
        "loops": [{"dim": dim, "size": read.type.shape[dim]} for dim in dims],
        "offset": _offset(read.strides, {**{dim: f"i{dim}" for dim in dims}, len(dims): "k"}),
        "to": _offset(_strides(schedule, own), {**{dim: f"i{dim}" for dim in dims}, len(dims): "r"}),
        "channels": _channels(own),
    }  # fmt: skip
    return Loop("rows", facts, _packed(schedule, operation, rows), buffer_bytes=4 * rows.shape[1], axis=len(dims))


def _stream(schedule: Schedule, operation: Operation, rows: Codes, read: Value) -> Facts:
    """Weights as a stream of bits, and how one is read."""
    constant = schedule.program.constants[f"{operation.name}.weights"]
    half = 1 << (constant.bits - 1)
    decoded = {"sign": "1 - 2 * weight", "signed": f"(weight ^ {half}) - {half}", "unsigned": "weight"}[constant.form]
    return {
        "rows": len(rows), "length": rows.shape[1], "bits": constant.bits, "decoded": decoded,
        "input": read.storage.name,
    }  # fmt: skip


def _packed(schedule: Schedule, operation: Operation, rows: Codes) -> bytes:
    constant = schedule.program.constants[f"{operation.name}.weights"]
    stream = pack(torch.from_numpy(np.ascontiguousarray(rows)), constant.bits, constant.form)
    return bytes(stream.numpy()) + bytes(2)  # three bytes are read at a time


def _kernel(schedule: Schedule, operation: Operation) -> Sequence[int]:
    return schedule.program.constants[f"{operation.name}.weights"].values.shape[2:]


def _matrix(schedule: Schedule, step: Step) -> Codes:
    """A layer's weights as rows whose columns are in the order of what it reads."""
    operation, read = _operation(step), schedule.values[step.reads[0]]
    weights: Codes = schedule.program.constants[f"{operation.name}.weights"].values.numpy()
    if operation.kind != "linear":
        return channels_last(weights)
    return weights[:, read.positions] if len(operation.type.shape) == 1 else weights


def _pool(schedule: Schedule, step: Step) -> Loop:
    operation, read = _operation(step), schedule.values[step.reads[0]]
    facts = _geometry(operation, operation.args["kernel"], read) | {"bytes": max(1, read.storage.bytes)}
    if read.storage is BITS:
        return Loop("pool", facts | {"kind": "bits", "channels": -(-read.type.shape[0] // 8), "begin": "0xFF"})
    maximum = operation.kind == "max_pool"
    facts |= {"kind": "max" if maximum else "sum", "begin": str(read.type.low) if maximum else "0"}
    return Loop("pool", facts | {"channels": read.type.shape[0], "input": read.storage.name})


def _geometry(operation: Operation, kernel: Sequence[int], read: Value) -> Facts:
    """Where windows lie, in two dimensions; over one dimension they are one high."""
    args, more = operation.args, 3 - len(read.type.shape)
    sides: list[Sequence[int]] = [kernel, args["stride"], args.get("dilation", [1] * (2 - more))]
    (kernel_y, kernel_x), (stride_y, stride_x), (step_y, step_x) = ([*[1] * more, *sizes] for sizes in sides)
    pad_y, pad_x = [0] * more + args["padding"]
    height, width = [*[1] * more, *read.type.shape[1:]]
    height_out, width_out = [*[1] * more, *operation.type.shape[1:]]
    bottom = (height_out - 1) * stride_y + (kernel_y - 1) * step_y - pad_y
    right = (width_out - 1) * stride_x + (kernel_x - 1) * step_x - pad_x
    return {
        "pixels": height_out * width_out, "height": height, "width": width, "width_out": width_out,
        "kernel_y": kernel_y, "kernel_x": kernel_x, "stride_y": stride_y, "stride_x": stride_x,
        "pad_y": pad_y, "pad_x": pad_x, "step_y": step_y, "step_x": step_x,
        "padded": bool(pad_y or pad_x or bottom >= height or right >= width),
    }  # fmt: skip


_LINE = dict.fromkeys("height width kernel_y kernel_x stride_y stride_x step_y step_x width_out".split(), 1) | {
    "pad_y": 0, "pad_x": 0,
}  # fmt: skip
"""One window over one pixel."""
_WINDOWS = "height width pixel kernel_y kernel_x stride_y stride_x pad_y pad_x step_y step_x width_out".split()


def _windows(geometry: Facts, pixel: int) -> list[int]:
    """C's `windows_t`, a pixel of the image being so many bytes."""
    return [(geometry | {"pixel": pixel})[name] for name in _WINDOWS]


def _is_plain(geometry: Facts) -> bool:
    """Whether the window of each output is the pixel in its place."""
    ones = ("kernel_y", "kernel_x", "stride_y", "stride_x")
    return all(geometry[name] == 1 for name in ones) and not geometry["pad_y"] and not geometry["pad_x"]


def _sum(schedule: Schedule, step: Step) -> Loop:
    operation, read, own = _operation(step), schedule.values[step.reads[0]], schedule.values[step.makes]
    over, kept = [dim - 1 for dim in operation.args["dims"]], operation.args["keep"]
    left = [dim for dim in range(len(read.type.shape)) if dim not in over]
    made = {dim if kept else left.index(dim): dim for dim in left}  # dimensions of what is made that one goes along
    names = {dim: f"i{at}" for at, dim in made.items()} | {dim: f"j{dim}" for dim in over}
    facts = {
        "loops": [{"dim": at, "size": own.type.shape[at]} for at in made],
        "inner": [{"dim": dim, "size": read.type.shape[dim]} for dim in over],
        "offset": _offset(read.strides, names), "to": _offset(_strides(schedule, own), {at: f"i{at}" for at in made}),
        "channel": "i0" if 0 in made else "0", "input": read.storage.name, "channels": _channels(own),
    }  # fmt: skip
    return Loop("sum", facts)


Place = Callable[[Operation, Value, Value], tuple[str, str]]
"""Where the element of what is read lies that goes to `i0`, `i1`, ... of what is made, and if there is none, the
condition under which there is."""


def _copy(schedule: Schedule, step: Step, place: Place) -> Loop:
    """Elements that go elsewhere, one from each place."""
    own, reads = schedule.values[step.makes], [schedule.values[name] for name in step.reads]
    parts = []
    begin = 0
    for at, read in enumerate(reads):
        offset, condition = place(step.operation, read, own) if step.operation else (_along(read, own), "")
        sizes, to, channel = [*own.type.shape], _offset(_strides(schedule, own), _names(own)), "i0"
        if step.operation and step.operation.kind == "concat":
            dim = step.operation.args["dim"] - 1
            sizes, to = [*read.type.shape], f"{to} + {begin * _strides(schedule, own)[dim]}"
            channel = f"i0 + {begin}" if dim == 0 else "i0"
            begin += read.type.shape[dim]
        parts.append({
            "loops": [{"dim": dim, "size": sizes[dim]} for dim in own.order], "to": to, "offset": offset,
            "condition": condition, "input": read.storage.name, "name": f"in{at}", "channel": channel,
        })  # fmt: skip
    return Loop("copy", {"parts": parts, "channels": _channels(own)})


def _channels(value: Value) -> int:
    return value.type.shape[0] if value.type.shape else 1


def _names(value: Value) -> dict[int, str]:
    return {dim: f"i{dim}" for dim in range(len(value.type.shape))}


def _along(read: Value, own: Value) -> str:
    """The element in the same place."""
    return _offset(read.strides, _names(own))


def _permuted(operation: Operation, read: Value, own: Value) -> tuple[str, str]:
    order = [each - 1 for each in operation.args["order"][1:]]
    return _offset(read.strides, {dim: f"i{at}" for at, dim in enumerate(order)}), ""


def _sliced(operation: Operation, read: Value, own: Value) -> tuple[str, str]:
    args, names = operation.args, _names(own)
    dim = args["dim"] - 1
    start, _, step = slice(args["start"], args["stop"], args["step"]).indices(read.type.shape[dim])
    return _offset(read.strides, names | {dim: f"({start} + i{dim} * {step})"}), ""


def _padded(operation: Operation, read: Value, own: Value) -> tuple[str, str]:
    pads, names, inside = operation.args["pad"], _names(own), []
    for k in range(len(pads) // 2):
        dim, before = len(own.type.shape) - 1 - k, pads[2 * k]
        if pads[2 * k] or pads[2 * k + 1]:
            names[dim] = f"(i{dim} - {before})"
            inside.append(f"i{dim} >= {before} && i{dim} < {before + read.type.shape[dim]}")
    return _offset(read.strides, names), " && ".join(inside)


def _reshaped(operation: Operation, read: Value, own: Value) -> tuple[str, str]:
    number = _offset(_natural(own.type.shape), _names(own))
    natural = _natural(read.type.shape)
    names = {dim: f"(({number}) / {natural[dim]} % {size})" for dim, size in enumerate(read.type.shape)}
    return _offset(read.strides, names), ""


def _concatenated(operation: Operation, read: Value, own: Value) -> tuple[str, str]:
    return _along(read, own), ""


def _natural(shape: Sequence[int]) -> list[int]:
    return [prod(shape[dim + 1 :]) for dim in range(len(shape))]


def _strides(schedule: Schedule, value: Value) -> Sequence[int]:
    """Where elements go: to the caller in the sample's own order."""
    return _natural(value.type.shape) if value.name == schedule.output else value.strides


def _offset(strides: Sequence[int], names: Mapping[int, str]) -> str:
    """Where an element lies, by its coordinates' names in C."""
    parts = [name if strides[dim] == 1 else f"{name} * {strides[dim]}" for dim, name in names.items()]
    return " + ".join(parts) or "0"


def _operation(step: Step) -> Operation:
    if step.operation is None:
        raise AssertionError(f"step '{step.name}' has no operation")
    return step.operation


def _copied(place: Place) -> Callable[[Schedule, Step], Loop]:
    return lambda schedule, step: _copy(schedule, step, place)


LOOPS: Mapping[str, Callable[[Schedule, Step], Loop]] = {
    **dict.fromkeys(("conv1d", "conv2d", "linear"), _layer),
    **dict.fromkeys(("max_pool", "sum_pool"), _pool),
    "sum": _sum,
    "concat": _copied(_concatenated),
    "reshape": _copied(_reshaped),
    "permute": _copied(_permuted),
    "slice": _copied(_sliced),
    "pad": _copied(_padded),
}
"""By kind of operation."""
