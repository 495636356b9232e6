"""What each kind of operation makes of the types that it reads: shape, codes from least to most, exponents, divisor.

Both who makes a program and who loads one ask here, so a file cannot claim what does not follow. Bounds of layers are
proved from their very weights.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from picojoule.files import Fields
from picojoule.integer.types import LARGEST, MOST_CODES, MOST_DIMENSIONS, MOST_EXPONENT, Constant, Type

Law = Callable[[Fields, Sequence[Type], Sequence[Constant]], Type]
_MOST = 2**31
MOST_LOOKED_UP = 2**24
"""Codes that a value may have which a table reads."""
MOST_STEPS = 2**20
"""Of one table, all its rows together."""
_MOST_TERMS = 2**28
"""Products, or codes compared, that make one value of one sample, where an engine may lay them all out in memory."""


def type_of(
    kind: str, args: Mapping[str, Any], reads: Sequence[Type], constants: Sequence[Constant], origin: str
) -> Type:
    """The type of what an operation makes; `constants` are its own (`PARTS`), `origin` names it in errors.

    Raises:
        FileError: arguments that are missing, unknown or do not fit what is read, or values beyond 53 bits.
    """
    fields = Fields(args, origin)
    law, arity = LAWS[kind]
    if len(reads) != arity if arity >= 0 else not reads:
        fields.fail(f"reads {len(reads)} values")
    made = law(fields, reads, constants)
    fields.finish()
    if max(-made.low, made.high) > LARGEST:
        fields.fail("has values of more than 53 bits; give the layers before it fewer bits")
    _check_size(fields, made.shape)
    if max(map(abs, made.exponents)) > MOST_EXPONENT or made.divisor > LARGEST:
        fields.fail(f"has exponents beyond {MOST_EXPONENT}, or counts for less than one part of 2^53")
    one = made.exponents[:1] if len(set(made.exponents)) == 1 else made.exponents
    if len(one) > 1 and (made.axis >= len(made.shape) or made.shape[made.axis] != len(one)):
        fields.fail(f"has {len(one)} exponents for shape {list(made.shape)}")
    return Type(made.shape, made.low, made.high, one, made.axis if len(one) > 1 else 0, made.divisor)


def largest_sum(weights: Tensor, bias: Tensor, read: Type) -> int:
    """The largest magnitude that a partial sum of a layer can have, in any order.

    It is exact below 2^53; beyond, it is at least that.
    """
    rows = weights.reshape(len(weights), -1).double()
    most = rows.abs().sum(dim=1) * max(-read.low, read.high) + bias.abs().double()
    return int(most.max())


def _input(fields: Fields, _: Sequence[Type], __: Sequence[Constant]) -> Type:
    low, high = _ends(fields)
    if fields.boolean("sign") and (low, high) != (-1, 1):
        fields.fail("has signs that are not -1 and 1")
    return Type(_sizes(fields, "shape"), low, high, (_exponent(fields),))


def _layer(fields: Fields, reads: Sequence[Type], constants: Sequence[Constant]) -> Type:
    read = reads[0]
    weights, bias = constants[0].values, constants[1].values
    if len(read.exponents) != 1 or read.divisor != 1:
        fields.fail("multiplies what is not rounded")
    exponents = tuple(_whole(fields, each) for each in fields.items("exponents"))
    if bias.shape != weights.shape[:1] or len(exponents) not in (1, len(weights)):
        fields.fail(f"has {list(bias.shape)} biases and {len(exponents)} exponents for {len(weights)} channels")
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


def _convolved(fields: Fields, shape: tuple[int, ...], weights: Tensor) -> tuple[tuple[int, ...], bool]:
    sides = weights.dim() - 2
    stride, padding, dilation = (_sizes(fields, key, sides, low) for key, low in
                                 (("stride", 1), ("padding", 0), ("dilation", 1)))  # fmt: skip
    groups = fields.integer("groups", 1, 2**20)
    outputs, inputs, *kernel = weights.shape
    if len(shape) != sides + 1 or shape[0] != inputs * groups or outputs % groups:
        fields.fail(f"convolves {list(shape)} in {groups} groups by weights of shape {list(weights.shape)}")
    _check_size(fields, (inputs * groups, *_padded(shape[1:], padding)))
    after = tuple(_windows(*each) for each in zip(shape[1:], kernel, stride, padding, dilation, strict=True))
    _check_size(fields, (inputs, *kernel, *after), _MOST_TERMS)
    return (outputs, *after), any(padding)


def _padded(sides: Sequence[int], padding: Sequence[int]) -> tuple[int, ...]:
    return tuple(size + 2 * more for size, more in zip(sides, padding, strict=True))


def _check_size(fields: Fields, shape: Sequence[int], most: int = MOST_CODES) -> None:
    if len(shape) > MOST_DIMENSIONS or min(shape, default=1) < 1 or math.prod(shape) > most:
        fields.fail(f"makes values of shape {list(shape)!s:.60}; at least 1 and at most {most} codes are possible")


def _windows(length: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil: bool = False) -> int:
    """How many windows a side has room for."""
    free = length + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil:
        return free // stride + 1
    count = -(-free // stride) + 1
    return count - ((count - 1) * stride >= length + padding)  # a window that begins beyond the end is none


def _bounds(weights: Tensor, bias: Tensor, read: Type, padded: bool) -> tuple[int, int]:
    """The least and the largest sum of any channel."""
    rows = weights.reshape(len(weights), -1).double()
    up, down = rows.clamp(min=0), rows.clamp(max=0)
    least, most = (min(read.low, 0), max(read.high, 0)) if padded else (read.low, read.high)
    low = (up * least + down * most).sum(dim=1) + bias
    high = (up * most + down * least).sum(dim=1) + bias
    return int(low.min()), int(high.max())


def _clamp(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read = reads[0]
    low, high = (_bound(fields, key, len(read.exponents)) for key in ("low", "high"))
    if low and high and any(one > other for one, other in zip(low, high, strict=True)):
        fields.fail("clamps to no interval")

    def ends(value: int) -> list[int]:
        raised = [max(value, each) for each in low] if low else [value]
        return [min(one, each) for one in raised for each in high] if high else raised

    return Type(read.shape, min(ends(read.low)), max(ends(read.high)), read.exponents, read.axis, read.divisor)


def _bound(fields: Fields, key: str, count: int) -> list[int] | None:
    found = fields.take(key, lambda value: value is None or isinstance(value, list), "a list or null")
    if found is None:
        return None
    if len(found) != count:
        fields.fail(f"key '{key}' has {len(found)} bounds for {count} exponents")
    return [_whole(fields, each) for each in found]


def _requantise(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    return Type(reads[0].shape, *_ends(fields), (_exponent(fields),))


def _sign(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    return Type(reads[0].shape, -1, 1, (_exponent(fields),))


def _table(fields: Fields, reads: Sequence[Type], constants: Sequence[Constant]) -> Type:
    """Rows of steps, each for the channels that name it: a code is that behind the last threshold it reaches."""
    read, thresholds, codes = reads[0], constants[0].values, constants[1].values
    steps = [_whole(fields, each, 1, MOST_STEPS) for each in fields.items("steps")]
    rows = [_whole(fields, each, 0, len(steps) - 1) for each in fields.items("rows")]
    axis = fields.integer("axis", 0, MOST_DIMENSIONS)
    if sum(steps) != len(thresholds) or len(codes) != len(thresholds) + len(steps) or sum(steps) > MOST_STEPS:
        fields.fail(f"has {len(thresholds)} thresholds and {len(codes)} codes for {sum(steps)} steps")
    if {*rows} != {*range(len(steps))} or (len(rows) > 1 and read.shape[axis : axis + 1] != (len(rows),)):
        fields.fail(f"has {len(steps)} rows for {len(rows)} channels of {list(read.shape)}")
    starts = {sum(steps[:row]) for row in range(len(steps))}
    falls = (thresholds[1:] <= thresholds[:-1]).nonzero().flatten() + 1
    least, most = int(thresholds.min()), int(thresholds.max())
    if read.high - read.low >= MOST_LOOKED_UP or not read.low <= least <= most <= read.high:
        fields.fail(f"looks up codes from {read.low} to {read.high}, or has thresholds beyond")
    if not starts.issuperset(falls.tolist()):
        fields.fail("has thresholds that do not rise")
    return Type(read.shape, int(codes.min()), int(codes.max()), (_exponent(fields),))


def _align(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, exponent, divisor = reads[0], _exponent(fields), fields.integer("divisor", 1, LARGEST)
    if divisor % read.divisor or exponent > min(read.exponents):
        fields.fail("aligns to what is coarser than its own")
    scale = (divisor // read.divisor) << (max(read.exponents) - exponent)
    return Type(read.shape, min(read.low, read.low * scale), max(read.high, read.high * scale), (exponent,), 0, divisor)


def _add(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    one, other = reads
    _check_alike(fields, reads)
    if one.shape != other.shape:
        fields.fail(f"adds {list(one.shape)} and {list(other.shape)}")
    return Type(one.shape, one.low + other.low, one.high + other.high, one.exponents, 0, one.divisor)


def _concat(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    _check_alike(fields, reads)
    first, dim = reads[0], fields.integer("dim", 1, len(reads[0].shape)) - 1
    rest = {(each.shape[:dim], each.shape[dim + 1 :], len(each.shape)) for each in reads}
    if len(rest) > 1:
        fields.fail("joins shapes that do not fit")
    shape = (*first.shape[:dim], sum(each.shape[dim] for each in reads), *first.shape[dim + 1 :])
    low, high = min(each.low for each in reads), max(each.high for each in reads)
    return Type(shape, low, high, first.exponents, 0, first.divisor)


def _check_alike(fields: Fields, reads: Sequence[Type]) -> None:
    if len({(each.exponents, each.divisor) for each in reads}) > 1 or len(reads[0].exponents) > 1:
        fields.fail("joins values that are not aligned")


def _max_pool(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, sides = reads[0], _sides(fields, reads[0])
    lows = (("kernel", 1), ("stride", 1), ("padding", 0), ("dilation", 1))
    kernel, stride, padding, dilation = (_sizes(fields, key, sides, low) for key, low in lows)
    ceil = fields.boolean("ceil")
    if any(2 * more > size for size, more in zip(kernel, padding, strict=True)):
        fields.fail("pads by more than half its window")
    each = zip(read.shape[1:], kernel, stride, padding, dilation, strict=True)
    after = tuple(_windows(size, k, s, p, d, ceil) for size, k, s, p, d in each)
    _check_size(fields, (read.shape[0], *kernel, *after), _MOST_TERMS)
    return Type((read.shape[0], *after), read.low, read.high, read.exponents, 0, read.divisor)


def _sides(fields: Fields, read: Type) -> int:
    """How many dimensions a window has."""
    if len(read.shape) not in (2, 3) or read.axis != 0:
        fields.fail(f"has windows over {list(read.shape)}, which has no channels in front, or exponents elsewhere")
    return len(read.shape) - 1


def _sum_pool(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, sides = reads[0], _sides(fields, reads[0])
    kernel, stride, padding = (_sizes(fields, key, sides, low) for key, low in
                               (("kernel", 1), ("stride", 1), ("padding", 0)))  # fmt: skip
    _check_size(fields, (read.shape[0], *_padded(read.shape[1:], padding)))
    after = tuple(_windows(*each) for each in zip(read.shape[1:], kernel, stride, padding, strict=True))
    _check_size(fields, (read.shape[0], *kernel, *after), _MOST_TERMS)
    if any(padding):
        read = Type(read.shape, min(read.low, 0), max(read.high, 0), read.exponents, read.axis, read.divisor)
    return _mean(read, (read.shape[0], *after), math.prod(kernel), fields)


def _sum(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, dims = reads[0], _sizes(fields, "dims")
    if len(read.exponents) > 1 or max(dims) > len(read.shape) or len(set(dims)) != len(dims):
        fields.fail(f"sums over dimensions {dims} of {list(read.shape)}")
    kept = fields.boolean("keep")
    shape = tuple(1 if dim in dims else size for dim, size in enumerate(read.shape, 1) if kept or dim not in dims)
    return _mean(read, shape, math.prod(read.shape[dim - 1] for dim in dims), fields)


def _mean(read: Type, shape: tuple[int, ...], terms: int, fields: Fields) -> Type:
    """A sum of so many terms, which counts as its `count`th part: its powers of two go into exponents."""
    count = fields.integer("count", 1, _MOST)
    twos = (count & -count).bit_length() - 1
    exponents = tuple(each - twos for each in read.exponents)
    divisor = read.divisor * (count >> twos)
    return Type(shape, read.low * terms, read.high * terms, exponents, read.axis, divisor)


def _reshape(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, shape = reads[0], _sizes(fields, "shape")
    if math.prod(shape) != read.count or len(read.exponents) > 1:
        fields.fail(f"cannot make {list(shape)} of {list(read.shape)}")
    return Type(shape, read.low, read.high, read.exponents, 0, read.divisor)


def _permute(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, order = reads[0], _sizes(fields, "order", None, 0)
    if sorted(order) != [*range(len(read.shape) + 1)] or order[0] != 0 or len(read.exponents) > 1:
        fields.fail(f"cannot turn {list(read.shape)} by {list(order)}")
    shape = tuple(read.shape[each - 1] for each in order[1:])
    return Type(shape, read.low, read.high, read.exponents, 0, read.divisor)


def _slice(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, dim = reads[0], fields.integer("dim", 1, len(reads[0].shape)) - 1
    start, stop, step = fields.integer("start", 0), fields.integer("stop", 0), fields.integer("step", 1)
    if len(read.exponents) > 1:
        fields.fail("takes a part of a value with an exponent for each channel")
    length = len(range(*slice(start, stop, step).indices(read.shape[dim])))
    shape = (*read.shape[:dim], length, *read.shape[dim + 1 :])
    return Type(shape, read.low, read.high, read.exponents, 0, read.divisor)


def _pad(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, pad = reads[0], _sizes(fields, "pad", None, 0)
    if len(pad) % 2 or len(pad) > 2 * len(read.shape) or len(read.exponents) > 1:
        fields.fail(f"pads {list(read.shape)} by {list(pad)}")
    shape = list(read.shape)
    for index in range(len(pad) // 2):
        shape[-1 - index] += pad[2 * index] + pad[2 * index + 1]
    return Type(tuple(shape), min(read.low, 0), max(read.high, 0), read.exponents, 0, read.divisor)


def _ends(fields: Fields) -> tuple[int, int]:
    low, high = fields.integer("low", -LARGEST, LARGEST), fields.integer("high", -LARGEST, LARGEST)
    if low > high:
        fields.fail(f"has codes from {low} to {high}")
    return low, high


def _exponent(fields: Fields) -> int:
    return fields.integer("exponent", -MOST_EXPONENT, MOST_EXPONENT)


def _sizes(fields: Fields, key: str, count: int | None = None, low: int = 1) -> tuple[int, ...]:
    found = tuple(_whole(fields, each, low, _MOST) for each in fields.items(key))
    if not found or (count is not None and len(found) != count):
        fields.fail(f"key '{key}' has {len(found)} numbers" + ("" if count is None else f", expected {count}"))
    return found


def _whole(fields: Fields, value: Any, low: int = -LARGEST, high: int = LARGEST) -> int:
    if type(value) is not int or not low <= value <= high:
        fields.fail(f"has {value!r:.40} where a whole number from {low} to {high} is expected")
    number: int = value
    return number


LAWS: Mapping[str, tuple[Law, int]] = {
    "input": (_input, 0), "conv1d": (_layer, 1), "conv2d": (_layer, 1), "linear": (_layer, 1), "add": (_add, 2),
    "clamp": (_clamp, 1), "requantise": (_requantise, 1), "sign": (_sign, 1), "table": (_table, 1),
    "align": (_align, 1),
    "max_pool": (_max_pool, 1), "sum_pool": (_sum_pool, 1), "sum": (_sum, 1), "concat": (_concat, -1),
    "reshape": (_reshape, 1), "permute": (_permute, 1), "slice": (_slice, 1), "pad": (_pad, 1),
}  # fmt: skip
"""By kind: the law, and how many values it reads; -1 for any number above none."""
LAYERS = {"conv1d": 3, "conv2d": 4, "linear": 2}
"""The kinds that multiply, and how many dimensions their weights have."""
PARTS: Mapping[str, Mapping[str, int]] = {
    **{kind: {"weights": dimensions, "bias": 1} for kind, dimensions in LAYERS.items()},
    "table": {"thresholds": 1, "codes": 1},
}
"""The constants of each kind that has any, and how many dimensions each has."""
