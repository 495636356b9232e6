"""Layers whose weights are codes: a few rows are looked up in their table, and then serve all pixels.

Looked up, weights are halves of words, whatever the bits of their codes: DSP instructions multiply two at a time. Where
blocks have shifts these come last.
"""

from dataclasses import replace

import numpy as np
import torch

from picojoule.export.c.loops.loop import Array, Facts, Loop, operation_of
from picojoule.export.c.loops.weights import GROUP, Codes, channels_last
from picojoule.export.c.loops.windows import LINE, is_plain, windows_of
from picojoule.export.c.steps import Schedule, Step
from picojoule.integer.coding import SHIFT_BITS
from picojoule.integer.packing import pack
from picojoule.integer.types import Constant

ROWS_BYTES = 2048
"""Of rows that are looked up at once where the arena has no more room anyway; two rows in any case."""


def looked_up(schedule: Schedule, step: Step, codes: Codes, geometry: Facts | None) -> Loop:
    """Products of rows of weights with patches of halves of words, or with the image where it is such already."""
    operation, read = operation_of(step), schedule.values[step.reads[0]]
    constant = schedule.program.constants[f"{operation.name}.weights"]
    (count, length), size = codes.shape, read.storage.bytes
    groups, pixels = -(-length // GROUP), geometry["pixels"] if geometry else 1
    direct = size == 2 and (geometry is None or is_plain(geometry))
    at_once, row, patch = min(pixels, 2), groups * GROUP * 2, 0 if direct else -(-length // 2) * 4
    rows = 2 if pixels == 1 else min(count + count % 2, max(2, ROWS_BYTES // row // 2 * 2))
    pixel = length * size if geometry is None else read.type.shape[0] * size
    facts = {
        "pixels": pixels, "at_once": at_once, "odd_pixels": pixels > 1 and pixels % 2 == 1, "rows": count,
        "rows_at_once": rows, "row": row, "row_bytes": groups * constant.bits, "groups": groups, "length": length,
        "bits": constant.bits, "patch": patch, "patches": at_once * patch,
        "gather": "" if direct else "bytes" if size == 2 else read.storage.name,
        "input": read.storage.name if size == 2 else "int16",
        "geometry": None if direct else windows_of(geometry or LINE, pixel), **shifts_of(constant),
    }  # fmt: skip
    whole = np.pad(codes, ((0, 0), (0, groups * GROUP - length)))
    stream = bytes(pack(torch.from_numpy(whole), constant.bits, constant.form).numpy()) + bytes(3)  # a word is read
    return Loop("coded", facts, stream, buffer_bytes=at_once * patch + rows * row, more=arrays_of(constant))


def widened(loop: Loop, room: int) -> Loop:
    """A loop that looks up as many rows at once as its own bytes and so many more hold: patches are gathered for each
    such lot of rows anew."""
    if loop.template != "coded" or loop.facts["pixels"] == 1:
        return loop
    rows, row, count = (loop.facts[name] for name in ("rows_at_once", "row", "rows"))
    more = min(room // row // 2 * 2, count + count % 2 - rows)
    return replace(loop, facts=loop.facts | {"rows_at_once": rows + more}, buffer_bytes=loop.buffer_bytes + more * row)


def arrays_of(constant: Constant) -> tuple[Array, ...]:
    """What is stored beside codes: the table, and the shifts of blocks where there are any."""
    coding = constant.coding
    if coding is None:
        return ()
    table = Array("table", "int16_t", 2, tuple(coding.table.tolist()))
    if coding.shifts is None:
        return (table,)
    rows = torch.from_numpy(np.ascontiguousarray(_in_rows(coding.shifts.numpy())))
    stream = bytes(pack(rows, SHIFT_BITS, "unsigned").numpy()) + bytes(2)  # three bytes are read at a time
    return table, Array("shifts", "uint8_t", 1, tuple(stream))


def shifts_of(constant: Constant) -> Facts:
    """Where shifts lie: a row's number of them, the pixels of a row, the channels of a pixel, the length of blocks."""
    coding = constant.coding
    if coding is None or coding.shifts is None:
        return {"shifts": 0}
    outputs, channels, *kernel = constant.values.shape
    return {
        "shifts": coding.shifts.numel() // outputs, "taps": int(np.prod(kernel)), "channels": channels,
        "block": coding.block, "blocks": coding.shifts.shape[1],
    }  # fmt: skip


def decoded(constant: Constant, number: int) -> str:
    """The weight number `at` of step `number` whose code is `weight`, in C."""
    entry, where = f"weights_{number}_table[weight]", shifts_of(constant)
    if not where["shifts"]:
        return entry
    place = "at / {channels} * {blocks} + at % {channels} / {block}".format(**where)
    return f"{entry} * (1 << unpacked(weights_{number}_shifts, {place}, {SHIFT_BITS}))"


def _in_rows(numbers: Codes) -> Codes:
    return numbers if numbers.ndim == 2 else channels_last(numbers)
