"""The laws of layers: their bounds are proved from their very weights."""

from collections.abc import Sequence

from torch import Tensor

from picojoule.files import Fields
from picojoule.integer.coding import ENTRY_BITS, MOST_ENTRIES, blocks_of
from picojoule.integer.laws.fields import MOST_TERMS, check_size, padded_sides, sizes_of, whole_number, windows_in
from picojoule.integer.types import LARGEST, Constant, Type


def largest_sum(weights: Tensor, bias: Tensor, read: Type) -> int:
    """The largest magnitude that a partial sum of a layer can have, in any order.

    It is exact below 2^53; beyond, it is at least that.
    """
    rows = weights.reshape(len(weights), -1).double()
    most = rows.abs().sum(dim=1) * max(-read.low, read.high) + bias.abs().double()
    return int(most.max())


def layer(fields: Fields, reads: Sequence[Type], constants: Sequence[Constant]) -> Type:
    read = reads[0]
    weights, bias = constants[0].values, constants[1].values
    if len(read.exponents) != 1 or read.divisor != 1:
        fields.fail("multiplies what is not rounded")
    exponents = tuple(whole_number(fields, each) for each in fields.items("exponents"))
    if bias.shape != weights.shape[:1] or len(exponents) not in (1, len(weights)):
        fields.fail(f"has {list(bias.shape)} biases and {len(exponents)} exponents for {len(weights)} channels")
    _check_coding(fields, constants[0])
    if largest_sum(weights, bias, read) >= LARGEST:
        fields.fail("has sums of more than 53 bits; give that layer fewer bits")
    padded = False
    if weights.dim() == 2:
        if not read.shape or weights.shape[1] != read.shape[-1]:
            fields.fail(f"multiplies {list(read.shape)} by weights of shape {list(weights.shape)}")
        shape, axis = (*read.shape[:-1], len(weights)), len(read.shape) - 1
    else:
        shape, padded = _convolved(fields, read.shape, weights)
        axis = 0
    low, high = _bounds(weights, bias, read, padded)
    sums = tuple(read.exponents[0] + each for each in exponents)
    return Type(shape, low, high, sums, axis)


def _check_coding(fields: Fields, weights: Constant) -> None:
    """Refuse codes that are not of a table, or numbers that a multiplier of 16 bits does not take."""
    coding, half = weights.coding, 1 << (ENTRY_BITS - 1)
    if coding is None:
        return
    table, values = coding.table, weights.values
    if not 1 <= len(table) <= MOST_ENTRIES or bool((table[1:] <= table[:-1]).any()):
        fields.fail(f"has a table of {len(table)} numbers; 1 to {MOST_ENTRIES} that rise are possible")
    if coding.shifts is not None and coding.shifts.shape != blocks_of(values.shape, coding.block):
        fields.fail(f"has shifts {list(coding.shifts.shape)} for weights {list(values.shape)} by {coding.block}")
    if min(int(table[0]), int(values.min())) < -half or max(int(table[-1]), int(values.max())) >= half:
        fields.fail(f"has coded weights of more than {ENTRY_BITS} bits; give that layer fewer bits")
    if weights.form != "unsigned" or weights.bits < coding.bits or not coding.holds(values):
        fields.fail(f"has weights that {weights.bits} bits and a table of {len(table)} do not give")


def _convolved(fields: Fields, shape: tuple[int, ...], weights: Tensor) -> tuple[tuple[int, ...], bool]:
    sides = weights.dim() - 2
    stride, padding, dilation = (sizes_of(fields, key, sides, low) for key, low in
                                 (("stride", 1), ("padding", 0), ("dilation", 1)))  # fmt: skip
    groups = fields.integer("groups", 1, 2**20)
    outputs, inputs, *kernel = weights.shape
    if len(shape) != sides + 1 or shape[0] != inputs * groups or outputs % groups:
        fields.fail(f"convolves {list(shape)} in {groups} groups by weights of shape {list(weights.shape)}")
    check_size(fields, (inputs * groups, *padded_sides(shape[1:], padding)))
    after = tuple(windows_in(*each) for each in zip(shape[1:], kernel, stride, padding, dilation, strict=True))
    check_size(fields, (inputs, *kernel, *after), MOST_TERMS)
    return (outputs, *after), any(padding)


def _bounds(weights: Tensor, bias: Tensor, read: Type, padded: bool) -> tuple[int, int]:
    """The least and the largest sum of any channel."""
    rows = weights.reshape(len(weights), -1).double()
    up, down = rows.clamp(min=0), rows.clamp(max=0)
    least, most = (min(read.low, 0), max(read.high, 0)) if padded else (read.low, read.high)
    low = (up * least + down * most).sum(dim=1) + bias
    high = (up * most + down * least).sum(dim=1) + bias
    return int(low.min()), int(high.max())
