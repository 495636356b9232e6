"""Layers: products of rows of weights with what lies under a window."""

from collections.abc import Sequence

import numpy as np
import torch

from picojoule.errors import InputError
from picojoule.export.c.loops.coded import arrays_of, decoded, looked_up
from picojoule.export.c.loops.loop import Facts, Loop, offset_of, operation_of, strides_of
from picojoule.export.c.loops.weights import GROUP, Codes, channels_last, grouped, signs
from picojoule.export.c.loops.windows import LINE, geometry_of, is_plain, windows_of
from picojoule.export.c.steps import Schedule, Step
from picojoule.export.c.storage import BITS
from picojoule.integer.packing import pack
from picojoule.integer.program import Operation
from picojoule.integer.types import Constant

MOST_INPUT_BITS = 16
MOST_WEIGHT_BITS = 16
WIDENED_ROWS = 16
"""From so many rows on it pays to put bytes of a pixel into halves of words once for all."""


def layer(schedule: Schedule, step: Step) -> Loop:
    operation, read = operation_of(step), schedule.values[step.reads[0]]
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
    if constant.coding is not None:
        geometry = None if operation.kind == "linear" else geometry_of(operation, _kernel(schedule, operation), read)
        return looked_up(schedule, step, _matrix(schedule, step), geometry)
    return _counted(schedule, step) if read.storage is BITS else _dot(schedule, step)


def _dot(schedule: Schedule, step: Step) -> Loop:
    """Products of rows of weights with patches of the image, or with the image where it is one already."""
    operation, read = operation_of(step), schedule.values[step.reads[0]]
    constant = schedule.program.constants[f"{operation.name}.weights"]
    rows, bits, sign = _matrix(schedule, step), constant.bits + (constant.form == "unsigned"), constant.form == "sign"
    length, size = rows.shape[1], read.storage.bytes
    groups = -(-length // GROUP)
    geometry = None if operation.kind == "linear" else geometry_of(operation, _kernel(schedule, operation), read)
    pixels = geometry["pixels"] if geometry else 1
    direct = geometry is None or (is_plain(geometry) and (size > 1 or len(rows) < WIDENED_ROWS))
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
        "geometry": None if direct else windows_of(geometry or LINE, pixel),
    }  # fmt: skip
    scale = 6 if sign else (8 if bits <= 8 else 16) - bits
    buffer = 0 if direct else at_once * row
    return Loop("dot", facts, packed, scale, buffer, slack=(GROUP - 1) * size if direct and ragged else 0)


def _counted(schedule: Schedule, step: Step) -> Loop:
    """Signs times signs: what differs is counted."""
    operation, read = operation_of(step), schedule.values[step.reads[0]]
    channels = read.type.shape[0]
    rows = _matrix(schedule, step)
    packed = signs(rows, channels)
    run = -(-channels // 8)
    row_bytes = rows.shape[1] // channels * run
    if operation.kind == "linear":
        windows, pixels, padded = windows_of(LINE, row_bytes), 1, False
        taps, each = 1, rows.shape[1]
    else:
        geometry = geometry_of(operation, _kernel(schedule, operation), read)
        windows, pixels, padded = windows_of(geometry, run), geometry["pixels"], geometry["padded"]
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
    operation, read = operation_of(step), schedule.values[step.reads[0]]
    rows = _matrix(schedule, step)
    constant = schedule.program.constants[f"{operation.name}.weights"]
    own = len(rows) == operation.args["groups"] == read.type.shape[0]
    facts = _stream(schedule, step, rows) | geometry_of(operation, _kernel(schedule, operation), read) | {
        "convolution_groups": operation.args["groups"], "channels": read.type.shape[0] // operation.args["groups"],
        "pixel": read.type.shape[0], "bytes": read.storage.bytes,
        "fours": len(rows) // 4 * 4 if own and constant.values.abs().max() < 1 << 15 else 0,
    }  # fmt: skip
    buffer = max(8 if facts["fours"] else 0, 4 if facts["fours"] < len(rows) else 0) * rows.shape[1]
    return Loop("grouped", facts, _packed(constant, rows), buffer_bytes=buffer, more=arrays_of(constant))


def _rows(schedule: Schedule, step: Step) -> Loop:
    """A dense layer on each row of a value of more than one dimension."""
    operation, read, own = operation_of(step), schedule.values[step.reads[0]], schedule.values[step.makes]
    rows = _matrix(schedule, step)
    dims = range(len(read.type.shape) - 1)
    facts = _stream(schedule, step, rows) | {
        "loops": [{"dim": dim, "size": read.type.shape[dim]} for dim in dims],
        "offset": offset_of(read.strides, {**{dim: f"i{dim}" for dim in dims}, len(dims): "k"}),
        "to": offset_of(strides_of(schedule, own), {**{dim: f"i{dim}" for dim in dims}, len(dims): "r"}),
        "channels": own.channels,
    }  # fmt: skip
    constant = schedule.program.constants[f"{operation.name}.weights"]
    packed, buffer = _packed(constant, rows), 4 * rows.shape[1]
    return Loop("rows", facts, packed, buffer_bytes=buffer, axis=len(dims), more=arrays_of(constant))


def _stream(schedule: Schedule, step: Step, rows: Codes) -> Facts:
    """Weights as a stream of bits, and how one is read."""
    operation, read = operation_of(step), schedule.values[step.reads[0]]
    constant = schedule.program.constants[f"{operation.name}.weights"]
    half = 1 << (constant.bits - 1)
    weight = {"sign": "1 - 2 * weight", "signed": f"(weight ^ {half}) - {half}", "unsigned": "weight"}[constant.form]
    return {
        "rows": len(rows), "length": rows.shape[1], "bits": constant.bits, "input": read.storage.name,
        "decoded": decoded(constant, schedule.steps.index(step)) if constant.coding else weight,
    }  # fmt: skip


def _packed(constant: Constant, rows: Codes) -> bytes:
    stream = pack(torch.from_numpy(np.ascontiguousarray(rows)), constant.bits, constant.form)
    return bytes(stream.numpy()) + bytes(2)  # three bytes are read at a time


def _kernel(schedule: Schedule, operation: Operation) -> Sequence[int]:
    return schedule.program.constants[f"{operation.name}.weights"].values.shape[2:]


def _matrix(schedule: Schedule, step: Step) -> Codes:
    """A layer's weights, or their codes, as rows whose columns are in the order of what it reads."""
    operation, read = operation_of(step), schedule.values[step.reads[0]]
    weights: Codes = schedule.program.constants[f"{operation.name}.weights"].codes.numpy()
    if operation.kind != "linear":
        return channels_last(weights)
    return weights[:, read.positions] if len(operation.type.shape) == 1 else weights
