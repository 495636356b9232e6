"""The laws of what is taken over windows or dimensions: maxima, and sums that count as means."""

import math
from collections.abc import Sequence

from picojoule.files import Fields
from picojoule.integer.laws.fields import MOST, MOST_TERMS, check_size, padded_sides, sizes_of, windows_in
from picojoule.integer.types import Constant, Type


def max_pool(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, sides = reads[0], _sides(fields, reads[0])
    lows = (("kernel", 1), ("stride", 1), ("padding", 0), ("dilation", 1))
    kernel, stride, padding, dilation = (sizes_of(fields, key, sides, low) for key, low in lows)
    ceil = fields.boolean("ceil")
    if any(2 * more > size for size, more in zip(kernel, padding, strict=True)):
        fields.fail("pads by more than half its window")
    each = zip(read.shape[1:], kernel, stride, padding, dilation, strict=True)
    after = tuple(windows_in(size, k, s, p, d, ceil) for size, k, s, p, d in each)
    check_size(fields, (read.shape[0], *kernel, *after), MOST_TERMS)
    return Type((read.shape[0], *after), read.low, read.high, read.exponents, 0, read.divisor)


def sum_pool(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, sides = reads[0], _sides(fields, reads[0])
    kernel, stride, padding = (sizes_of(fields, key, sides, low) for key, low in
                               (("kernel", 1), ("stride", 1), ("padding", 0)))  # fmt: skip
    check_size(fields, (read.shape[0], *padded_sides(read.shape[1:], padding)))
    after = tuple(windows_in(*each) for each in zip(read.shape[1:], kernel, stride, padding, strict=True))
    check_size(fields, (read.shape[0], *kernel, *after), MOST_TERMS)
    if any(padding):
        read = Type(read.shape, min(read.low, 0), max(read.high, 0), read.exponents, read.axis, read.divisor)
    return _mean(read, (read.shape[0], *after), math.prod(kernel), fields)


def sum_over(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, dims = reads[0], sizes_of(fields, "dims")
    if len(read.exponents) > 1 or max(dims) > len(read.shape) or len(set(dims)) != len(dims):
        fields.fail(f"sums over dimensions {dims} of {list(read.shape)}")
    kept = fields.boolean("keep")
    shape = tuple(1 if dim in dims else size for dim, size in enumerate(read.shape, 1) if kept or dim not in dims)
    return _mean(read, shape, math.prod(read.shape[dim - 1] for dim in dims), fields)


def _mean(read: Type, shape: tuple[int, ...], terms: int, fields: Fields) -> Type:
    """A sum of so many terms, which counts as its `count`th part: its powers of two go into exponents."""
    count = fields.integer("count", 1, MOST)
    twos = (count & -count).bit_length() - 1
    exponents = tuple(each - twos for each in read.exponents)
    divisor = read.divisor * (count >> twos)
    return Type(shape, read.low * terms, read.high * terms, exponents, read.axis, divisor)


def _sides(fields: Fields, read: Type) -> int:
    """How many dimensions a window has."""
    if len(read.shape) not in (2, 3) or read.axis != 0:
        fields.fail(f"has windows over {list(read.shape)}, which has no channels in front, or exponents elsewhere")
    return len(read.shape) - 1
