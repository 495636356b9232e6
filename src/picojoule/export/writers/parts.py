"""Convolutions whose sums leave float32, as several that stay in it: of digits of the weights by digits of the input.

A digit is what rounding to a coarser step leaves over, so that half of them are negative and they are small. It keeps
its place: the digits add up to the number. That each convolution is exact in whatever order it adds, and their sum in
float64, is proved from the very weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from picojoule.errors import InputError
from picojoule.export.writers.exactness import EXACT, is_wide, largest
from picojoule.export.writers.graph import GraphWriter
from picojoule.integer.laws import LAYERS
from picojoule.integer.program import Operation, Program
from picojoule.integer.types import LARGEST, Constant

MOST_PARTS = 16
"""Convolutions that one may become."""


@dataclass(frozen=True)
class Parts:
    """Digits of weights, least first, each worth `2^weight_bits` of the one before; and how many of what is read."""

    weights: tuple[Tensor, ...]
    weight_bits: int
    read_digits: int
    read_bits: int


def parts_of(program: Program, operation: Operation) -> Parts | None:
    """The fewest convolutions in float32 that add up to one, or to sums over windows; None where they are too many."""
    read = program.by_name[operation.reads[0]].type
    most, bias = max(-read.low, read.high), 0
    if operation.kind in LAYERS:
        weights = program.constants[f"{operation.name}.weights"].values
        bias = int(program.constants[f"{operation.name}.bias"].values.abs().max())
    else:
        weights = torch.ones(read.shape[0], 1, *operation.args["kernel"], dtype=torch.int64)
    counts = range(1, MOST_PARTS + 1)
    for ours, theirs in sorted(product(counts, counts), key=lambda each: (each[0] * each[1], each[1])):
        if ours * theirs > MOST_PARTS:
            return None
        digits, bits, sums = _best_weights(weights, ours)
        largest, read_bits = _best_read(most, theirs)
        placed = sum(each << (bits * place) for place, each in enumerate(sums))
        placed *= sum(each << (read_bits * place) for place, each in enumerate(largest))
        if max(sums) * max(largest) <= EXACT and placed + bias < LARGEST:
            return Parts(digits, bits, theirs, read_bits)
    return None


def _best_weights(weights: Tensor, count: int) -> tuple[tuple[Tensor, ...], int, list[int]]:
    """So many digits whose largest sum over an output channel is the least, their bits, and the sum of each digit."""

    def cut(bits: int) -> tuple[tuple[Tensor, ...], int, list[int]]:
        found, rest = [], weights
        for _ in range(count - 1):
            higher = (rest + (1 << (bits - 1))) >> bits
            found.append(rest - (higher << bits))
            rest = higher
        digits = (*found, rest)
        return digits, bits, [int(each.flatten(1).abs().sum(dim=1).max()) for each in digits]

    widest = int(weights.abs().max()).bit_length()
    return min((cut(bits) for bits in _widths(widest, count)), key=lambda each: max(each[2]))


def _best_read(most: int, count: int) -> tuple[list[int], int]:
    """The largest magnitude of each of so many digits of what is at most so large, and their bits."""

    def cut(bits: int) -> tuple[list[int], int]:
        rest = most
        for _ in range(count - 1):
            rest = (rest + (1 << (bits - 1))) >> bits
        return [*[1 << (bits - 1)] * (count - 1), rest], bits

    return min((cut(bits) for bits in _widths(most.bit_length(), count)), key=lambda each: max(each[0]))


def _widths(widest: int, count: int) -> Sequence[int]:
    """What widths digits may have; of one digit it does not matter."""
    return range(1, max(widest, 1) + 1) if count > 1 else (1,)


def added_up(
    writer: GraphWriter, operation: Operation, x: str, exponents: Sequence[int], windows: Mapping[str, Any]
) -> str:
    """Write the convolutions in float32, and their sum and a layer's bias in float64; x is in float64 if it is wide.

    Raises:
        InputError: they would be too many; the message names the layer.
    """
    name, parts = operation.name, parts_of(writer.program, operation)
    if parts is None:
        raise InputError(
            f"'{name}' has sums of up to {largest(operation).bit_length() + 1} bits, and more than {MOST_PARTS} "
            "convolutions in float32 add up to them; give that layer fewer bits, or export to another target"
        )
    weights = []
    for place, digit in enumerate(parts.weights):
        steps = [each + parts.weight_bits * place for each in exponents]
        weights.append(writer.weights(f"{name}.weights", Constant(digit, 0, "signed"), steps, 0))
    read = digits(writer, operation, x, parts.read_digits, parts.read_bits)
    sums = [writer.node("Conv", [each, digit], f"{name}.part", **windows) for each in read for digit in weights]
    with writer.doubles_written():
        terms = [writer.held(each) for each in sums]
        if operation.kind in LAYERS:
            terms.append(writer.bias(operation, sides=len(operation.type.shape) - 1))
        return reduce(lambda one, other: writer.node("Add", [one, other], name), terms)


def digits(writer: GraphWriter, operation: Operation, x: str, count: int, bits: int) -> list[str]:
    """Write what is read as digits in float32 that add up to it, least first."""
    read = writer.program.by_name[operation.reads[0]]
    exponents = np.array(read.type.exponents, np.float64).reshape(-1, *[1] * (len(read.type.shape) - 1))
    wide = is_wide(read)
    found, name = [], f"{operation.name}.digit"
    with writer.doubles_written(wide):
        for place in range(1, count):
            steps = writer.array(np.exp2(exponents + bits * place), f"{name}.steps")
            whole = writer.node("Round", [writer.node("Div", [x, steps], f"{name}.steps")], f"{name}.whole")
            higher = writer.node("Mul", [whole, steps], f"{name}.higher")
            found.append(writer.node("Sub", [x, higher], name))
            x = higher
    return [writer.narrowed(each) if wide else each for each in (*found, x)]
