"""Tables of steps as ONNX: the step that a number is on is found by halves, which takes little memory.

A place begins at its row, and goes on by 2^k, k from most to none, wherever the threshold there is reached.
"""

from typing import Any

import numpy as np

from picojoule.export.writers.exactness import is_wide
from picojoule.export.writers.graph import GraphWriter
from picojoule.integer.program import Operation
from picojoule.kernels.table import middles

Array = np.ndarray[Any, np.dtype[np.float64]]


def looked_up(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    """Write a table, in the numbers that what it reads is in."""
    how, name, (x,) = operation.args, operation.name, reads
    before = writer.program.by_name[operation.reads[0]]
    halvings = max(how["steps"]).bit_length()
    rows, place = _places(writer, operation, halvings)
    with writer.doubles_written(writer.doubles and is_wide(before)):
        thresholds = writer.array(_thresholds(writer, operation, rows, 1 << halvings), f"{name}.thresholds")
    return _searched(writer, operation, x, place, halvings, thresholds, _codes(writer, operation, rows, 1 << halvings))


def nearest(writer: GraphWriter, given: Operation, x: str) -> str:
    """Write the rounding of an input x, in float32, to the members of its codebook."""
    members, step = writer.program.members, 2.0 ** given.type.exponents[0]
    halvings = max(1, (len(members) - 1).bit_length())
    laid, codes = np.full(1 << halvings, np.inf), np.full(1 << halvings, float(members[-1]))
    codes[: len(members)] = members
    for at, (middle, goes_down) in enumerate(middles(members), 1):
        first = np.float32(float(middle))  # exact: half of a number of 17 bits
        laid[at] = np.nextafter(first, np.float32(np.inf)) if goes_down else first
    place = writer.array([0], f"{given.name}.rows", np.int64)
    thresholds = writer.array(laid * step, f"{given.name}.thresholds")
    return _searched(writer, given, x, place, halvings, thresholds, codes * step)


def _searched(
    writer: GraphWriter, operation: Operation, x: str, place: str, halvings: int, thresholds: str, codes: Array
) -> str:
    """Write the search from a place on: comparisons and gathers, and what rounds, for whoever looks for that in front
    of a layer.

    ONNX Runtime does: where nothing rounds a layer's input, it may round it in a way of its own.
    """
    name = operation.name
    for half in reversed(range(halvings)):
        more = writer.array([1 << half], f"{name}.half", np.int64)
        further = writer.node("Add", [place, more], f"{name}.further")
        threshold = writer.node("Gather", [thresholds, further], f"{name}.threshold")
        reached = writer.node("GreaterOrEqual", [x, threshold], f"{name}.reached")
        place = writer.node("Where", [reached, further, place], f"{name}.place")
    found = writer.node("Gather", [writer.array(codes, f"{name}.codes"), place], f"{name}.found")
    signs = operation.kind == "table" and writer.program.constants[f"{name}.codes"].form == "sign"
    return (writer.signs if signs else writer.rounded)(found, name, operation.type)


def _places(writer: GraphWriter, operation: Operation, halvings: int) -> tuple[list[tuple[int, int]], str]:
    """The rows to be stored, each with the exponent of its thresholds; and, stored, where each channel begins."""
    how, read = operation.args, writer.program.by_name[operation.reads[0]].type
    count = max(len(how["rows"]), len(read.exponents))
    row_of, exponents = ([*each] * (count // len(each)) for each in (how["rows"], read.exponents))
    channels = [*zip(row_of, exponents, strict=True)]
    rows = [*dict.fromkeys(channels)]
    starts = np.array([rows.index(each) << halvings for each in channels])
    axis = how["axis"] if len(how["rows"]) > 1 else read.axis
    sides = len(read.shape) - 1 - axis if count > 1 else 0
    return rows, writer.array(starts.reshape(-1, *[1] * sides), f"{operation.name}.rows", np.int64)


def _thresholds(writer: GraphWriter, operation: Operation, rows: list[tuple[int, int]], width: int) -> Array:
    """What thresholds stand for, row after row, from its second place, filled up with what is never reached."""
    steps, given = operation.args["steps"], writer.program.constants[f"{operation.name}.thresholds"].values.numpy()
    beyond = 2.0 * (max(0, writer.program.by_name[operation.reads[0]].type.high) + 1)
    laid = np.full((len(rows), width), beyond)
    for place, (row, exponent) in enumerate(rows):
        laid[place, 1 : steps[row] + 1] = given[sum(steps[:row]) :][: steps[row]]
        laid[place] *= 2.0**exponent
    return laid.ravel()


def _codes(writer: GraphWriter, operation: Operation, rows: list[tuple[int, int]], width: int) -> Array:
    """What codes stand for, row after row."""
    steps, given = operation.args["steps"], writer.program.constants[f"{operation.name}.codes"].values.numpy()
    laid = np.zeros((len(rows), width))
    for place, (row, _) in enumerate(rows):
        laid[place, : steps[row] + 1] = given[sum(steps[:row]) + row :][: steps[row] + 1]
    return laid.ravel() * 2.0 ** operation.type.exponents[0]
