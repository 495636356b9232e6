"""The laws of what moves elements and computes nothing."""

import math
from collections.abc import Sequence

from picojoule.files import Fields
from picojoule.integer.laws.elements import check_alike
from picojoule.integer.laws.fields import sizes_of
from picojoule.integer.types import Constant, Type


def concat(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    check_alike(fields, reads)
    first, dim = reads[0], fields.integer("dim", 1, len(reads[0].shape)) - 1
    rest = {(each.shape[:dim], each.shape[dim + 1 :], len(each.shape)) for each in reads}
    if len(rest) > 1:
        fields.fail("joins shapes that do not fit")
    shape = (*first.shape[:dim], sum(each.shape[dim] for each in reads), *first.shape[dim + 1 :])
    low, high = min(each.low for each in reads), max(each.high for each in reads)
    return Type(shape, low, high, first.exponents, 0, first.divisor)


def reshape(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, shape = reads[0], sizes_of(fields, "shape")
    if math.prod(shape) != read.count or len(read.exponents) > 1:
        fields.fail(f"cannot make {list(shape)} of {list(read.shape)}")
    return Type(shape, read.low, read.high, read.exponents, 0, read.divisor)


def permute(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, order = reads[0], sizes_of(fields, "order", None, 0)
    if sorted(order) != [*range(len(read.shape) + 1)] or order[0] != 0 or len(read.exponents) > 1:
        fields.fail(f"cannot turn {list(read.shape)} by {list(order)}")
    shape = tuple(read.shape[each - 1] for each in order[1:])
    return Type(shape, read.low, read.high, read.exponents, 0, read.divisor)


def slice_of(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, dim = reads[0], fields.integer("dim", 1, len(reads[0].shape)) - 1
    start, stop, step = fields.integer("start", 0), fields.integer("stop", 0), fields.integer("step", 1)
    if len(read.exponents) > 1:
        fields.fail("takes a part of a value with an exponent for each channel")
    length = len(range(*slice(start, stop, step).indices(read.shape[dim])))
    shape = (*read.shape[:dim], length, *read.shape[dim + 1 :])
    return Type(shape, read.low, read.high, read.exponents, 0, read.divisor)


def pad(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, pad = reads[0], sizes_of(fields, "pad", None, 0)
    if len(pad) % 2 or len(pad) > 2 * len(read.shape) or len(read.exponents) > 1:
        fields.fail(f"pads {list(read.shape)} by {list(pad)}")
    shape = list(read.shape)
    for index in range(len(pad) // 2):
        shape[-1 - index] += pad[2 * index] + pad[2 * index + 1]
    return Type(tuple(shape), min(read.low, 0), max(read.high, 0), read.exponents, 0, read.divisor)
